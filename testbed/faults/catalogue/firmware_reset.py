# SPDX-License-Identifier: GPL-2.0-only
"""Resets of the firmware: announced, fatal and not, under traffic, and recoveries that fail.

The driver takes part only with firmware that says it can. The card's does; each plan says so once
more, for a card whose firmware is older. The reset is the firmware's when the driver asks whether
it is back.
"""

from __future__ import annotations

from dataclasses import replace

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault, until_event

RESET_NOTIFY, ERROR_RECOVERY = 0x8, 0x9
SOLICITED = {"event_id": RESET_NOTIFY, "data1": 0x102}
FATAL = {"event_id": RESET_NOTIFY, "data1": 0x202, "data2": 0x8001}
NON_FATAL = {"event_id": RESET_NOTIFY, "data1": 0x302, "data2": 0x8001}
BACKUP = {"event_id": ERROR_RECOVERY, "data1": 0x2}
"""Recovery is on, and this function is not the primary one. Of itself the card says that it is."""
TASK = "bnxt.c:15411 bnxt_fw_reset_task()"
CAPABLE = (
    fault("can-reset", "hwrm.answer", "set", match={"cmd": "FUNC_QCAPS", "error_code": 0}, times=0,
        fields={"out.flags": {"or": 0xC0_0000}}),
    fault("can-tell", "hwrm.answer", "set", match={"cmd": "FUNC_DRV_RGTR"}, times=0,
        fields={"out.flags": 0x1}),
)  # fmt: skip
"""HOT_RESET_CAPABLE and ERROR_RECOVERY_CAPABLE; IF_CHANGE_SUPPORTED."""
RESTART = fault("restart", "hwrm.request", "card", match={"cmd": "VER_GET"}, nth=2, do="fw_restart")
"""The second VER_GET: the driver asks whether the firmware is back."""


def _event(params: dict[str, int], *, name: str = "event", nth: int = 3) -> dict[str, object]:
    """An event some seconds after the interface has come up."""
    return fault(name, "hwrm.request", "card", match={"cmd": "PORT_QSTATS"}, nth=nth,
               do="async_event", params=params)  # fmt: skip


def _resets(*log: str, resets: int = 1) -> Expect:
    return Expect(
        Reaction.RESETS_CARD,
        repair=Repair.RELOAD,
        kernel_log=log,
        hwrm={"FUNC_RESET": (resets, resets)},
    )


def _aborts(*log: str, finding: str = "") -> Expect:
    return Expect(
        Reaction.FAILS_CLEANLY,
        work=Work.EITHER,
        repair=Repair.RELOAD,
        kernel_log=log,
        complaints=("hwrm", "HWRM", "nic open fail", "Firmware reset aborted", "fw_health_status",
                    "bnxt_open.. failed", "Firmware init phase",),
        finding=finding,
    )  # fmt: skip


def _reset(name: str, title: str, *faults: dict[str, object], expect: Expect, source: str) -> Fault:
    return entry(
        name,
        title,
        *CAPABLE,
        *faults,
        fault_class=FaultClass.HWRM,
        workload="reload-wait",
        expect=expect,
        source=source,
        engines=("uml",),  # the plans count requests and seconds, which real time shifts
    )


