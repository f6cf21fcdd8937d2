# SPDX-License-Identifier: GPL-2.0-only
"""Doorbells that are lost on their way to the card, late, or come twice."""

from __future__ import annotations

from testbed.faults.catalogue.interrupt import NQ_ARM, SLOW, interrupt, on_ping, on_stream
from testbed.faults.entry import STALLED, Expect, Reaction
from testbed.faults.plans import fault, until_event

SRQ = {"type": "SRQ"}
NEXT = "bnxt.c:3183 __bnxt_poll_work_done(): the next index covers this one"
COVERED = "The next doorbell names these buffers, too, long before the card has used up the others."

FAULTS = (
    on_stream("doorbell-rx-lost", "every second doorbell for receive buffers is lost",
        fault("lost", "doorbell.write", "drop", match=SRQ, every=2, times=50),
        source=NEXT, unobservable=COVERED),
    on_stream("doorbell-rx-late", "a doorbell for receive buffers comes after the next but one",
        fault("late", "doorbell.write", "hold", match=SRQ, nth=4,
            until=until_event("doorbell.write", SRQ, nth=2, before=True)),
        source=NEXT, unobservable=COVERED),
    on_stream("doorbell-duplicated", "each of 500 doorbells comes twice",
        fault("twice", "doorbell.write", "duplicate", times=500),
        expect=Expect(Reaction.UNAFFECTED, card={"nq_arm_without_progress": (1, 100)}),
        source="bnxt.c:3088 __bnxt_poll_work(), bnxt.c:3396 bnxt_poll_p5(): nothing new"),
    interrupt("doorbell-tx-lost", "a doorbell for packets to send is lost",
        fault("lost", "doorbell.write", "drop", match={"type": "SQ"}, nth=6),
        workload="send",
        expect=STALLED,
        source="bnxt.c:14400 bnxt_tx_timeout(); netdevice.h:3884 netdev_tx_sent_queue()",
        engines=("uml",)),
    on_ping("doorbell-cq-arm-lost", "the doorbells that arm the completion rings are lost",
        fault("lost", "doorbell.write", "drop", match={"type": "CQ_ARMALL"}, nth=5, times=2)),
    on_ping("doorbell-nq-arm-lost", "the doorbell that arms the notification queue is lost",
        fault("lost", "doorbell.write", "drop", match=NQ_ARM, nth=3)),
    on_ping("doorbell-nq-arm-late",
        "the doorbell that arms the notification queue comes six packets later",
        fault("late", "doorbell.write", "hold", match=NQ_ARM, nth=3,
            until=until_event("rx.frame", nth=6)),
        expect=SLOW,
        source="bnxt.c:3403 bnxt_poll_p5(): the card interrupts at once if there is more"),
)  # fmt: skip
