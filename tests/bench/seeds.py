# SPDX-License-Identifier: GPL-2.0-only
"""What the seeds of a campaign cost, one after the other, and who has computed it:

    python -P -m tests.bench.seeds [--flavour uml] [--kernel PROGRAM] [--every 8]

Prints, three times, CPU milliseconds of a run: of this whole host, of the card's process, and of
this one, which leads the guest and judges. What is left is the guest's. The host must have nothing
else to do. Two trees are compared by running it in each in turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from testbed.fuzz.execute import Executor
from testbed.fuzz.seeds import seeds
from testbed.host.cputime import used_s
from tests.bench.cycle import ROUNDS, busy_s
from tests.driver.slow_guest import descendants

CARD = b"\0devmodel\0"


def cards() -> list[int]:
    """Processes of ours that are cards."""
    found = []
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            if CARD in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--flavour", default="uml")
    parser.add_argument("--kernel")
    parser.add_argument("--every", type=int, default=8, help="one of so many seeds")
    words = parser.parse_args()
    schedules = [one for _, one in seeds(words.flavour, words.kernel)][:: words.every]
    with (
        tempfile.TemporaryDirectory(prefix="seeds-") as folder,
        Executor(Path(folder), words.flavour, words.kernel, say=print) as executor,
    ):
        Path(folder).chmod(0o755)
        for one in schedules:  # what cards there are is asked once, and what is built is built
            executor.run(one)
        for _ in range(ROUNDS):
            before = {pid: used_s(pid) for pid in cards()}
            behind = dict(before)
            began, busy, own = time.monotonic(), busy_s(), time.process_time()
            for one in schedules:
                executor.run(one)
                behind |= {pid: used_s(pid) for pid in cards()}  # a card that fails is another
            card_s = sum(behind.values()) - sum(before.values())
            each = 1000 / len(schedules)
            print(
                f"{len(schedules)} seeds, ms of one: {(busy_s() - busy) * each:.0f} CPU,"
                f" card {card_s * each:.0f},"
                f" this process {(time.process_time() - own) * each:.0f},"
                f" {(time.monotonic() - began) * each:.0f} by the clock;"
                f" load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
