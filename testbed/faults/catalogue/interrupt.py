# SPDX-License-Identifier: GPL-2.0-only
"""Interrupts and notifications that are lost, late, wrong or too many.

An interrupt or notification that is lost stands a ring still: the driver arms queue and vector
once per poll and waits. It looks for missed ones only on chips of revision 0 (bnxt.c:14479).
"""

from __future__ import annotations

from functools import partial

from testbed.faults.entry import (
    SURVIVES,
    UNAFFECTED,
    Expect,
    FaultClass,
    Reaction,
    Repair,
    Work,
    entry,
)
from testbed.faults.plans import fault, until_event

CN = {"type": "CQ_NOTIFICATION"}
STALLS = Expect(
    Reaction.UNAFFECTED,
    work=Work.EITHER,
    repair=Repair.UP_DOWN,
    output="ping: 1[0-9] of 20 lost|no echo",
    complaints=("Resp cmpl intr err msg", "hwrm_ring_free type"),
)
BAD_HANDLE = Expect(
    Reaction.UNAFFECTED,
    work=Work.EITHER,
    finding="nqe-handle-unchecked",
    fixed=SURVIVES,
)
SLOW = Expect(  # an echo waits for several more requests, 50 ms one from the other
    Reaction.RECOVERS, output=r"ping: 0 of 20 lost, the slowest answer took [1-9][0-9]{2} ms"
)
NQ_ARM = {"type": "NQ_ARM"}
MISSED = "bnxt.c:14798 bnxt_chk_missed_irq(), for chip revision 0 only (bnxt.c:14479)"
ALL_THERE = "bnxt.c:3371 bnxt_poll_p5(): all that is there, whenever it comes"
NO_NQE = "bnxt.c:3371 bnxt_poll_p5(): no valid NQE, napi_complete_done()"
NO_CQE = "bnxt.c:3088 __bnxt_poll_work(): no valid CQE"
BEYOND = "bnxt.c:3426 bnxt_poll_p5(): cp_ring_arr[idx]"
on_ping = partial(
    entry, fault_class=FaultClass.INTERRUPT, workload="ping", expect=STALLS, source=MISSED
)


def more_interrupts(least: int) -> Expect:
    """Work as ever, and interrupts that would not be there without the fault."""
    return Expect(Reaction.UNAFFECTED, nstat={"dut Interrupts": (least, 3000)})


on_stream = partial(entry, fault_class=FaultClass.INTERRUPT, workload="stream", expect=UNAFFECTED)
interrupt = partial(entry, fault_class=FaultClass.INTERRUPT)

FAULTS = (
    on_stream("irq-storm", "each of 20 interrupts is raised 50 times",
        fault("storm", "irq.raise", "duplicate", count=50, times=20),
        expect=more_interrupts(150), source="bnxt.c:3044 bnxt_msix()",
        engines=("uml",)),  # QEMU makes one of what is raised before it looks
    on_ping("irq-lost", "one interrupt is lost: the ring stands still until it is opened anew",
        fault("lost", "irq.raise", "drop", nth=3)),
    on_ping("irq-late", "an interrupt comes six packets later",
        fault("late", "irq.raise", "hold", nth=3, until=until_event("rx.frame", nth=6)),
        expect=SLOW, source=ALL_THERE),
    on_ping("irq-spurious",
        "200 times an interrupt without any notification comes as soon as the driver has armed",
        fault("spurious", "doorbell.write", "card", match=NQ_ARM, times=200, do="irq",
            params={"vector": 0}),
        expect=more_interrupts(200), source=NO_NQE),
    interrupt("irq-flood-idle", "5000 interrupts at once come to an idle interface",
        fault("flood", "now", "card", do="irq", params={"vector": 0, "count": 5000}),
        workload="idle", expect=more_interrupts(12), source=NO_NQE,
        engines=("uml",)),  # as above
    on_ping("irq-wrong-vector", "an interrupt comes on a vector that no ring has",
        fault("wrong", "irq.raise", "set", nth=3, fields={"vector": 9})),
    interrupt("irq-other-ring",
        "each interrupt of four rings comes on the next ring's vector as well, and first",
        fault("other", "irq.raise", "duplicate", match={"vector": {"lt": 3}}, times=0, first=True,
            fields={"vector": {"add": 1}}),
        workload="channels-stream", expect=more_interrupts(160), source=NO_NQE,
        engines=("uml",)),  # how many there are without the fault depends on the host's pace
    on_ping("nqe-lost", "completions come without a notification in the NQ",
        fault("lost", "nqe.write", "drop", match=CN, nth=3)),
    on_ping("nqe-late",
        "a notification is written after its interrupt, with the sixth packet from there",
        fault("late", "nqe.write", "hold", match=CN, nth=3, until=until_event("rx.frame", nth=6)),
        # in real time one may stand behind it, its interrupt gone as well: nobody looks again
        expect=SLOW, source=ALL_THERE, engines=("uml",)),
    on_ping("nqe-duplicated",
        "each notification comes twice more, when the driver has armed the queue twice",
        fault("thrice", "nqe.write", "duplicate", match=CN, count=2, times=0,
            until=until_event("doorbell.write", NQ_ARM, nth=2)),
        expect=more_interrupts(55), source=NO_CQE),
    on_ping("nqe-spurious",
        "whenever the driver arms the NQ, it names a completion ring that has nothing new",
        fault("spurious", "doorbell.write", "card", match=NQ_ARM, times=200, do="nqe",
            params={"queue": 0}),
        expect=more_interrupts(200), source=NO_CQE),
    on_ping("nqe-handle-beyond", "a notification names the completion ring after the last",
        fault("handle", "nqe.write", "set", match=CN, nth=3, fields={"cq_handle_low": 2}),
        expect=BAD_HANDLE, source=BEYOND),
    on_ping("nqe-handle-far", "a notification names a completion ring far beyond all there are",
        fault("handle", "nqe.write", "set", match=CN, nth=3, fields={"cq_handle_low": 0xFF_FFFF}),
        expect=BAD_HANDLE, source=BEYOND),
    on_ping("nqe-type-unknown", "a notification has a type that nobody knows",
        fault("type", "nqe.write", "set", match=CN, nth=3, fields={"type": "63"}),
        source="bnxt.c:3433 bnxt_poll_p5(), bnxt.c:3030 bnxt_hwrm_handler(): default"),
    on_ping("nqe-phase-wrong",
        "a notification has the old valid bit; the next one is written over it",
        fault("phase", "nqe.write", "set", match=CN, nth=3,
            fields={"flip_phase": True, "advance": False}),
        source="bnxt.c:3396 bnxt_poll_p5(): NQ_CMP_VALID"),
)  # fmt: skip
