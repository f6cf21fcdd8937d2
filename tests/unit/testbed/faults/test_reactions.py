# SPDX-License-Identifier: GPL-2.0-only
"""Each reaction needs evidence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work
from testbed.faults.evidence import Evidence
from testbed.faults.plans import fault
from testbed.faults.reactions import wrong_reaction, wrong_resets
from testbed.faults.record import TrialRecord

SENT_AGAIN = {"remote TcpRetransSegs": 3}


def entry(reaction: Reaction, workload: str = "stream", **expect: Any) -> Fault:
    return Fault(
        name="a-fault", fault_class=FaultClass.DMA, title="t", source="bnxt.c:1",
        plan=(fault("a", "irq.raise", "drop"),), workload=workload,
        expect=Expect(reaction, **expect),
    )  # fmt: skip


def commands(*names: str) -> Evidence:
    trace: list[dict[str, Any]] = [{"k": "fault"}, *({"k": "hwrm", "cmd": name} for name in names)]
    return Evidence(trace=trace)


def reaction_of(
    fault: Fault, record: TrialRecord | None = None, evidence: Evidence | None = None
) -> list[str]:
    return wrong_reaction(fault, record or TrialRecord(), evidence or Evidence())


@pytest.mark.parametrize(
    ("record", "evidence", "expect"),
    [
        (TrialRecord(nstat=SENT_AGAIN), Evidence(), {}),
        (TrialRecord(nstat={"dut TcpRetransSegs": 1}), Evidence(), {}),
        (TrialRecord(), Evidence(ethtool={"rx_total_discard": 1}), {}),
        (TrialRecord(), Evidence(ethtool={"rx_total_l4_csum_errors": 1}), {}),
        (TrialRecord(), Evidence(card={"rx_drop_link_down": 1}), {}),
        (TrialRecord(), Evidence(), {"kernel_log": ("TPA end",)}),
        (TrialRecord(), Evidence(), {"output": "ping: 0 of 20 lost"}),
        (TrialRecord(), Evidence(), {"requests": {"VNIC_CFG": {"mru": 0}}}),
    ],
)
def test_recovery_needs_a_loss(
    record: TrialRecord, evidence: Evidence, expect: dict[str, Any]
) -> None:
    assert reaction_of(entry(Reaction.RECOVERS, **expect), record, evidence) == []


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(),
        Evidence(card={"rx_drop_no_l2_match": 4, "rx_frames": 9}),
        Evidence(ethtool={"rx_ucast_packets": 5, "rx_discards": -3, "rx_stat_discard": 4}),
    ],
)
def test_nothing_lost_is_no_recovery(evidence: Evidence) -> None:
    (reason,) = reaction_of(entry(Reaction.RECOVERS), TrialRecord(), evidence)
    assert reason.startswith("nothing shows a loss")


def test_who_is_unaffected_loses_nothing_unless_the_entry_says_so() -> None:
    simulated = TrialRecord(nstat=SENT_AGAIN, simulated=True)
    (reason,) = reaction_of(entry(Reaction.UNAFFECTED), simulated)
    assert reason.startswith("3 segments were sent again")
    declared = entry(Reaction.UNAFFECTED, nstat={"remote TcpRetransSegs": (1, 5)})
    assert reaction_of(declared, simulated) == []
    assert reaction_of(entry(Reaction.UNAFFECTED, work=Work.EITHER), simulated) == []
    assert reaction_of(entry(Reaction.UNAFFECTED), TrialRecord(nstat=SENT_AGAIN)) == []
    assert reaction_of(entry(Reaction.UNAFFECTED), TrialRecord(simulated=True)) == []


@pytest.mark.parametrize(
    ("record", "expect", "good"),
    [
        (TrialRecord(failure="no carrier"), {}, True),
        (TrialRecord(output=["ping: 7 of 40 lost"]), {}, True),
        (TrialRecord(), {"kernel_log": ("Firmware reset aborted",)}, True),
        (TrialRecord(output=["ping: 0 of 40 lost"]), {}, False),
        (TrialRecord(output=["4 channels"]), {}, False),
    ],
)
def test_clean_failure_is_a_failure(
    record: TrialRecord, expect: dict[str, Any], good: bool
) -> None:
    assert (reaction_of(entry(Reaction.FAILS_CLEANLY, **expect), record) == []) is good


def test_what_is_refused_fails() -> None:
    refusal = entry(Reaction.REFUSES, kernel_log=("Refused to change",))
    assert reaction_of(refusal, TrialRecord(failure="probe fails")) == []
    assert reaction_of(refusal) == ["the operation was to be refused, and was not"]


@pytest.mark.parametrize(
    ("reaction", "sent", "wrong"),
    [
        (Reaction.RESETS_RING, ("RING_ALLOC",), 0),
        (Reaction.RESETS_RING, ("RING_ALLOC", "FUNC_RESET"), 1),
        (Reaction.RESETS_RING, ("RING_ALLOC", "FUNC_DRV_IF_CHANGE"), 1),
        (Reaction.RESETS_RING, (), 1),
        (Reaction.RESETS_CARD, ("FUNC_RESET", "FUNC_DRV_IF_CHANGE", "RING_ALLOC"), 0),
        (Reaction.RESETS_CARD, ("FUNC_DRV_IF_CHANGE", "RING_ALLOC"), 1),
        (Reaction.RESETS_CARD, ("RING_ALLOC",), 2),
        (Reaction.UNAFFECTED, ("RING_ALLOC",), 1),
        (Reaction.UNAFFECTED, (), 0),
    ],
)
def test_a_ring_is_not_the_card(reaction: Reaction, sent: Sequence[str], wrong: int) -> None:
    fault, evidence = entry(reaction), commands(*sent)
    assert len(reaction_of(fault, None, evidence) + wrong_resets(fault, evidence)) == wrong


def test_a_workload_that_opens_the_interface_allocates_rings_itself() -> None:
    opened = commands("FUNC_DRV_IF_CHANGE", "RING_ALLOC")
    assert wrong_resets(entry(Reaction.UNAFFECTED, "up-down"), opened) == []
    assert reaction_of(entry(Reaction.RESETS_RING, "up-down"), None, opened) == []
