# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that refuses: each class of error code, at another command of an open."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault

ERRNO = "bnxt_hwrm.c:338 __hwrm_to_stderr()"
refused = partial(entry, fault_class=FaultClass.HWRM, workload="up-down")


def _refused_open(
    name: str,
    title: str,
    cmd: str,
    code: int,
    *log: str,
    source: str,
    nth: int = 1,
    request: Mapping[str, object] = MappingProxyType({}),
) -> Fault:
    """``cmd`` is refused with ``code`` while the interface is opened, which fails with ``log``.

    ``nth`` and the fields of ``request`` say which one.
    """
    return refused(
        name, title,
        fault("refused", "hwrm.request", "set", match={"cmd": cmd, **request}, nth=nth,
            fields={"refuse": code}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.UP_DOWN,
            kernel_log=log,
            complaints=("hwrm req_type", "nic open fail", "bnxt_init_nic err",
                "(hwrm|HWRM) .* failure")),
        source=f"{source}; {ERRNO}",
    )  # fmt: skip


FAULTS = (
    _refused_open("refused-fail", "VNIC_ALLOC fails without a reason",
        "VNIC_ALLOC", 0x1, "hwrm req_type 0x40 seq id 0x[0-9a-f]+ error 0x1$",
        "hwrm vnic alloc failure", source="bnxt.c:11271 bnxt_init_chip(): err_out"),
    _refused_open("refused-invalid-params", "VNIC_RSS_CFG: invalid parameters",
        "VNIC_RSS_CFG", 0x2, "hwrm req_type 0x46 seq id 0x[0-9a-f]+ error 0x2$",
        "set rss failure rc", source="bnxt.c:10966 __bnxt_setup_vnic_p5()"),
    _refused_open("refused-access-denied", "CFA_L2_FILTER_ALLOC: access denied",
        "CFA_L2_FILTER_ALLOC", 0x3, "hwrm req_type 0x90 seq id 0x[0-9a-f]+ error 0x3$",
        "HWRM vnic filter failure", source="bnxt.c:11305 bnxt_init_chip()"),
    _refused_open("refused-invalid-flags", "VNIC_CFG: invalid flags",
        "VNIC_CFG", 0x5, "hwrm req_type 0x42 seq id 0x[0-9a-f]+ error 0x5$", "cfg failure rc",
        source="bnxt.c:10972 __bnxt_setup_vnic_p5()"),
    _refused_open("refused-invalid-enables", "VNIC_PLCMODES_CFG: invalid enables",
        "VNIC_PLCMODES_CFG", 0x6, "hwrm req_type 0x48 seq id 0x[0-9a-f]+ error 0x6$",
        "set hds failure rc", source="bnxt.c:11001 __bnxt_setup_vnic_p5()"),
    _refused_open("refused-no-buffer", "STAT_CTX_ALLOC: no buffer",
        "STAT_CTX_ALLOC", 0x8, "hwrm req_type 0xb0 seq id 0x[0-9a-f]+ error 0x8$",
        "stat ctx alloc failure", source="bnxt.c:11247 bnxt_init_chip()"),
    _refused_open("refused-unsupported-option", "VNIC_TPA_CFG: unsupported option",
        "VNIC_TPA_CFG", 0x9, "hwrm req_type 0x44 seq id 0x[0-9a-f]+ error 0x9$",
        "hwrm vnic set tpa failure", source="bnxt.c:10793 bnxt_set_tpa()",
        request={"req.flags": {"gt": 0}}),  # turned on, as the interface opens
    _refused_open("refused-hot-reset", "RING_ALLOC: a hot reset is in progress",
        "RING_ALLOC", 0xA, "hwrm req_type 0x50 seq id 0x[0-9a-f]+ error 0xa$",
        "hwrm_ring_alloc type", source="bnxt.c:7354 hwrm_ring_alloc_send_msg()"),
    _refused_open("refused-busy", "VNIC_RSS_COS_LB_CTX_ALLOC: busy",
        "VNIC_RSS_COS_LB_CTX_ALLOC", 0x10, r"FW returned busy, hwrm req_type 0x70\b",
        "ctx .* alloc failure", source="bnxt_hwrm.c:678 __hwrm_send()"),
    _refused_open("refused-pf-unavailable", "CFA_L2_SET_RX_MASK: the function is not available",
        "CFA_L2_SET_RX_MASK", 0x12, "HWRM cfa l2 rx mask failure",
        source="bnxt_hwrm.c:681 __hwrm_send(): says nothing"),
    _refused_open("refused-code-unknown", "RING_ALLOC: an error code that nobody knows",
        "RING_ALLOC", 0x7777, "hwrm req_type 0x50 seq id 0x[0-9a-f]+ error 0x7777$",
        "hwrm_ring_alloc type", source="bnxt.c:7354 hwrm_ring_alloc_send_msg()", nth=4),
    refused("refused-phy-locked", "PORT_PHY_QCFG: locked, three times, with a link event between",
        fault("locked", "hwrm.request", "set", match={"cmd": "PORT_PHY_QCFG"}, times=3,
            fields={"refuse": 0x11}),
        fault("event", "now", "card", do="async_event", params={"event_id": 0}),
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER, repair=Repair.UP_DOWN,
            kernel_log=(r"hwrm req_type 0x27 seq id 0x[0-9a-f]+ error 0x11\b",),
            complaints=("SP task can't update link", "update phy settings",
                "failed to update link")),
        source="bnxt.c:14923 bnxt_sp_task()"),
    refused("refused-statistics", "PORT_QSTATS is not supported any more",
        fault("withdrawn", "hwrm.request", "set", match={"cmd": "PORT_QSTATS"}, times=0,
            fields={"refuse": 0xFFFF}),
        workload="idle",
        expect=Expect(Reaction.UNAFFECTED,
            kernel_log=(r"hwrm req_type 0x23 seq id 0x[0-9a-f]+ error 0xffff\b",),
            hwrm={"PORT_QSTATS": (2, None), "PORT_QSTATS_EXT": (2, None)}),
        source="bnxt.c:14905 bnxt_sp_task() ignores it"),
    refused("refused-ring-free", "RING_FREE of a receive ring is refused: the firmware keeps it",
        fault("kept", "hwrm.request", "set", match={"cmd": "RING_FREE", "req.ring_type": 2},
            fields={"refuse": 0x2}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=("hwrm_ring_free type 2 failed",),
            complaints=("hwrm req_type", "nic open fail", "hwrm .* failure", "hwrm_ring_alloc"),
            violations=("ring_free_in_use", "fw_left_after_close", "stat_ctx_free_in_use",
                "hwrm_over_reservation", "fw_left_after_unregister", "unmap_while_owned",
                "unmap_of_ring")),
        source="bnxt.c:7654 hwrm_ring_free_send_msg() logs it; FUNC_RESET of the next probe frees;"
            " bnxt.c:13464 __bnxt_close_nic() unmaps ring and buffers all the same, which an IOMMU"
            " sees"),
)  # fmt: skip
