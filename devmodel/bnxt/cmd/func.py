# SPDX-License-Identifier: GPL-2.0-only
"""Version, function capabilities, reservations, driver registration."""

from __future__ import annotations

from dataclasses import replace

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError, Reservation
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncCfgFlags,
    FuncDrvRgtrEnables,
    FuncDrvRgtrFlags,
    FuncQcfgFlags,
    FuncQstatsExtFlags,
    HwrmFuncCfgInput,
    HwrmFuncCfgOutput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncDrvRgtrOutput,
    HwrmFuncDrvUnrgtrInput,
    HwrmFuncDrvUnrgtrOutput,
    HwrmFuncQcapsInput,
    HwrmFuncQcapsOutput,
    HwrmFuncQcfgInput,
    HwrmFuncQcfgOutput,
    HwrmFuncQstatsExtInput,
    HwrmFuncQstatsExtOutput,
    HwrmFuncResetInput,
    HwrmFuncResetOutput,
    HwrmFuncResourceQcapsInput,
    HwrmFuncResourceQcapsOutput,
    HwrmFwSetTimeInput,
    HwrmFwSetTimeOutput,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring import AsyncEvent, ErrorRecovery
from devmodel.bnxt.hsi.ver import DevCaps, HwrmVerGetInput, HwrmVerGetOutput, VerFlags
from devmodel.bnxt.iov import FIRST_VF_FID, REQUEST_MEMORY
from devmodel.bnxt.resources import INVALID_ID
from devmodel.bnxt.stats import COUNTER_MASK, CTX_COUNTER_NAMES
from devmodel.clock import Timing

COMMANDS = CommandTable()
_OWN_FID = 0xFFFF
_REAL_TIME = 40
"""How much longer a time-out is told where time is real: the card needs time to answer there. Under
emulation each loop of the driver takes five to ten times as long as the driver takes it to be, so
that it then waits as long as for a real card, which tells 5000 ms (bnxt_hwrm.c __hwrm_send)."""
_VLAN_ID_MASK = 0xFFF
_OF_A_VF = (
    FuncCfgEnables.DFLT_MAC_ADDR
    | FuncCfgEnables.DFLT_VLAN
    | FuncCfgEnables.MIN_BW
    | FuncCfgEnables.MAX_BW
)
_WATCHED_BY_THIS_FUNCTION = ErrorRecovery.MASTER_FUNC | ErrorRecovery.RECOVERY_ENABLED


def request_timeout_ms(fw: Firmware) -> int:
    """How long a driver is told to wait for an answer."""
    longer = _REAL_TIME if fw.clock.timing is Timing.ASYNCHRONOUS else 1
    return min(fw.identity.def_req_timeout_ms * longer, 0xFFFF)


@COMMANDS.handles(Cmd.VER_GET, HwrmVerGetInput)
def ver_get(fw: Firmware, req: HwrmVerGetInput) -> HwrmVerGetOutput:
    """Versions, chip, and how long requests may be and take."""
    ident, running = fw.identity, fw.running
    out = HwrmVerGetOutput(
        dev_caps_cfg=ident.dev_caps | (0 if fw.iov is None else DevCaps.TRUSTED_VF),
        active_pkg_name=running.package.encode(),
        chip_num=ident.chip_num,
        chip_rev=ident.chip_rev,
        chip_metal=ident.chip_metal,
        max_req_win_len=ident.max_req_win_len,
        max_resp_len=ident.max_resp_len,
        def_req_timeout=request_timeout_ms(fw),
        flags=VerFlags.EXT_VER_AVAIL,
        always_1=1,
        max_ext_req_len=ident.max_ext_req_len,
        max_req_timeout=ident.max_req_timeout_s,
    )
    major, minor, update = ident.hwrm_interface
    out.hwrm_intf_maj_8b, out.hwrm_intf_min_8b, out.hwrm_intf_upd_8b = major, minor, update
    out.hwrm_intf_major, out.hwrm_intf_minor, out.hwrm_intf_build = major, minor, update
    out.hwrm_fw_major, out.hwrm_fw_minor, out.hwrm_fw_build, out.hwrm_fw_patch = running.firmware
    (
        out.hwrm_fw_maj_8b,
        out.hwrm_fw_min_8b,
        out.hwrm_fw_bld_8b,
        out.hwrm_fw_rsvd_8b,
    ) = (number & 0xFF for number in running.firmware)
    (
        out.mgmt_fw_major,
        out.mgmt_fw_minor,
        out.mgmt_fw_build,
        out.mgmt_fw_patch,
    ) = running.management_firmware
    return out


