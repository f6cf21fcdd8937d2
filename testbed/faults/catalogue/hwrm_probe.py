# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that misinforms the driver while it probes: capabilities withdrawn, answers cut."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from testbed.dut.protocols import Capability
from testbed.faults.entry import SURVIVES, Expect, Fault, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault

NO_NTUPLE = r"ntuple-filters off \[fixed\]"
NOISE = (
    "hwrm req_type",
    "hwrm query",
    "(hwrm|HWRM) .* failure",
    "rings? reservation failed",
    "probe with driver",
    "Unable to reserve tx rings",
)
PROBE_SURVIVES = replace(SURVIVES, repair=Repair.RELOAD)


def _answer(name: str, cmd: str, **fields: int) -> dict[str, object]:
    return fault(name, "hwrm.answer", "set", match={"cmd": cmd}, times=0, fields=fields)


def _refusal(cmd: str, code: int) -> dict[str, object]:
    return fault("refused", "hwrm.request", "set", match={"cmd": cmd}, fields={"refuse": code})


def _probe_fails(*log: str) -> Expect:
    """No interface; unbinding and binding again brings it back."""
    return Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD, kernel_log=log,
                  complaints=NOISE)  # fmt: skip


def _works_without(**shown: Any) -> Expect:
    """The interface comes up with less; ``shown`` are the fields of Expect that show it."""
    return Expect(Reaction.RECOVERS, repair=Repair.RELOAD, complaints=NOISE, **shown)


probe = partial(entry, fault_class=FaultClass.HWRM, workload="reload")


def _withdrawn(name: str, title: str, cmd: str, feature: str, source: str, **fields: int) -> Fault:
    """A capability is not reported: the feature cannot be turned on, the rest works."""
    less = _answer("less", cmd, **{f"out.{field}": value for field, value in fields.items()})
    without = _works_without(output=rf"{feature} off \[fixed\]")
    return probe(name, title, less, expect=without, source=source)


def _fatal(name: str, title: str, fault: dict[str, object], log: str, source: str) -> Fault:
    """The probe fails."""
    return probe(name, title, fault, expect=_probe_fails(log), source=source)


