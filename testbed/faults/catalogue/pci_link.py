# SPDX-License-Identifier: GPL-2.0-only
"""The cable, the slot and the function itself."""

from __future__ import annotations

from functools import partial
from typing import Any

from testbed.faults.entry import Expect, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault, until_event, witness

SECOND = 1_000_000_000
PMCSR = {"offset": 0x4C, "length": 2}
COMMAND = {"offset": 4, "length": 4}
NO_STATUS = (
    r"Abandoning msg \{.*due to firmware status: 0xffffffff$",
    r"Resp cmpl intr abandoning msg: .*due to firmware status: 0xffffffff$",
)
GONE = (
    "hwrm",
    "HWRM",
    "NETDEV WATCHDOG",
    "Resp cmpl intr err msg",
    "Error .timeout",
    "nic open",
    *NO_STATUS,
)
NOT_RESET = ("RESET_DONE not set during FW reset", r"bnxt_open\(\) failed during FW reset")
"""The driver takes the silence for a reset of the firmware, which has not been reset."""
ASLEEP = ("mmio_while_disabled",)


def _link(name: str, *, up: bool, nth: int = 20, after_ns: int = 0) -> dict[str, Any]:
    """Pull or plug the cable at the nth frame, or later."""
    later: dict[str, Any] = {"after_ns": after_ns} if after_ns else {}
    return fault(name, "rx.frame", "card", nth=nth, do="link", params={"up": up}, **later)


pci = partial(entry, fault_class=FaultClass.PCI_LINK, workload="long-ping")