@COMMANDS.handles(Cmd.FUNC_RESET, HwrmFuncResetInput)
def func_reset(fw: Firmware, req: HwrmFuncResetInput) -> HwrmFuncResetOutput:
    """Drop every resource of the function; what was granted to it since counts."""
    fw.reset()
    fw.settle_grants()
    return HwrmFuncResetOutput()


@COMMANDS.handles(Cmd.FW_SET_TIME, HwrmFwSetTimeInput)
def fw_set_time(fw: Firmware, req: HwrmFwSetTimeInput) -> HwrmFwSetTimeOutput:
    """Wall clock of the firmware's logs; the card keeps none."""
    return HwrmFwSetTimeOutput()


def _target(fw: Firmware, fid: int) -> Firmware:
    """The function that ``fid`` names: the own one, or one of its virtual ones."""
    if fid in (_OWN_FID, fw.identity.fid):
        return fw
    vf = None if fw.iov is None else fw.iov.get(fid)
    if vf is None:
        raise fw.refuse("hwrm_unknown_function", Err.RESOURCE_ACCESS_DENIED, fid=fid)
    return vf.firmware


@COMMANDS.handles(Cmd.FUNC_QCAPS, HwrmFuncQcapsInput)
def func_qcaps(fw: Firmware, req: HwrmFuncQcapsInput) -> HwrmFuncQcapsOutput:
    """Capabilities and maxima."""
    fw = _target(fw, req.fid)
    ident, limits = fw.identity, fw.limits
    return HwrmFuncQcapsOutput(
        fid=ident.fid,
        port_id=ident.port_id,
        flags=ident.func_flags,
        flags_ext=ident.func_flags_ext,
        flags_ext2=ident.func_flags_ext2,
        mac_address=ident.mac,
        max_rsscos_ctx=limits.rsscos_ctx,
        max_cmpl_rings=limits.cmpl_rings,
        max_tx_rings=limits.tx_rings,
        max_rx_rings=limits.rx_rings,
        max_l2_ctxs=limits.l2_ctxs,
        max_vnics=limits.vnics,
        first_vf_id=FIRST_VF_FID if fw.iov is not None else 0,
        max_vfs=ident.virtual_functions,
        max_stat_ctx=limits.stat_ctx,
        max_rx_em_flows=ident.max_flows,
        max_rx_wm_flows=ident.max_flows,
        max_hw_ring_grps=limits.hw_ring_grps,
        max_tso_segs=ident.max_tso_segs,
    )


@COMMANDS.handles(Cmd.FUNC_RESOURCE_QCAPS, HwrmFuncResourceQcapsInput)
def func_resource_qcaps(
    fw: Firmware, req: HwrmFuncResourceQcapsInput
) -> HwrmFuncResourceQcapsOutput:
    """What may be reserved with FUNC_CFG."""
    fw = _target(fw, req.fid)
    limits = fw.limits
    return HwrmFuncResourceQcapsOutput(
        max_vfs=fw.identity.virtual_functions,
        max_msix=limits.msix,
        min_rsscos_ctx=1,
        max_rsscos_ctx=limits.rsscos_ctx,
        min_cmpl_rings=1,
        max_cmpl_rings=limits.cmpl_rings,
        min_tx_rings=1,
        max_tx_rings=limits.tx_rings,
        min_rx_rings=1,
        max_rx_rings=limits.rx_rings,
        min_l2_ctxs=1,
        max_l2_ctxs=limits.l2_ctxs,
        min_vnics=1,
        max_vnics=limits.vnics,
        min_stat_ctx=1,
        max_stat_ctx=limits.stat_ctx,
        min_hw_ring_grps=1,
        max_hw_ring_grps=limits.hw_ring_grps,
        max_tx_scheduler_inputs=limits.tx_rings,
    )