FAULTS = (
    probe("probe-version-unanswered", "the first VER_GET of a probe is not answered",
        fault("silent", "hwrm.request", "drop", match={"cmd": "VER_GET"}),
        expect=Expect(Reaction.RECOVERS, kernel_log=(r"Error \(timeout: \d+\) msg \{0x0 ",),
            complaints=NOISE),
        source="bnxt.c:15160 bnxt_fw_init_one_p1(): bnxt_try_recover_fw() and again"),
    _fatal("probe-reset-refused", "FUNC_RESET is refused",
        _refusal("FUNC_RESET", 0x1), r"hwrm req_type 0x11 seq id 0x[0-9a-f]+ error 0x1\b",
        "bnxt.c:15171 bnxt_fw_init_one_p1()"),
    _fatal("probe-capabilities-denied", "FUNC_QCAPS: access denied",
        _refusal("FUNC_QCAPS", 0x3), "hwrm query capability failure rc",
        "bnxt.c:15185 bnxt_fw_init_one_p2()"),
    probe("probe-capabilities-short", "the answer to FUNC_QCAPS ends before the MAC address",
        _answer("short", "FUNC_QCAPS", resp_len=16),
        source="bnxt.c:9965 __bnxt_hwrm_func_qcaps(): what is missing is zero; eth_validate_addr()",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            output="Cannot assign requested address")),
    _fatal("probe-no-queue", "the firmware has no CoS queue",
        _answer("none", "QUEUE_QPORTCFG", **{"out.max_configurable_queues": 0}),
        "hwrm query qportcfg failure",
        "bnxt.c:10334 bnxt_hwrm_queue_qportcfg(): -EINVAL"),
    _fatal("probe-registration-refused", "FUNC_DRV_RGTR is refused",
        _refusal("FUNC_DRV_RGTR", 0x2), r"hwrm req_type 0x1d seq id 0x[0-9a-f]+ error 0x2\b",
        "bnxt.c:15204 bnxt_fw_init_one_p2()"),
    _fatal("probe-phy-refused", "PORT_PHY_QCAPS is refused",
        _refusal("PORT_PHY_QCAPS", 0xFFFF), r"probe with driver bnxt_en failed with error -95\b",
        "bnxt.c:16691 bnxt_probe_phy()"),
    _fatal("probe-reservation-zero",
        "no transmit ring is reserved, though that was answered as done",
        _answer("none", "FUNC_QCFG", **{"out.alloc_tx_rings": 0}), "Not enough rings available",
        "bnxt.c:16893 bnxt_set_dflt_rings()"),
    _fatal("probe-backing-store-empty", "the backing store has entries of no bytes",
        fault("empty", "hwrm.request", "set", match={"cmd": "FUNC_BACKING_STORE_QCAPS"},
            fields={"skip": True}),
        "hwrm query capability failure rc",
        "bnxt.c:9298 bnxt_setup_ctxm_pg_tbls()"),
    _fatal("probe-backing-store-refused", "the tables of context memory are refused",
        _refusal("FUNC_BACKING_STORE_CFG", 0x2), r"Failed configuring context mem, rc = -22\b",
        "bnxt.c:9643 bnxt_alloc_ctx_mem()"),
    probe("probe-backing-store-overflow",
        "16 Mi statistics contexts and one: their bytes do not fit the driver's 32 bits",
        _answer("many", "FUNC_BACKING_STORE_QCAPS", **{"out.stat_max_entries": 0x100_0001}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=(r"Failed configuring context mem, rc = -22\b",), complaints=NOISE,
            violations=("context_memory",)),
        source="bnxt.c:9305 bnxt_setup_ctxm_pg_tbls(): a page is allocated and 16 Mi are told"),
    probe("probe-backing-store-init-beyond",
        "the initial value belongs 1020 bytes behind the begin of entries of 512 bytes",
        _answer("beyond", "FUNC_BACKING_STORE_QCAPS", **{"out.qp_init_offset": 0xFF}),
        expect=_works_without(violations=("context_not_initialised",),
            card={"contexts_not_initialised": (1, None)},
            finding="context-init-offset-unchecked", fixed=PROBE_SURVIVES),
        source="bnxt.c:3678 bnxt_init_ctx_mem(): the last entry's is in the next page",
        engines=("uml",), needs=frozenset({Capability.SANITIZERS})),  # what it hits may be anyone's
    _withdrawn("withdrawn-gro", "the firmware can do no aggregation (TPA) any more",
        "VNIC_QCAPS", "rx-gro-hw", "bnxt.c:7150 bnxt_hwrm_vnic_qcaps()", max_aggs_supported=0),
    _withdrawn("withdrawn-vlan",
        "VNIC_QCAPS reports no flag: no VLAN strip, no flush of receive queues",
        "VNIC_QCAPS", "rx-vlan-offload", "bnxt.c:7142 bnxt_hwrm_vnic_qcaps()", flags=0),
    probe("withdrawn-ntuple", "the firmware can steer no flow any more",
        _answer("less", "CFA_ADV_FLOW_MGNT_QCAPS", **{"out.flags": 0}),
        expect=_works_without(output=NO_NTUPLE), source="bnxt.c:13932 bnxt_rfs_supported()",
        needs=frozenset({Capability.NTUPLE})),
    probe("withdrawn-short-commands", "requests have to be written into the window whole",
        _answer("less", "VER_GET", **{"out.dev_caps_cfg": 0x1000}),
        expect=_works_without(card={"hwrm_long_form": (40, None)}),
        source="bnxt.c:10488 bnxt_hwrm_ver_get(): one or two are, before its answer, otherwise"),
    probe("withdrawn-resource-manager", "FUNC_RESOURCE_QCAPS is not supported",
        _refusal("FUNC_RESOURCE_QCAPS", 0xFFFF),
        expect=replace(_probe_fails(r"probe with driver bnxt_en failed with error -12\b"),
            mended=("resource-manager-forgotten",
                _probe_fails(r"hwrm query capability failure rc: ffffffa1\b"))),
        source="bnxt.c:10042 bnxt_hwrm_func_qcaps(): no BNXT_FW_CAP_NEW_RM, no ring to be had"),
    probe("withdrawn-flow-query", "CFA_ADV_FLOW_MGNT_QCAPS is not supported",
        _refusal("CFA_ADV_FLOW_MGNT_QCAPS", 0xFFFF),
        expect=_works_without(output=NO_NTUPLE,
            kernel_log=("hwrm query adv flow mgnt failure rc",)),
        source="bnxt.c:15192 bnxt_fw_init_one_p2()"),
    probe("coalescing-timer-zero", "the unit of the coalescing timer is zero nanoseconds",
        _answer("zero", "RING_AGGINT_QCAPS", **{"out.timer_units": 0}),
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER, repair=Repair.RELOAD,
            finding="coalescing-timer-zero", fixed=PROBE_SURVIVES),
        source="bnxt.c:8405 bnxt_usec_to_coal_tmr()",
        engines=("uml",)),  # on x86 the process dies with RTNL held, and nothing can be asked
    probe("coalescing-maxima-zero", "all maxima of interrupt coalescing are zero",
        _answer("zero", "RING_AGGINT_QCAPS",
            **{"out.num_cmpl_dma_aggr_max": 0, "out.num_cmpl_dma_aggr_during_int_max": 0,
                "out.cmpl_aggr_dma_tmr_max": 0, "out.cmpl_aggr_dma_tmr_during_int_max": 0,
                "out.int_lat_tmr_max_max": 0, "out.num_cmpl_aggr_int_max": 0}),
        expect=_works_without(requests={"RING_CMPL_RING_CFG_AGGINT_PARAMS": {
            "num_cmpl_aggr_int": 0, "num_cmpl_dma_aggr": 0, "num_cmpl_dma_aggr_during_int": 0,
            "int_lat_tmr_max": 0, "cmpl_aggr_dma_tmr": 0, "cmpl_aggr_dma_tmr_during_int": 0,
            "int_lat_tmr_min": 1}}),  # its own maximum is as ever
        source="bnxt.c:8421 bnxt_hwrm_set_coal_params(): clamp_t() with max below min"),
    probe("probe-backing-store-endless", "each type of backing store names itself as the next one",
        fault("claimed", "hwrm.answer", "set", match={"cmd": "FUNC_QCAPS"},
            fields={"out.flags_ext": {"or": 0x400_0000}}, times=0),
        fault("next", "hwrm.request", "set", match={"cmd": "FUNC_BACKING_STORE_QCAPS_V2"},
            times=2000, fields={"skip": True}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            hwrm={"FUNC_BACKING_STORE_QCAPS_V2": (1, 45)},
            complaints=(*NOISE, "Failed querying context mem capability"),
            finding="backing-store-endless",
            fixed=replace(PROBE_SURVIVES, hwrm={"FUNC_BACKING_STORE_QCAPS_V2": (1, 45)})),
        source="bnxt.c:8832 bnxt_hwrm_func_backing_store_qcaps_v2()"),
    probe("health-register-elsewhere",
        "the health block says that the status register is in a BAR that is not mapped yet",
        fault("place", "register.read", "set", match={"offset": 0x31F4}, times=0,
            fields={"value": 0x1003}),
        fault("silent", "hwrm.answer", "drop", match={"cmd": "FUNC_QCAPS"}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            complaints=(*NOISE, r"Error \(timeout: \d+\) msg \{0x15\b", r"Abandoning msg \{0x15\b"),
            finding="health-register-unmapped", fixed=PROBE_SURVIVES),
        source="bnxt.c:2500 bnxt_fw_health_readl(): bar1 is NULL",
        optional=("silent",)),  # on QEMU a command before it is slow enough
)  # fmt: skip
