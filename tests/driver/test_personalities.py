# SPDX-License-Identifier: GPL-2.0-only
"""The unmodified driver on each personality: it binds, says who the card is, carries traffic."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.card.personality import load_personality, personalities
from testbed.dut.own_program import ready_queue
from testbed.dut.zcrx import console
from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.session import UmlSession
from testbed.options import RunOptions
from testbed.workloads.judge import CardAccount, require_clean_log

PORT = 8000
QUEUES = {"bcm57508": 74, "minimal": 1, "npar": 8}
"""Combined channels that there can be; of the others 32, which are the default card's vectors."""


@pytest.mark.parametrize("name", personalities())
def test_driver_opens_the_card(tmp_path: Path, name: str) -> None:
    card = load_personality(name)
    options = RunOptions(engine="uml", cpus=1, seed=3, memory_mib=512, card_options=card)
    options, prepared = UML.prepare(options, lambda _text: None)
    with UmlSession(options, tmp_path, prepared) as session:
        said = session.dut.run(["ethtool", "-i", "nut0"]).text
        firmware = ".".join(map(str, card.get("firmware", [232, 0, 1, 0])))
        assert re.search(rf"firmware-version: {re.escape(firmware)}/pkg", said)
        channels = session.dut.run(["ethtool", "-l", "nut0"]).text
        most = re.search(r"Combined:\s+(\d+)", channels)
        assert most is not None
        assert int(most[1]) == QUEUES.get(name, 32)
        session.dut.run(["ping", "-q", "-c", "3", "-i", "0.2", "-w", "30", session.remote.ipv4])
        if name != "minimal":  # whose queue is the only one
            queue = ready_queue(session.dut, session.remote, PORT)
            with console(session.dut) as zcrx:
                zcrx.ring()
                bound = zcrx.register(queue=queue.queue, area=1 << 20).errno
            assert bound == ("EOPNOTSUPP" if name == "old-firmware" else "")
        account = CardAccount.of(session.card.state())
        assert not account.unknown_hwrm
        assert account.require_no_violation()
        require_clean_log(session.kernel_log, session.kernel)