@COMMANDS.handles(Cmd.FUNC_QCFG, HwrmFuncQcfgInput)
def func_qcfg(fw: Firmware, req: HwrmFuncQcfgInput) -> HwrmFuncQcfgOutput:
    """Configuration in force; echoes the reservations."""
    fw = _target(fw, req.fid)
    ident = fw.identity
    have = fw.reservation
    vf = None if fw.member_of is None else fw.member_of.of(fw)
    trusted = FuncQcfgFlags.TRUSTED_VF if vf is not None and vf.is_trusted else 0
    return HwrmFuncQcfgOutput(
        fid=ident.fid,
        port_id=ident.port_id,
        vlan=0 if vf is None else vf.vlan,
        flags=FuncQcfgFlags.HOT_RESET_ALLOWED | trusted,
        mac_address=fw.mac,
        port_partition_type=ident.partition_type,
        alloc_rsscos_ctx=have.rsscos_ctx,
        alloc_cmpl_rings=have.cmpl_rings,
        alloc_tx_rings=have.tx_rings,
        alloc_rx_rings=have.rx_rings,
        alloc_l2_ctx=have.l2_ctxs,
        alloc_vnics=have.vnics,
        max_mtu_configured=ident.max_mtu,
        evb_mode=fw.evb_mode,
        alloc_hw_ring_grps=have.hw_ring_grps,
        alloc_stat_ctx=have.stat_ctx,
        alloc_msix=have.msix,
        l2_doorbell_bar_size_kb=ident.doorbell_bar_kib,
        always_1=1,
    )


_ASSETS = (
    (FuncCfgEnables.NUM_MSIX, FuncCfgFlags.NQ_ASSETS_TEST, "num_msix", "msix"),
    (
        FuncCfgEnables.NUM_RSSCOS_CTXS,
        FuncCfgFlags.RSSCOS_CTX_ASSETS_TEST,
        "num_rsscos_ctxs",
        "rsscos_ctx",
    ),
    (
        FuncCfgEnables.NUM_CMPL_RINGS,
        FuncCfgFlags.CMPL_ASSETS_TEST,
        "num_cmpl_rings",
        "cmpl_rings",
    ),
    (FuncCfgEnables.NUM_TX_RINGS, FuncCfgFlags.TX_ASSETS_TEST, "num_tx_rings", "tx_rings"),
    (FuncCfgEnables.NUM_RX_RINGS, FuncCfgFlags.RX_ASSETS_TEST, "num_rx_rings", "rx_rings"),
    (FuncCfgEnables.NUM_L2_CTXS, FuncCfgFlags.L2_CTX_ASSETS_TEST, "num_l2_ctxs", "l2_ctxs"),
    (FuncCfgEnables.NUM_VNICS, FuncCfgFlags.VNIC_ASSETS_TEST, "num_vnics", "vnics"),
    (
        FuncCfgEnables.NUM_STAT_CTXS,
        FuncCfgFlags.STAT_CTX_ASSETS_TEST,
        "num_stat_ctxs",
        "stat_ctx",
    ),
    (
        FuncCfgEnables.NUM_HW_RING_GRPS,
        FuncCfgFlags.RING_GRP_ASSETS_TEST,
        "num_hw_ring_grps",
        "hw_ring_grps",
    ),
)
_ANY_ASSETS_TEST = sum(test for _, test, _, _ in _ASSETS)


@COMMANDS.handles(Cmd.FUNC_CFG, HwrmFuncCfgInput)
def func_cfg(fw: Firmware, req: HwrmFuncCfgInput) -> HwrmFuncCfgOutput:
    """Reserve resources (only what is enabled), or test whether that would do.

    More than there is: all of it or none, the command is refused.
    """
    if fw.member_of is not None:
        raise HwrmError(Err.RESOURCE_ACCESS_DENIED)
    target = _target(fw, req.fid)
    if target is not fw:
        return _configure_vf(fw, target, req)
    limits = fw.limits
    wanted = {
        name: getattr(req, member) for enable, _, member, name in _ASSETS if req.enables & enable
    }
    if any(count > getattr(limits, name) for name, count in wanted.items()):
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    if req.flags & _ANY_ASSETS_TEST:
        return HwrmFuncCfgOutput()
    for name, count in wanted.items():
        setattr(fw.reservation, name, count)
    if req.enables & FuncCfgEnables.DFLT_MAC_ADDR:
        fw.mac = req.dflt_mac_addr
    if req.enables & FuncCfgEnables.EVB_MODE:
        fw.evb_mode = req.evb_mode
    if req.enables & FuncCfgEnables.ASYNC_EVENT_CR:
        fw.name_async_nq(None if req.async_event_cr == INVALID_ID else req.async_event_cr)
        if fw.identity.is_watched:
            fw.post_event(AsyncEvent.ERROR_RECOVERY, data1=_WATCHED_BY_THIS_FUNCTION)
    return HwrmFuncCfgOutput()


