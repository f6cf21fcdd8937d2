# SPDX-License-Identifier: GPL-2.0-only
"""Asynchronous events of the firmware that make no sense, come unasked or in masses."""

from __future__ import annotations

from functools import partial

from testbed.faults.entry import UNAFFECTED, Expect, Fault, FaultClass, Reaction, Repair, entry
from testbed.faults.plans import fault, until_event, witness

PROCESS = "bnxt_async_event_process()"


def _event(
    name: str,
    title: str,
    event_id: int,
    *,
    data1: int = 0,
    data2: int = 0,
    source: str,
    expect: Expect = UNAFFECTED,
) -> Fault:
    """One event to an idle interface."""
    params = {"event_id": event_id, "data1": data1, "data2": data2}
    event = fault("event", "now", "card", do="async_event", params=params)
    return entry(name, title, event, fault_class=FaultClass.HWRM, workload="idle", expect=expect,
                 source=source)  # fmt: skip


SEEN = (
    fault("often", "nqe.write", "duplicate", match={"type": "HWRM_ASYNC_EVENT"}, count=30),
    witness("taken", "doorbell.write", "index", times=1,
        match={"type": "NQ_ARM", "index": {"ge": 31}}),
)  # fmt: skip
"""Thirty-one of the event: the driver says nothing of it, but is seen to read past it."""


def _silent(name: str, title: str, event_id: int, *, source: str, **data: int) -> Fault:
    """Thirty-one events of which the driver says nothing; it reads past them all the same."""
    params = {"event_id": event_id, "data1": 0, "data2": 0, **data}
    return entry(
        name, title,
        fault("event", "now", "card", do="async_event", params=params), *SEEN,
        fault_class=FaultClass.HWRM, workload="idle", expect=UNAFFECTED, source=source,
    )  # fmt: skip


def _without_clock(
    name: str,
    title: str,
    event_id: int,
    *seen: dict[str, object],
    expect: Expect,
    source: str,
    **data: int,
) -> Fault:
    """An event of the PTP clock to a driver that was told at its probe that it has none."""
    cmd = {"cmd": "PORT_MAC_PTP_QCFG"}
    return entry(
        name, title,
        fault("none", "hwrm.answer", "set", match=cmd, times=0, fields={"out.flags": 0}),
        fault("event", "hwrm.request", "card", match=cmd, do="async_event",
            params={"event_id": event_id, **data},
            until=until_event("hwrm.request", {"cmd": "CFA_L2_SET_RX_MASK"})),
        *seen,
        fault_class=FaultClass.HWRM, workload="reload", expect=expect, source=source,
    )  # fmt: skip


def _logs(*lines: str) -> Expect:
    return Expect(Reaction.UNAFFECTED, kernel_log=lines)


on_stream = partial(entry, fault_class=FaultClass.HWRM, workload="stream")

