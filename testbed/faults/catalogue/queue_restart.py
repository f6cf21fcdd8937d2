# SPDX-License-Identifier: GPL-2.0-only
"""Queue restarts that meet firmware which refuses, and packets that come at the wrong moment."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.dut.protocols import Capability
from testbed.faults.entry import SURVIVES, Expect, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault, until_event

RX, AGG = 2, 4
FREE_RX = {"cmd": "RING_FREE", "req.ring_type": RX}
FREE_AGG = {"cmd": "RING_FREE", "req.ring_type": AGG}
MRU_OFF = {"cmd": "VNIC_UPDATE", "req.mru": 0}
MRU_ON = {"cmd": "VNIC_UPDATE", "req.mru": {"gt": 0}}
ALLOC_RX = {"cmd": "RING_ALLOC", "req.ring_type": RX}
ALLOC_AGG = {"cmd": "RING_ALLOC", "req.ring_type": AGG}
RSS = {"cmd": "VNIC_RSS_CFG"}
REFUSE = {"refuse": 4}
QUEUE_START = (
    "hwrm_ring_alloc type",
    "Unexpected HWRM error during queue start",
)
RING_LEFT = (  # what follows from a ring that the firmware was to free and did not
    "fw_left_after_close",
    "hwrm_over_reservation",
    "ring_free_in_use",
    "ring_left_at_restart",
    "stat_ctx_free_in_use",
)
FORGOTTEN = (  # what follows where the firmware has forgotten the rings of an open interface
    "doorbell_unknown_ring",
    "hwrm_cmpl_ring",
    "hwrm_over_reservation",
    "hwrm_unknown_id",
)
WRONG_ID = (
    "doorbell_unknown_ring",
    "fw_left_after_close",
    "hwrm_over_reservation",
    "hwrm_unknown_id",
    "ring_left_at_restart",
)
START_FAILS = Expect(
    Reaction.FAILS_CLEANLY,
    work=Work.FAILS,
    complaints=(r"hwrm req_type 0x5[01]\b", *QUEUE_START),
    finding="queue-start-refused",
    fixed=SURVIVES,
)
# the firmware keeps a ring that the driver does not know of; the FUNC_RESET of a probe frees it
LEFT = "fw_left_after_unregister"
RING_LOST = replace(START_FAILS, repair=Repair.RELOAD)
AFTER_PROBE = replace(SURVIVES, repair=Repair.RELOAD)
FAILS_LATE = Expect(
    Reaction.FAILS_CLEANLY,
    work=Work.FAILS,
    complaints=(r"hwrm req_type 0x(42|50|51)\b", *QUEUE_START),
    violations=("hwrm_over_reservation",),
    finding="queue-start-late-error",
    fixed=SURVIVES,
)
RX_CONS = Expect(Reaction.RESETS_RING, kernel_log=("RX cons .* != expected cons",))
STILL_IN_USE = "bnxt.c:7655 hwrm_ring_free_send_msg(); then RING_ALLOC finds the ring in use"
LATE_ERROR = "bnxt.c:16557 bnxt_queue_start() returns the error of bnxt_set_vnic_mru_p5()"
restart = partial(entry, fault_class=FaultClass.QUEUE_RESTART, workload="restart")
all_to_one = partial(restart, engines=("uml",), without=frozenset({Capability.NTUPLE}))
"""Without ntuple filters RSS sends everything to the restarted queue, and a reload takes no rule
away for good. A kernel for User Mode Linux may have them (vnics-without-rfs-accel mended)."""
on_restart_ping = partial(all_to_one, workload="restart-ping")

FAULTS = (
    restart("restart-stop-mru-refused", "VNIC_UPDATE that stops the queue's packets is refused",
        fault("refused", "hwrm.request", "set", match=MRU_OFF, fields=REFUSE),
        expect=Expect(Reaction.UNAFFECTED, kernel_log=(r"hwrm req_type 0x4b\b",),
            output=r"\b2 restarts", violations=("ring_free_in_rss_table",)),
        source="bnxt.c:16584 bnxt_queue_stop() ignores bnxt_set_vnic_mru_p5()"),
    restart("restart-start-mru-refused", "VNIC_UPDATE that lets packets in again is refused",
        fault("refused", "hwrm.request", "set", match=MRU_ON, nth=2, times=0, fields=REFUSE),
        workload="restart-spread",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS,
            kernel_log=(r"hwrm req_type 0x4b\b",), finding="vnic-update-unchecked",
            fixed=SURVIVES),
        source="bnxt.c:11143 bnxt_set_vnic_mru_p5() drops what bnxt_hwrm_vnic_update() says"),
    all_to_one("restart-rx-ring-free-refused",
        "RING_FREE of the RX ring is refused while the queue stops",
        fault("refused", "hwrm.request", "set", match=FREE_RX, fields=REFUSE),
        expect=replace(RING_LOST, kernel_log=("hwrm_ring_free type 2 failed",),
            violations=RING_LEFT, fixed=replace(AFTER_PROBE, violations=(*RING_LEFT, LEFT))),
        source=STILL_IN_USE),
    all_to_one("restart-agg-ring-free-refused",
        "RING_FREE of the aggregation ring is refused while the queue stops",
        fault("refused", "hwrm.request", "set", match=FREE_AGG, fields=REFUSE),
        expect=replace(RING_LOST, kernel_log=("hwrm_ring_free type 4 failed",),
            violations=RING_LEFT,
            fixed=replace(AFTER_PROBE, violations=(*RING_LEFT, LEFT, "posted_twice"))),
        source=STILL_IN_USE),
    restart("restart-ring-free-unanswered",
        "RING_FREE of the RX ring is carried out and never answered",
        fault("silent", "hwrm.answer", "drop", match=FREE_RX),
        expect=Expect(Reaction.UNAFFECTED,
            kernel_log=(r"Resp cmpl intr err msg: 0x51\b|Error \(timeout: \d+\) msg \{0x51 ",),
            complaints=("hwrm_ring_free type 2 failed",)),
        source="bnxt_hwrm.c:580 __hwrm_send()"),
    restart("restart-ring-free-misreported",
        "RING_FREE of the aggregation ring is carried out and answered as refused",
        fault("lie", "hwrm.answer", "set", match=FREE_AGG, fields={"error_code": 4}),
        expect=Expect(Reaction.UNAFFECTED, kernel_log=(r"hwrm_ring_free type 4 failed",),
            complaints=(r"hwrm req_type 0x51\b",), output=r"\b2 restarts"),
        source="bnxt.c:16594 bnxt_queue_stop() does not ask whether the ring was freed"),
    restart("close-ring-free-completion-lost",
        "RING_FREE of a closing RX ring is answered, its HWRM_DONE never comes",
        fault("silent", "hwrm.answer", "set", match=FREE_RX, fields={"cmpl": False}),
        workload="up-down",
        expect=Expect(Reaction.UNAFFECTED, kernel_log=(r"Resp cmpl intr err msg: 0x51\b",),
            complaints=("hwrm_ring_free type 2 failed", r"hwrm req_type 0x51\b")),
        source="bnxt_hwrm.c:580 __hwrm_send()"),
    restart("restart-ring-refused",
        "RING_ALLOC of the aggregation ring is refused while a queue is restarted",
        fault("refused", "hwrm.request", "set", match=ALLOC_AGG, fields=REFUSE),
        expect=START_FAILS, source="bnxt.c:16535 bnxt_queue_start(), err_reset"),
    restart("restart-rx-ring-refused",
        "RING_ALLOC of the RX ring is refused while a queue is restarted",
        fault("refused", "hwrm.request", "set", match=ALLOC_RX, fields=REFUSE),
        expect=START_FAILS, source="bnxt.c:16525 bnxt_queue_start(), err_reset"),
    all_to_one("restart-ring-alloc-unanswered",
        "RING_ALLOC of the RX ring is carried out and never answered",
        fault("silent", "hwrm.answer", "drop", match=ALLOC_RX),
        expect=replace(RING_LOST,
            complaints=("NETDEV WATCHDOG", r"Error \(timeout: \d+\) msg \{0x50 ", *QUEUE_START),
            violations=("fw_left_after_close", "stat_ctx_free_in_use"),
            fixed=replace(AFTER_PROBE, complaints=(*SURVIVES.complaints, "NETDEV WATCHDOG"),
                violations=(*RING_LEFT, LEFT))),
        source="bnxt_hwrm.c:641 __hwrm_send(), bnxt.c:16525 bnxt_queue_start(), err_reset"),
    restart("restart-teardown-ring-refused",
        "RING_ALLOC is refused while the memory provider is torn down",
        fault("refused", "hwrm.request", "set", match=ALLOC_AGG, nth=2, fields=REFUSE),
        source="bnxt.c:16535 bnxt_queue_start(), err_reset; from io_zcrx, which ignores the result",
        workload="restart-wait", expect=START_FAILS),
    restart("restart-rss-refused", "VNIC_RSS_CFG is refused while a queue is restarted",
        fault("refused", "hwrm.request", "set", match=RSS, fields=REFUSE),
        expect=replace(FAILS_LATE, kernel_log=("set rss failure",),
            complaints=(r"hwrm req_type 0x(46|50|51)\b", *QUEUE_START)),
        source=LATE_ERROR),
    all_to_one("restart-vnic-refused",
        "VNIC_CFG is refused while the VNIC's default queue is restarted",
        fault("refused", "hwrm.request", "set", match={"cmd": "VNIC_CFG"}, fields=REFUSE),
        expect=FAILS_LATE, source=LATE_ERROR),  # with filters it would be no VNIC's default queue
    on_restart_ping("restart-frame-between-frees",
        "a frame comes while the queue's RX ring is gone and its aggregation ring is not",
        fault("late", "rx.frame", "hold", match={"protocol": 1}, nth=5,
            until=until_event("hwrm.answer", FREE_RX)),
        expect=Expect(Reaction.UNAFFECTED, card={"rx_drop_no_ring": (1, None)},
            output="ping: [1-9][0-9]* of 50 lost"),
        source="bnxt.c:16584 bnxt_queue_stop(): the VNIC's MRU is 0 before RING_FREE"),
    on_restart_ping("restart-frame-before-start",
        "a frame comes when the new rings are there and the VNIC is not open yet",
        fault("late", "rx.frame", "hold", match={"protocol": 1}, nth=5,
            until=until_event("hwrm.answer", ALLOC_AGG)),
        expect=Expect(Reaction.UNAFFECTED, card={"rx_drop_vnic_disabled": (1, None)},
            output="ping: [1-9][0-9]* of 50 lost"),
        source="bnxt.c:16557 bnxt_queue_start(): the MRU is set last"),
    on_restart_ping("restart-old-completion-late",
        "a completion of the old ring comes when the new one has started",
        fault("late", "cqe.write", "hold", match={"type": "RX_L2"}, nth=5,
            until=until_event("hwrm.answer", MRU_ON)),
        expect=RX_CONS, source="bnxt.c:2221 bnxt_rx_pkt()"),
    on_restart_ping("restart-ring-reset-meanwhile",
        "a completion that calls for a reset comes while the queue is being restarted",
        fault("wrong", "hwrm.answer", "card", match=MRU_OFF, do="cqe",
            params={"queue": 3, "type": "RX_L2", "fields": {"opaque": 77}}),
        expect=RX_CONS, source="bnxt.c:2221 bnxt_rx_pkt(), bnxt.c:401 bnxt_sched_reset_rxr()"),
    all_to_one("restart-reset-notified",
        "the firmware announces its reset during a restart and never tells that it is over",
        fault("notice", "hwrm.answer", "card", match=FREE_AGG, do="async_event",
            params={"event_id": 8, "data1": 0x1, "data2": 0x8000}),
        fault("resets", "hwrm.answer", "card", match={"cmd": "FUNC_DRV_UNRGTR"}, do="func_reset"),
        workload="restart-wait",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=("Solicited firmware reset event", r"bnxt_open\(\) failed during FW reset"),
            complaints=("RESET_DONE not set during FW reset",)),
        source="bnxt.c:14746 bnxt_fw_reset(), bnxt.c:12796 bnxt_hwrm_if_change()"),
    all_to_one("restart-function-reset-meanwhile",
        "the firmware forgets all rings between stop and start of a queue",
        fault("forgets", "hwrm.answer", "card", match=FREE_AGG, do="func_reset"),
        workload="restart-long-wait",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.EITHER, repair=Repair.RELOAD,
            complaints=("hwrm req_type 0x", r"hwrm_ring_free type \d failed",
                r"Resp cmpl intr err msg: 0x51\b", "vnic set tpa failure", "NETDEV WATCHDOG",
                *QUEUE_START),
            violations=FORGOTTEN,
            finding="queue-start-refused",
            fixed=replace(AFTER_PROBE, complaints=(*SURVIVES.complaints, "NETDEV WATCHDOG"),
                violations=FORGOTTEN)),  # under TCG a minute for each RING_FREE: a hung task
        source="bnxt.c:16535 bnxt_queue_start(), err_reset"),
    all_to_one("restart-ring-id-wrong",
        "RING_ALLOC tells the restarted queue the id of a ring that is not there",
        fault("wrong", "hwrm.answer", "set", match=ALLOC_AGG, fields={"out.ring_id": {"add": 100}}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.EITHER, repair=Repair.RELOAD,
            complaints=(r"hwrm req_type 0x5[01]\b", "hwrm_ring_free type 4 failed", *QUEUE_START),
            violations=WRONG_ID,
            finding="queue-start-refused",
            fixed=replace(AFTER_PROBE, violations=(*WRONG_ID, LEFT))),
        source="bnxt.c:7358 hwrm_ring_alloc_send_msg() believes it"),
)  # fmt: skip
