# SPDX-License-Identifier: GPL-2.0-only
"""What an entry expects."""

from __future__ import annotations

from testbed.faults.entry import RESENT, Expect, Reaction


def test_recovery_counts_what_was_sent_again() -> None:
    assert Expect(Reaction.RESETS_RING).counted == ()
    ofo = {"dut TcpExtTCPOFOQueue": (1, None)}
    assert Expect(Reaction.RESETS_RING, nstat=ofo).counted == ("dut TcpExtTCPOFOQueue",)
    assert Expect(Reaction.RECOVERS, nstat=ofo).counted == ("dut TcpExtTCPOFOQueue", *RESENT)