def _configure_vf(fw: Firmware, target: Firmware, req: HwrmFuncCfgInput) -> HwrmFuncCfgOutput:
    """The physical function says what a virtual one is; rates are taken and do nothing."""
    vf = fw.iov.of(target) if fw.iov is not None else None
    if vf is None or req.enables & ~_OF_A_VF or req.dflt_vlan > _VLAN_ID_MASK:
        raise HwrmError(Err.INVALID_PARAMS)
    if req.enables & FuncCfgEnables.DFLT_MAC_ADDR:
        target.identity = replace(target.identity, mac=req.dflt_mac_addr)
        target.mac = req.dflt_mac_addr
    if req.enables & FuncCfgEnables.DFLT_VLAN:
        vf.vlan = req.dflt_vlan
    if req.flags & FuncCfgFlags.SRC_MAC_ADDR_CHECK_ENABLE:
        vf.checks_source = True
    if req.flags & FuncCfgFlags.SRC_MAC_ADDR_CHECK_DISABLE:
        vf.checks_source = False
    if req.flags & FuncCfgFlags.TRUSTED_VF_ENABLE:
        vf.is_trusted = True
    if req.flags & FuncCfgFlags.TRUSTED_VF_DISABLE:
        vf.is_trusted = False
    return HwrmFuncCfgOutput()


@COMMANDS.handles(Cmd.FUNC_DRV_RGTR, HwrmFuncDrvRgtrInput)
def func_drv_rgtr(fw: Firmware, req: HwrmFuncDrvRgtrInput) -> HwrmFuncDrvRgtrOutput:
    """A driver is there and wants these events."""
    fw.ledger.driver_registered()
    fw.async_events = sum(word << 32 * i for i, word in enumerate(req.async_event_fwd))
    if fw.iov is not None and req.enables & FuncDrvRgtrEnables.VF_REQ_FWD:
        fw.iov.driver_came(req.vf_req_fwd)
    return HwrmFuncDrvRgtrOutput(
        flags=FuncDrvRgtrFlags.IF_CHANGE_SUPPORTED if fw.identity.resets_itself else 0
    )


@COMMANDS.handles(Cmd.FUNC_DRV_UNRGTR, HwrmFuncDrvUnrgtrInput)
def func_drv_unrgtr(fw: Firmware, req: HwrmFuncDrvUnrgtrInput) -> HwrmFuncDrvUnrgtrOutput:
    """The driver goes: what it reserved is free again. A reset that waited for that happens."""
    fw.async_events = None
    if fw.iov is not None:
        fw.iov.driver_left()
        fw.ledger.memory_returned(REQUEST_MEMORY)
    fw.reservation = Reservation()
    fw.debug.forget_crash_memory()
    fw.contexts.reset()
    fw.ledger.driver_unregistered(comes_back=fw.restart_waits)
    if fw.restart_waits:
        fw.restart()
    return HwrmFuncDrvUnrgtrOutput()


@COMMANDS.handles(Cmd.FUNC_QSTATS_EXT, HwrmFuncQstatsExtInput)
def func_qstats_ext(fw: Firmware, req: HwrmFuncQstatsExtInput) -> HwrmFuncQstatsExtOutput:
    """Sum of all statistics contexts, or the width of each counter."""
    fw = _target(fw, req.fid)
    if req.flags & FuncQstatsExtFlags.COUNTER_MASK:
        values = dict.fromkeys(CTX_COUNTER_NAMES, COUNTER_MASK)
    else:
        contexts = fw.resources.stat_ctxs.values()
        values = {
            name: sum(ctx.counters[i] for ctx in contexts)
            for i, name in enumerate(CTX_COUNTER_NAMES)
        }
    out = HwrmFuncQstatsExtOutput()
    for name, value in values.items():
        setattr(out, name, value)
    return out
