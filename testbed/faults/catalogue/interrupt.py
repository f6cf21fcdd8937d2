# SPDX-License-Identifier: GPL-2.0-only
"""Interrupts and doorbells that are lost, late or too many."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Repair, Work

FAULTS = (
    Fault(
        name="irq-storm",
        fault_class=FaultClass.INTERRUPT,
        title="each of 20 interrupts is raised 50 times",
        plan=(
            {
                "id": "storm",
                "where": "irq.raise",
                "what": {"action": "duplicate", "count": 50},
                "times": 20,
            },
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c bnxt_msix()",
    ),
    Fault(
        name="irq-lost",
        fault_class=FaultClass.INTERRUPT,
        title="one interrupt is lost: the ring stands still until it is opened anew",
        plan=(
            {"id": "lost", "where": "irq.raise", "when": {"nth": 3}, "what": {"action": "drop"}},
        ),
        workload="ping",
        expect=Expect(
            reaction=Reaction.UNAFFECTED,
            work=Work.EITHER,
            repair=Repair.UP_DOWN,
            output="ping: 1[0-9] of 20 lost",
            complaints=("Resp cmpl intr err msg", "hwrm_ring_free type"),
        ),
        source="bnxt.c:14798 bnxt_chk_missed_irq()",
    ),
)
