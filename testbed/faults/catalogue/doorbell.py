# SPDX-License-Identifier: GPL-2.0-only
"""Doorbells that are lost on their way to the card, late, or come twice."""

from __future__ import annotations

from testbed.faults.catalogue.interrupt import NONE_LOST, interrupt, on_ping, on_stream
from testbed.faults.entry import RECOVERS
from testbed.faults.plans import fault, until_event

SRQ = {"type": "SRQ"}
NEXT = "bnxt.c:3183 __bnxt_poll_work_done(): the next index covers this one"

FAULTS = (
    on_stream("doorbell-rx-lost", "every second doorbell for receive buffers is lost",
        fault("lost", "doorbell.write", "drop", match=SRQ, every=2, times=50),
        source=NEXT),
    on_stream("doorbell-rx-late", "a doorbell for receive buffers comes after the next but one",
        fault("late", "doorbell.write", "hold", match=SRQ, nth=4,
            until=until_event("doorbell.write", SRQ, nth=2, before=True)),
        source=NEXT),
    on_stream("doorbell-duplicated", "each of 500 doorbells comes twice",
        fault("twice", "doorbell.write", "duplicate", times=500),
        source="bnxt.c:3088 __bnxt_poll_work(), bnxt.c:3396 bnxt_poll_p5(): nothing new"),
    interrupt("doorbell-tx-lost", "each fifth doorbell for packets to send is lost",
        fault("lost", "doorbell.write", "drop", match={"type": "SQ"}, every=5, times=10),
        workload="send", expect=RECOVERS,
        source="bnxt.c:477 bnxt_txr_db_kick(): the next index covers this one; tcp sends again"),
    on_ping("doorbell-cq-arm-lost", "the doorbells that arm the completion rings are lost",
        fault("lost", "doorbell.write", "drop", match={"type": "CQ_ARMALL"}, nth=5, times=2)),
    on_ping("doorbell-nq-arm-lost", "the doorbell that arms the notification queue is lost",
        fault("lost", "doorbell.write", "drop", match={"type": "NQ_ARM"}, nth=3)),
    on_ping("doorbell-nq-arm-late",
        "the doorbell that arms the notification queue comes three packets later",
        fault("late", "doorbell.write", "hold", match={"type": "NQ_ARM"}, nth=3,
            until=until_event("rx.frame", nth=3)),
        expect=NONE_LOST,
        source="bnxt.c:3403 bnxt_poll_p5(): the card interrupts at once if there is more"),
)  # fmt: skip
