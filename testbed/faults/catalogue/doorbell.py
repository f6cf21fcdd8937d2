# SPDX-License-Identifier: GPL-2.0-only
"""Doorbells that are lost on their way to the card, late, or come twice."""

from __future__ import annotations

from testbed.faults.catalogue.interrupt import MISSED, STALLS, UNAFFECTED
from testbed.faults.entry import Expect, Fault, FaultClass, Reaction
from testbed.faults.plans import fault, until_event

NEXT = "bnxt.c:3183 __bnxt_poll_work_done(): the next index covers this one"

FAULTS = (
    Fault(
        name="doorbell-rx-lost",
        fault_class=FaultClass.INTERRUPT,
        title="every second doorbell for receive buffers is lost",
        plan=(fault("lost", "doorbell.write", "drop", match={"type": "SRQ"}, every=2, times=50),),
        workload="stream",
        expect=UNAFFECTED,
        source=NEXT,
    ),
    Fault(
        name="doorbell-rx-late",
        fault_class=FaultClass.INTERRUPT,
        title="a doorbell for receive buffers comes after the next but one",
        plan=(
            fault(
                "late",
                "doorbell.write",
                "hold",
                match={"type": "SRQ"},
                nth=4,
                until=until_event("doorbell.write", {"type": "SRQ"}, nth=2, before=True),
            ),
        ),
        workload="stream",
        expect=UNAFFECTED,
        source=NEXT,
    ),
    Fault(
        name="doorbell-duplicated",
        fault_class=FaultClass.INTERRUPT,
        title="each of 500 doorbells comes twice",
        plan=(fault("twice", "doorbell.write", "duplicate", times=500),),
        workload="stream",
        expect=UNAFFECTED,
        source="bnxt.c:3088 __bnxt_poll_work(), bnxt.c:3396 bnxt_poll_p5(): nothing new",
    ),
    Fault(
        name="doorbell-tx-lost",
        fault_class=FaultClass.INTERRUPT,
        title="each fifth doorbell for packets to send is lost",
        plan=(fault("lost", "doorbell.write", "drop", match={"type": "SQ"}, every=5, times=10),),
        workload="send",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:477 bnxt_txr_db_kick(): the next index covers this one; tcp sends again",
    ),
    Fault(
        name="doorbell-cq-arm-lost",
        fault_class=FaultClass.INTERRUPT,
        title="the doorbells that arm the completion rings are lost",
        plan=(
            fault("lost", "doorbell.write", "drop", match={"type": "CQ_ARMALL"}, nth=5, times=2),
        ),
        workload="ping",
        expect=STALLS,
        source=MISSED,
    ),
    Fault(
        name="doorbell-nq-arm-lost",
        fault_class=FaultClass.INTERRUPT,
        title="the doorbell that arms the notification queue is lost",
        plan=(fault("lost", "doorbell.write", "drop", match={"type": "NQ_ARM"}, nth=3),),
        workload="ping",
        expect=STALLS,
        source=MISSED,
    ),
    Fault(
        name="doorbell-nq-arm-late",
        fault_class=FaultClass.INTERRUPT,
        title="the doorbell that arms the notification queue comes three packets later",
        plan=(
            fault(
                "late",
                "doorbell.write",
                "hold",
                match={"type": "NQ_ARM"},
                nth=3,
                until=until_event("rx.frame", nth=3),
            ),
        ),
        workload="ping",
        expect=Expect(reaction=Reaction.RECOVERS, output="ping: 0 of 20 lost"),
        source="bnxt.c:3403 bnxt_poll_p5(): the card interrupts at once if there is more",
    ),
)