FAULTS = (
    _silent("event-unknown", "an event of a type that nobody knows",
        0x7F, data1=0xFFFF_FFFF, source=f"bnxt.c:2989 {PROCESS}: default"),
    _silent("event-trace-type-beyond", "a debug buffer of a type beyond the table of buffers",
        0x4C, data1=200, data2=0x1000,
        source=f"bnxt.c:2984 {PROCESS}: type >= ARRAY_SIZE(bs_trace)"),
    _silent("event-trace-type-unused", "a debug buffer that the driver never gave to the firmware",
        0x4C, data1=5, data2=0xFFFF_FFFF,
        source="bnxt.h:2175 bnxt_bs_trace_check_wrap(): no magic_byte"),
    _event("event-error-unknown", "an error report of an unknown type",
        0x45, data1=0x7F, expect=_logs(r"FW reported unknown error type 127\b"),
        source="bnxt.c:2743 bnxt_event_error_report()"),
    _event("event-pause-storm", "an error report: pause storm",
        0x45, data1=1, expect=_logs("Pause Storm detected"),
        source="bnxt.c:2693 bnxt_event_error_report()"),
    _event("event-doorbell-drop", "an error report: doorbells dropped",
        0x45, data1=4, expect=_logs("MMIO doorbells dropped"),
        source="bnxt.c:2696 bnxt_event_error_report()"),
    _event("event-thermal", "the chip is too hot, and there is no sensor to tell of it",
        0x45, data1=0x905, data2=0x7F6E, expect=_logs("above the critical thermal threshold"),
        source="bnxt_hwmon.c:25 bnxt_hwmon_notify_event(): no hwmon_dev"),
    _event("event-thermal-unknown", "the chip crossed a threshold of an unknown kind",
        0x45, data1=0xF05, expect=_logs("Unknown Thermal threshold type event"),
        source="bnxt.c:2718 bnxt_event_error_report()"),
    _event("event-deferred-unknown", "the answer to a command that nobody sent is deferred",
        0x40, data2=0xBEEF, expect=_logs(r"Invalid hwrm seq id 48879\b"),
        source="bnxt_hwrm.c:418 hwrm_update_token()"),
    entry("event-echo", "the firmware asks for an echo and then refuses the answer",
        fault("event", "now", "card", do="async_event",
            params={"event_id": 0x42, "data1": 0x1234, "data2": 0x5678}),
        fault("refused", "hwrm.request", "set", match={"cmd": "FUNC_ECHO_RESPONSE"},
            fields={"refuse": 0xFFFF}),
        fault_class=FaultClass.HWRM, workload="idle",
        expect=Expect(Reaction.UNAFFECTED,
            kernel_log=(r"Received firmware echo request, data1: 0x1234, data2: 0x5678\b",
                r"hwrm req_type 0xb seq id 0x[0-9a-f]+ error 0xffff\b"),
            hwrm={"FUNC_ECHO_RESPONSE": (1, 1)}),
        source="bnxt.c:14864 bnxt_fw_echo_reply()"),
    _without_clock("event-pps-without-clock",
        "a time stamp of a pulse, though the driver was told of no PTP clock",
        0x44, data1=0x1234, data2=0x10,
        expect=Expect(Reaction.UNAFFECTED, repair=Repair.RELOAD,
            finding="pps-event-without-clock"),
        source="bnxt_ptp.c:290 bnxt_ptp_pps_event(): ptp_cfg is NULL"),
    _without_clock("event-clock-without-clock",
        "the PTP clock was set, though the driver was told of none",
        0x43, *SEEN, data1=0x12_3404,
        expect=Expect(Reaction.UNAFFECTED, repair=Repair.RELOAD),
        source=f"bnxt.c:2960 {PROCESS}: looks at ptp_cfg"),
    _silent("event-vf-on-pf",
        "the configuration of a virtual function changed, on the physical one",
        0x33, source=f"bnxt.c:2826 {PROCESS}: BNXT_PF"),
    _event("event-recovery-uncapable", "error recovery is switched on, which the card cannot do",
        0x9, data1=0x3,
        expect=_logs("Driver recovery watchdog, role: primary, firmware status: 0x8000 .healthy."),
        source=f"bnxt.c:2889 {PROCESS}; bnxt.c:14456 bnxt_timer() needs the capability"),
    _event("event-link-speed-gone", "the forced link speed is no longer supported",
        0x6, data1=0x2_0000, expect=Expect(Reaction.UNAFFECTED, hwrm={"PORT_PHY_QCAPS": (1, 1)}),
        source=f"bnxt.c:2800 {PROCESS}, bnxt.c:14917 bnxt_sp_task()"),
    on_stream("event-link-lies",
        "the firmware says that the link is down, and up again ten packets later",
        fault("down", "hwrm.answer", "set", match={"cmd": "PORT_PHY_QCFG"}, fields={"out.link": 1}),
        fault("event", "rx.frame", "card", nth=20, do="async_event", params={"event_id": 0}),
        fault("again", "rx.frame", "card", nth=20, do="async_event", params={"event_id": 0},
            until={"where": "hwrm.answer", "match": {"cmd": "PORT_PHY_QCFG"}}),
        expect=Expect(Reaction.RECOVERS, kernel_log=("NIC Link is Down", "NIC Link is Up")),
        source="bnxt.c:14913 bnxt_sp_task(): asks, and believes"),
    on_stream("event-storm", "each of 300 packets comes with an event that the link changed",
        fault("storm", "rx.frame", "card", times=300, do="async_event", params={"event_id": 0}),
        expect=Expect(Reaction.UNAFFECTED, hwrm={"PORT_PHY_QCFG": (1, 60)}),
        source=f"bnxt.c:2808 {PROCESS}: one bit, one work item"),
    on_stream("event-in-completion-ring",
        "an event comes in a completion ring in place of the notification queue",
        fault("event", "rx.frame", "card", nth=5, every=10, times=5, do="cqe",
            params={"type": "HWRM_ASYNC_EVENT", "fields": {"event_id": 0}}),
        expect=Expect(Reaction.UNAFFECTED, hwrm={"PORT_PHY_QCFG": (1, 5)}),
        source="bnxt.c:3143 __bnxt_poll_work(): bnxt_hwrm_handler()"),
    on_stream("event-forwarded-request",
        "the firmware forwards a request of a virtual function that is not there",
        fault("event", "rx.frame", "card", nth=5, do="cqe", params={"type": "34", "fields": {}}),
        expect=_logs("Msg contains invalid VF id"), source="bnxt.c:3016 bnxt_hwrm_handler()"),
)  # fmt: skip
