# SPDX-License-Identifier: GPL-2.0-only
"""Interrupts and notifications that are lost, late, wrong or too many.

An interrupt or notification that is lost stands a ring still: the driver arms queue and vector
once per poll and waits. It looks for missed ones only on chips of revision 0 (bnxt.c:14479).
"""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Repair, Work
from testbed.faults.plans import fault, until_event

CN = {"type": "CQ_NOTIFICATION"}
STALLS = Expect(
    reaction=Reaction.UNAFFECTED,
    work=Work.EITHER,
    repair=Repair.UP_DOWN,
    output="ping: 1[0-9] of 20 lost|no echo",
    complaints=("Resp cmpl intr err msg", "hwrm_ring_free type"),
)
BAD_HANDLE = Expect(
    reaction=Reaction.UNAFFECTED,
    work=Work.EITHER,
    complaints=("Kernel mode fault at addr", "Kernel tried to access user memory"),
    finding="nqe-handle-unchecked",
)
UNAFFECTED = Expect(reaction=Reaction.UNAFFECTED)
MISSED = "bnxt.c:14798 bnxt_chk_missed_irq(), for chip revision 0 only (bnxt.c:14479)"
POLL = "bnxt.c:3371 bnxt_poll_p5()"

FAULTS = (
    Fault(
        name="irq-storm",
        fault_class=FaultClass.INTERRUPT,
        title="each of 20 interrupts is raised 50 times",
        plan=(fault("storm", "irq.raise", "duplicate", count=50, times=20),),
        workload="stream",
        expect=UNAFFECTED,
        source="bnxt.c:3044 bnxt_msix()",
    ),
    Fault(
        name="irq-lost",
        fault_class=FaultClass.INTERRUPT,
        title="one interrupt is lost: the ring stands still until it is opened anew",
        plan=(fault("lost", "irq.raise", "drop", nth=3),),
        workload="ping",
        expect=STALLS,
        source=MISSED,
    ),
    Fault(
        name="irq-late",
        fault_class=FaultClass.INTERRUPT,
        title="an interrupt comes three packets later",
        plan=(fault("late", "irq.raise", "hold", nth=3, until=until_event("rx.frame", nth=3)),),
        workload="ping",
        expect=Expect(reaction=Reaction.RECOVERS, output="ping: 0 of 20 lost"),
        source=POLL + ": all that is there, whenever it comes",
    ),
    Fault(
        name="irq-spurious",
        fault_class=FaultClass.INTERRUPT,
        title="an interrupt without any notification comes with each of 200 packets",
        plan=(fault("spurious", "rx.frame", "card", times=200, do="irq", params={"vector": 0}),),
        workload="stream",
        expect=UNAFFECTED,
        source=POLL + ": no valid NQE, napi_complete_done()",
    ),
    Fault(
        name="irq-flood-idle",
        fault_class=FaultClass.INTERRUPT,
        title="5000 interrupts at once come to an idle interface",
        plan=(fault("flood", "now", "card", do="irq", params={"vector": 0, "count": 5000}),),
        workload="idle",
        expect=UNAFFECTED,
        source=POLL + ": no valid NQE, napi_complete_done()",
    ),
    Fault(
        name="irq-wrong-vector",
        fault_class=FaultClass.INTERRUPT,
        title="an interrupt comes on a vector that no ring has",
        plan=(fault("wrong", "irq.raise", "set", nth=3, fields={"vector": 9}),),
        workload="ping",
        expect=STALLS,
        source=MISSED,
    ),
    Fault(
        name="irq-other-ring",
        fault_class=FaultClass.INTERRUPT,
        title="each interrupt of four rings comes on the next ring's vector as well, and first",
        plan=(
            fault(
                "other",
                "irq.raise",
                "duplicate",
                match={"vector": {"lt": 3}},
                times=100,
                first=True,
                fields={"vector": {"add": 1}},
            ),
        ),
        workload="channels-stream",
        expect=UNAFFECTED,
        source=POLL + ": no valid NQE, napi_complete_done()",
    ),
    Fault(
        name="nqe-lost",
        fault_class=FaultClass.INTERRUPT,
        title="completions come without a notification in the NQ",
        plan=(fault("lost", "nqe.write", "drop", match=CN, nth=3),),
        workload="ping",
        expect=STALLS,
        source=MISSED,
    ),
    Fault(
        name="nqe-late",
        fault_class=FaultClass.INTERRUPT,
        title="a notification is written after its interrupt, with the third packet from there",
        plan=(
            fault(
                "late", "nqe.write", "hold", match=CN, nth=3, until=until_event("rx.frame", nth=3)
            ),
        ),
        workload="ping",
        expect=Expect(reaction=Reaction.RECOVERS, output="ping: 0 of 20 lost"),
        source=POLL + ": all that is there, whenever it comes",
    ),
    Fault(
        name="nqe-duplicated",
        fault_class=FaultClass.INTERRUPT,
        title="each of 50 notifications is there three times",
        plan=(fault("thrice", "nqe.write", "duplicate", match=CN, count=2, times=50),),
        workload="stream",
        expect=UNAFFECTED,
        source="bnxt.c:3088 __bnxt_poll_work(): no valid CQE",
    ),
    Fault(
        name="nqe-spurious",
        fault_class=FaultClass.INTERRUPT,
        title="the NQ names a completion ring that has nothing new",
        plan=(fault("spurious", "rx.frame", "card", times=50, do="nqe", params={"queue": 0}),),
        workload="stream",
        expect=UNAFFECTED,
        source="bnxt.c:3088 __bnxt_poll_work(): no valid CQE",
    ),
    Fault(
        name="nqe-handle-beyond",
        fault_class=FaultClass.INTERRUPT,
        title="a notification names the completion ring after the last",
        plan=(fault("handle", "nqe.write", "set", match=CN, nth=3, fields={"cq_handle_low": 2}),),
        workload="ping",
        expect=BAD_HANDLE,
        source="bnxt.c:3426 bnxt_poll_p5(): cp_ring_arr[idx]",
    ),
    Fault(
        name="nqe-handle-far",
        fault_class=FaultClass.INTERRUPT,
        title="a notification names a completion ring far beyond all there are",
        plan=(
            fault(
                "handle", "nqe.write", "set", match=CN, nth=3, fields={"cq_handle_low": 0xFF_FFFF}
            ),
        ),
        workload="ping",
        expect=BAD_HANDLE,
        source="bnxt.c:3426 bnxt_poll_p5(): cp_ring_arr[idx]",
    ),
    Fault(
        name="nqe-type-unknown",
        fault_class=FaultClass.INTERRUPT,
        title="a notification has a type that nobody knows",
        plan=(fault("type", "nqe.write", "set", match=CN, nth=3, fields={"type": "63"}),),
        workload="ping",
        expect=STALLS,
        source="bnxt.c:3433 bnxt_poll_p5(), bnxt.c:3030 bnxt_hwrm_handler(): default",
    ),
    Fault(
        name="nqe-phase-wrong",
        fault_class=FaultClass.INTERRUPT,
        title="a notification has the old valid bit; the next one is written over it",
        plan=(
            fault(
                "phase",
                "nqe.write",
                "set",
                match=CN,
                nth=3,
                fields={"flip_phase": True, "advance": False},
            ),
        ),
        workload="ping",
        expect=STALLS,
        source="bnxt.c:3396 bnxt_poll_p5(): NQ_CMP_VALID",
    ),
)
