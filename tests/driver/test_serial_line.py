# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel of a guest says comes whole, also when the runner has no time to read it."""

from __future__ import annotations

import time

from tests.driver.conftest import Opener

LINES = 800
AWAY_S = 4.0
DONE = "/run/said-all"
SAY = (
    "sysctl -qw kernel.printk_devkmsg=on; (sleep 0.5; i=0; while [ $i -lt {lines} ];"
    " do echo '<4>testbed: line '$i' of a long report' >/dev/kmsg; i=$((i+1)); done"
    " >/dev/null 2>&1; : >{done}) &"
)


async def be_away() -> None:
    """Hold up the loop that reads the serial line."""
    time.sleep(AWAY_S)


def test_no_byte_is_lost_while_nobody_reads(open_session: Opener) -> None:
    with open_session() as session:
        log = session.machine.kernel_log_path
        session.dut.run(["sh", "-ec", SAY.format(lines=LINES, done=DONE)])
        session.loop.run(be_away())
        session.dut.run(["sh", "-c", f"until [ -e {DONE} ]; do sleep 0.1; done"])
        time.sleep(1)  # the agent's answer and the log come on two ways
        lines = [line.partition("testbed: ")[2] for line in log.read_text("utf-8").splitlines()]
        said = [line for line in lines if line]
        assert said == [f"line {number} of a long report" for number in range(LINES)]