FAULTS = (
    pci("link-flap", "the link goes down under traffic and comes back two seconds later",
        _link("down", up=False),
        _link("up", up=True, after_ns=2 * SECOND),
        workload="stream",
        expect=Expect(Reaction.RECOVERS, kernel_log=("NIC Link is Down", "NIC Link is Up"),
            card={"rx_drop_link_down": (1, None)}),
        source="bnxt.c:12191 bnxt_report_link()"),
    pci("link-down-unreported", "the link goes down and up again, the events are lost",
        _link("down", up=False, nth=5),
        _link("up", up=True, nth=5, after_ns=3 * SECOND),
        fault("lost", "nqe.write", "drop", match={"type": "HWRM_ASYNC_EVENT"}, times=2),
        expect=Expect(Reaction.UNAFFECTED, output="ping: [1-9][0-9]* of 40 lost",
            card={"rx_drop_link_down": (1, None)}),
        source="bnxt.c:2807 bnxt_async_event_process() is the only one who looks"),
    pci("link-event-storm", "two hundred link events come at once and nothing has changed",
        fault("flaps", "rx.frame", "card", nth=5, every=1, times=200, do="async_event",
            params={"event_id": 0, "data1": 1}),
        workload="stream", expect=Expect(Reaction.UNAFFECTED, hwrm={"PORT_PHY_QCFG": (1, 60)}),
        source="bnxt.c:14913 bnxt_sp_task() asks once for all that came"),
    pci("link-speed-change", "the link comes back at 25 Gb/s",
        _link("down", up=False, nth=5),
        _link("up", up=True, nth=5, after_ns=SECOND),
        fault("slower", "hwrm.answer", "set", match={"cmd": "PORT_PHY_QCFG", "out.link": 2},
            fields={"out.link_speed": 250}, times=0),
        expect=Expect(Reaction.RECOVERS,
            kernel_log=("NIC Link is Down", "NIC Link is Up, 25000 Mbps"),
            output="ping: [1-9][0-9]* of 40 lost"),
        source="bnxt.c:12383 bnxt_update_link(), bnxt.c:12191 bnxt_report_link()"),
    pci("link-state-nonsense", "PORT_PHY_QCFG answers with speed and duplex that nobody defined",
        _link("down", up=False, nth=5),
        _link("up", up=True, nth=5, after_ns=SECOND),
        fault("nonsense", "hwrm.answer", "set", match={"cmd": "PORT_PHY_QCFG", "out.link": 2},
            fields={"out.link_speed": 0xFFFE, "out.duplex_state": 77}, times=0),
        expect=Expect(Reaction.RECOVERS, kernel_log=("NIC Link is Up, speed unknown",),
            output="ping: [1-9][0-9]* of 40 lost"),
        source="bnxt.c:12191 bnxt_report_link(): SPEED_UNKNOWN"),
    pci("surprise-removal",
        "the card is gone under traffic, every register reads as ones; later it is back",
        fault("gone", "rx.frame", "card", nth=10, do="unplug"),
        fault("back", "rx.frame", "card", nth=10, do="replug", after_ns=8 * SECOND),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.EITHER, repair=Repair.SLOW_RELOAD,
            complaints=GONE, violations=ASLEEP, output="ping: [1-9][0-9]* of 40 lost"),
        source="bnxt.c:14400 bnxt_tx_timeout(), bnxt_hwrm.c:641 __hwrm_send()"),
    pci("surprise-removal-while-opening", "the card is gone in the middle of an open",
        fault("gone", "hwrm.answer", "card", match={"cmd": "RING_ALLOC"}, nth=3, do="unplug"),
        workload="up-down",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.NEW_MACHINE,
            complaints=GONE, violations=(*ASLEEP, "hwrm_response_address")),
        source="bnxt_hwrm.c:641 __hwrm_send(), bnxt.c:11238 bnxt_init_chip()"),
    pci("function-reset-by-itself",
        "the function is reset (FLR) under traffic and nobody told the driver",
        fault("reset", "rx.frame", "card", nth=10, do="flr"),
        expect=Expect(Reaction.FAILS_CLEANLY, repair=Repair.SLOW_RELOAD,
            complaints=(*GONE, *NOT_RESET), violations=ASLEEP,
            output="ping: [1-9][0-9]* of 40 lost"),
        source="bnxt.c:14400 bnxt_tx_timeout(); no reset_prepare among bnxt_err_handler's calls"),
    pci("function-reset-not-ready",
        "a function reset from user space is not ready for three seconds",
        fault("not-ready", "config.read", "set", match=COMMAND, fields={"value": 0xFFFF_FFFF},
            nth=2, every=1, times=11),
        workload="function-reset",
        expect=Expect(Reaction.FAILS_CLEANLY, repair=Repair.RELOAD,
            kernel_log=("not ready 1023ms after FLR; waiting", "ready .*ms after FLR$"),
            complaints=(*GONE, *NOT_RESET),
            # what comes between the end of bus mastering and the reset has nowhere to go
            violations=(*ASLEEP, "doorbell_unknown_ring", "hwrm_unknown_id", "hwrm_cmpl_ring",
                "rx_buffer", "completion_write")),
        source="pci.c:1260 pci_dev_wait(); bnxt_en has no reset_prepare and reset_done"),
    pci("d3hot-by-itself", "the function falls to D3hot under traffic",
        fault("sleeps", "rx.frame", "card", nth=10, do="power", params={"state": 3}),
        expect=Expect(Reaction.FAILS_CLEANLY, repair=Repair.SLOW_RELOAD,
            complaints=(*GONE, *NOT_RESET),
            violations=(*ASLEEP, "rx_buffer", "completion_write", "stats_write", "bd_fetch"),
            output="ping: [1-9][0-9]* of 40 lost", finding="reset-not-done-rings-kept"),
        source="bnxt.c:14400 bnxt_tx_timeout(); pci.c:1390 pci_set_full_power_state() wakes it"),
    pci("d3hot-stays", "the function stays in D3hot when the driver is bound",
        fault("asleep", "config.read", "set", match=PMCSR, times=0, fields={"value": {"or": 3}}),
        workload="reload",
        expect=Expect(Reaction.REFUSES, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=(r"Refused to change power state from D3hot to D0\b",),
            complaints=("Cannot enable PCI device",)),
        source="pci.c:1397 pci_set_full_power_state(), bnxt.c:15598 bnxt_init_board()"),
    pci("config-space-ones", "configuration space reads as ones when the driver is bound",
        fault("ones", "config.read", "set", fields={"value": 0xFFFF_FFFF}, times=0),
        workload="reload",
        expect=Expect(Reaction.REFUSES, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=("device inaccessible",),
            complaints=("Cannot enable PCI device", "Unable to read adapter's DSN")),
        source="pci.c:1325 pci_power_up(), bnxt.c:15598 bnxt_init_board()"),
    pci("registers-ones", "every register reads as ones when the driver is bound",
        fault("ones", "register.read", "set", fields={"value": 0xFFFF_FFFF}, times=0),
        workload="reload",
        expect=Expect(Reaction.UNAFFECTED, fired={"ones": (16, 16)}, output=r"\b[1-9] channels"),
        source="bnxt.c:10139 bnxt_try_map_fw_health_reg(), and what the driver keeps of its health",
        engines=("uml",)),  # an answer that takes a moment makes the driver look for a status
    pci("msix-masked-while-pending",
        "the MSI-X function mask is set under traffic; what is pending comes later",
        fault("masked", "rx.frame", "card", nth=3, do="msix_mask", params={"masked": True}),
        fault("open", "rx.frame", "card", nth=3, do="msix_mask", params={"masked": False},
            until=until_event("rx.frame", nth=16)),
        witness("armed", "doorbell.write", "index", match={"type": "NQ_ARM"}),
        workload="ping",
        expect=Expect(Reaction.UNAFFECTED, fired={"armed": (1, 30)},
            output="ping: [0-1] of 20 lost"),
        source="bnxt.c:3403 bnxt_poll_p5() finds all that came meanwhile"),
)  # fmt: skip