FAULTS = (
    _reset("reset-announced", "the firmware announces a reset that somebody asked for",
        _event(SOLICITED), RESTART,
        expect=_resets("Solicited firmware reset event"),
        source="bnxt.c:14746 bnxt_fw_reset(); " + TASK),
    _reset("reset-non-fatal", "the firmware announces a reset because of an error it has survived",
        _event(NON_FATAL), RESTART,
        expect=_resets("Non-fatal firmware reset event"),
        source="bnxt.c:14977 bnxt_sp_task(): bnxt_devlink_health_fw_report(); " + TASK),
    _reset("reset-fatal", "the firmware announces that it is dead",
        _event(FATAL), RESTART,
        expect=_resets("Fatal firmware reset event"),
        source="bnxt.c:14621 bnxt_fw_fatal_close(); " + TASK),
    _reset("reset-announced-twice", "a second reset is announced while the first is under way",
        _event(SOLICITED),
        fault("restart", "hwrm.request", "card", match={"cmd": "FUNC_DRV_UNRGTR"}, nth=2, times=2,
            do="fw_restart"),
        fault("again", "hwrm.request", "card", match={"cmd": "PORT_QSTATS"}, nth=3,
            do="async_event", params=SOLICITED,
            until=until_event("hwrm.request", {"cmd": "RING_FREE"})),
        expect=replace(_resets("Solicited firmware reset event", resets=2),
            mended=("fw-reset-notice-stale", _resets("Solicited firmware reset event"))),
        source="bnxt.c:14751 bnxt_fw_reset(): BNXT_STATE_IN_FW_RESET"),
    _reset("reset-slow", "the firmware is busy the first eight times the driver asks after a reset",
        _event(SOLICITED), RESTART,
        fault("busy", "hwrm.request", "set", match={"cmd": "VER_GET"}, nth=2, times=8,
            fields={"refuse": 0x10}),
        expect=_resets("Solicited firmware reset event"),
        source=TASK + ": POLL_FW again after 200 ms"),
    _reset("reset-never-ends", "the firmware does not come back after a reset",
        _event(SOLICITED),
        fault("gone", "hwrm.request", "drop", match={"cmd": "VER_GET"}, nth=2, times=0),
        expect=replace(_aborts(finding="reset-abort-without-rtnl"),
            fixed=_aborts("Firmware reset aborted")),
        source=TASK + ": fw_reset_abort_status"),
    _reset("reset-not-done", "after a reset the firmware says that there was none",
        _event(SOLICITED),
        expect=_aborts("RESET_DONE not set during FW reset"),
        source="bnxt.c:12857 bnxt_hwrm_if_change()"),
    _reset("reset-capabilities-refused", "after a reset the firmware denies its capabilities",
        _event(SOLICITED), RESTART,
        fault("denied", "hwrm.request", "set", match={"cmd": "FUNC_QCAPS"}, nth=2,
            fields={"refuse": 0x3}),
        expect=_aborts("hwrm query capability failure rc"),
        source="bnxt.c:12871 bnxt_hwrm_if_change(); " + TASK + ": OPENING"),
    _reset("reset-ring-refused", "after a reset the firmware refuses the receive ring",
        _event(FATAL), RESTART,
        fault("refused", "hwrm.request", "set", match={"cmd": "RING_ALLOC", "req.ring_type": 2},
            nth=2, fields={"refuse": 0x4}),
        expect=_aborts("bnxt_open.. failed during FW reset"),
        source=TASK + ": OPENING, bnxt_fw_reset_abort()"),
    _reset("reset-restart-busy", "FUNC_DRV_IF_CHANGE after a reset is busy three times",
        _event(SOLICITED), RESTART,
        fault("busy", "hwrm.request", "set", match={"cmd": "FUNC_DRV_IF_CHANGE"}, nth=2, times=3,
            fields={"refuse": 0x10}),
        expect=_resets("Solicited firmware reset event", r"FW returned busy, hwrm req_type 0xd\b"),
        source="bnxt.c:12821 bnxt_hwrm_if_change(): again after 50 ms"),
    _reset("heartbeat-frozen", "the heartbeat of the firmware stands still",
        fault("frozen", "register.read", "set", match={"offset": 0x528}, times=2,
            fields={"value": 5000}),
        expect=_resets("Driver recovery watchdog, role: primary, firmware status: 0x8000 .healthy.",
            "Detected firmware fatal condition, initiating reset"),
        source="bnxt.c:14425 bnxt_fw_health_check(); bnxt.c:15365 bnxt_reset_all()"),
    _reset("heartbeat-well",
        "error recovery is on, another function is the primary one, and the firmware is well",
        _event(BACKUP),
        expect=Expect(Reaction.UNAFFECTED, repair=Repair.RELOAD,
            kernel_log=("Driver recovery watchdog, role: backup",), hwrm={"FUNC_RESET": (0, 0)}),
        source="bnxt.c:14430 bnxt_fw_health_check()"),
    entry("reset-unannounced",
        "the firmware forgets everything and tells nobody: the rings are gone",
        fault("gone", "rx.frame", "card", nth=20, do="func_reset"),
        fault_class=FaultClass.HWRM, workload="ping",
        expect=Expect(Reaction.UNAFFECTED, work=Work.EITHER, repair=Repair.RELOAD,
            output="ping: [1-9][0-9]* of 20 lost|no echo",
            complaints=("hwrm", "HWRM", "Resp cmpl intr err msg", "nic open fail"),
            violations=("hwrm_unknown_id", "hwrm_over_reservation", "fw_left_after_unregister",
                "fw_left_after_close", "doorbell_unknown_ring", "hwrm_cmpl_ring")),
        source="bnxt.c:7654 hwrm_ring_free_send_msg() logs what the close finds"),
    entry("statistics-backwards", "a block of statistics is written again over a newer one",
        fault("old", "dma.write", "duplicate", match={"purpose": "stats", "length": {"lt": 200}},
            nth=3, until=until_event("hwrm.request", {"cmd": "PORT_QSTATS"}, nth=5)),
        fault_class=FaultClass.HWRM, workload="reload-wait",
        expect=Expect(Reaction.UNAFFECTED, ethtool={"tx_mcast_packets": (1 << 47, None)}),
        source="bnxt.c:10543 bnxt_add_one_ctr(): takes it for an overflow of 48 bits",
        engines=("uml",)),  # in real time there may have been no multicast between the two
)  # fmt: skip
