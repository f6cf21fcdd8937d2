# SPDX-License-Identifier: GPL-2.0-only
"""VNICs: allocation, RSS, placement, TPA, and VNIC_UPDATE as a barrier."""

from __future__ import annotations

import struct

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.backing_store import ContextType
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.vnic import (
    HwrmVnicAllocInput,
    HwrmVnicAllocOutput,
    HwrmVnicCfgInput,
    HwrmVnicCfgOutput,
    HwrmVnicFreeInput,
    HwrmVnicFreeOutput,
    HwrmVnicPlcmodesCfgInput,
    HwrmVnicPlcmodesCfgOutput,
    HwrmVnicQcapsInput,
    HwrmVnicQcapsOutput,
    HwrmVnicRssCfgInput,
    HwrmVnicRssCfgOutput,
    HwrmVnicRssCosLbCtxAllocInput,
    HwrmVnicRssCosLbCtxAllocOutput,
    HwrmVnicRssCosLbCtxFreeInput,
    HwrmVnicRssCosLbCtxFreeOutput,
    HwrmVnicRssQcfgInput,
    HwrmVnicRssQcfgOutput,
    HwrmVnicTpaCfgInput,
    HwrmVnicTpaCfgOutput,
    HwrmVnicUpdateInput,
    HwrmVnicUpdateOutput,
    PlcmodesEnables,
    RssCfgFlags,
    RssHashType,
    TpaCfgEnables,
    VnicAllocFlags,
    VnicCfgEnables,
    VnicCfgFlags,
    VnicUpdateEnables,
)
from devmodel.bnxt.resources import INVALID_ID, TpaConfig, Vnic

COMMANDS = CommandTable()
RSS_PAIRS_PER_CONTEXT = 64
_PAIR_BYTES = 4
_HASH_KEY_BYTES = 40
_MAX_CONTEXTS = 8


def _vnic(fw: Firmware, vnic_id: int) -> Vnic:
    vnic = fw.resources.vnics.get(vnic_id)
    if vnic is None:
        raise fw.refuse("hwrm_unknown_id", kind="VNIC", id=vnic_id)
    return vnic


def _check_rings(fw: Firmware, rx_ring_id: int, cmpl_ring_id: int, where: str) -> None:
    """Ids of rings that do not exist lead nowhere; the hardware would not notice either."""
    res = fw.resources
    if rx_ring_id not in res.rx_rings:
        fw.trace.violation("vnic_names_unknown_ring", where=where, kind="RX", id=rx_ring_id)
    if cmpl_ring_id not in res.cmpl_rings:
        fw.trace.violation("vnic_names_unknown_ring", where=where, kind="CQ", id=cmpl_ring_id)


@COMMANDS.handles(Cmd.VNIC_QCAPS, HwrmVnicQcapsInput)
def vnic_qcaps(fw: Firmware, req: HwrmVnicQcapsInput) -> HwrmVnicQcapsOutput:
    """Capabilities of VNICs."""
    ident = fw.identity
    return HwrmVnicQcapsOutput(
        mru=ident.max_mru, flags=ident.vnic_flags, max_aggs_supported=ident.max_aggs
    )


@COMMANDS.handles(Cmd.VNIC_ALLOC, HwrmVnicAllocInput)
def vnic_alloc(fw: Firmware, req: HwrmVnicAllocInput) -> HwrmVnicAllocOutput:
    """A new VNIC; it accepts nothing until VNIC_CFG."""
    if len(fw.resources.vnics) >= fw.reservation.vnics:
        raise fw.refuse(
            "hwrm_over_reservation",
            Err.RESOURCE_ALLOC_ERROR,
            kind="VNIC",
            have=fw.reservation.vnics,
        )
    vnic_id = fw.resources.vnic_ids.allocate()
    if vnic_id is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    is_default = bool(req.flags & VnicAllocFlags.DEFAULT)
    vnic = Vnic(id=vnic_id, is_default=is_default, hash_type=fw.rss_hash_type)
    fw.resources.vnics[vnic_id] = vnic
    fw.ledger.vnic_allocated(vnic)
    fw.contexts.created(ContextType.VNIC, "VNIC", vnic_id)
    fw.resources.steering_changed()
    return HwrmVnicAllocOutput(vnic_id=vnic_id)


@COMMANDS.handles(Cmd.VNIC_FREE, HwrmVnicFreeInput)
def vnic_free(fw: Firmware, req: HwrmVnicFreeInput) -> HwrmVnicFreeOutput:
    """Barrier, then the VNIC is gone; filters that name it lead nowhere."""
    vnic = _vnic(fw, req.vnic_id)
    vnic.mru = 0
    fw.resources.steering_changed()
    fw.receive.flush_vnic(vnic)
    fw.ledger.vnic_names_nothing(vnic)
    fw.resources.vnics.pop(vnic.id, None)  # gone if the card was reset when it flushed
    fw.contexts.destroyed(ContextType.VNIC, "VNIC", vnic.id)
    fw.resources.vnic_ids.release(vnic.id)
    for ctx, owner in fw.resources.rss_contexts.items():
        if owner == vnic.id:
            fw.resources.rss_contexts[ctx] = None
    return HwrmVnicFreeOutput()


@COMMANDS.handles(Cmd.VNIC_CFG, HwrmVnicCfgInput)
def vnic_cfg(fw: Firmware, req: HwrmVnicCfgInput) -> HwrmVnicCfgOutput:
    """Default rings, VLAN strip, MRU (taken when not zero even without its enable bit)."""
    vnic = _vnic(fw, req.vnic_id)
    if req.enables & VnicCfgEnables.DEFAULT_RX_RING_ID:
        vnic.default_rx_ring = req.default_rx_ring_id
    if req.enables & VnicCfgEnables.DEFAULT_CMPL_RING_ID:
        vnic.default_cmpl_ring = req.default_cmpl_ring_id
    if req.enables & (VnicCfgEnables.DEFAULT_RX_RING_ID | VnicCfgEnables.DEFAULT_CMPL_RING_ID):
        _check_rings(fw, vnic.default_rx_ring, vnic.default_cmpl_ring, "VNIC_CFG")
        fw.ledger.vnic_names(vnic, None, [(vnic.default_rx_ring, vnic.default_cmpl_ring)])
    if req.mru or req.enables & VnicCfgEnables.MRU:
        _set_mru(fw, vnic, req.mru)
    vnic.vlan_strip = bool(req.flags & VnicCfgFlags.VLAN_STRIP_MODE)
    fw.resources.steering_changed()
    return HwrmVnicCfgOutput()


def _set_mru(fw: Firmware, vnic: Vnic, mru: int) -> None:
    if mru > fw.identity.max_mru:
        raise fw.refuse("vnic_mru", mru=mru, limit=fw.identity.max_mru)
    vnic.mru = mru
    fw.resources.steering_changed()
    if mru == 0:
        fw.receive.flush_vnic(vnic)
        fw.notify_all()


@COMMANDS.handles(Cmd.VNIC_UPDATE, HwrmVnicUpdateInput)
def vnic_update(fw: Firmware, req: HwrmVnicUpdateInput) -> HwrmVnicUpdateOutput:
    """MRU 0 is a barrier: when it is answered, no packet is on its way to any ring of the VNIC."""
    vnic = _vnic(fw, req.vnic_id)
    if req.enables & VnicUpdateEnables.MRU_VALID:
        _set_mru(fw, vnic, req.mru)
        if req.mru:
            fw.ledger.vnic_enabled(vnic)
    return HwrmVnicUpdateOutput()


@COMMANDS.handles(Cmd.VNIC_TPA_CFG, HwrmVnicTpaCfgInput)
def vnic_tpa_cfg(fw: Firmware, req: HwrmVnicTpaCfgInput) -> HwrmVnicTpaCfgOutput:
    """Hardware GRO and LRO; open aggregations end. What is not enabled gets the chip's default."""
    vnic = _vnic(fw, req.vnic_id)
    fw.receive.flush_vnic(vnic)
    tpa = vnic.tpa = TpaConfig(flags=req.flags, max_agg_timer=fw.identity.tpa_timer_us)
    if req.enables & TpaCfgEnables.MAX_AGG_SEGS:
        tpa.max_agg_segs = req.max_agg_segs
    if req.enables & TpaCfgEnables.MAX_AGGS:
        tpa.max_aggs = req.max_aggs
    if req.enables & TpaCfgEnables.MAX_AGG_TIMER:
        tpa.max_agg_timer = req.max_agg_timer
    if req.enables & TpaCfgEnables.MIN_AGG_LEN:
        tpa.min_agg_len = req.min_agg_len
    fw.resources.steering_changed()
    return HwrmVnicTpaCfgOutput()


@COMMANDS.handles(Cmd.VNIC_PLCMODES_CFG, HwrmVnicPlcmodesCfgInput)
def vnic_plcmodes_cfg(fw: Firmware, req: HwrmVnicPlcmodesCfgInput) -> HwrmVnicPlcmodesCfgOutput:
    """Jumbo placement and header-data split."""
    vnic = _vnic(fw, req.vnic_id)
    vnic.plcmodes.flags = req.flags
    if req.enables & PlcmodesEnables.JUMBO_THRESH_VALID:
        vnic.plcmodes.jumbo_thresh = req.jumbo_thresh
    if req.enables & PlcmodesEnables.HDS_THRESHOLD_VALID:
        vnic.plcmodes.hds_threshold = req.hds_threshold
    fw.resources.steering_changed()
    return HwrmVnicPlcmodesCfgOutput()


@COMMANDS.handles(Cmd.VNIC_RSS_COS_LB_CTX_ALLOC, HwrmVnicRssCosLbCtxAllocInput)
def ctx_alloc(fw: Firmware, req: HwrmVnicRssCosLbCtxAllocInput) -> HwrmVnicRssCosLbCtxAllocOutput:
    """A new RSS context; VNIC_RSS_CFG attaches it to a VNIC."""
    if len(fw.resources.rss_contexts) >= fw.reservation.rsscos_ctx:
        raise fw.refuse(
            "hwrm_over_reservation",
            Err.RESOURCE_ALLOC_ERROR,
            kind="RSS context",
            have=fw.reservation.rsscos_ctx,
        )
    ctx_id = fw.resources.rss_context_ids.allocate()
    if ctx_id is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    fw.resources.rss_contexts[ctx_id] = None
    fw.contexts.created(ContextType.VNIC, "RSS context", ctx_id)
    return HwrmVnicRssCosLbCtxAllocOutput(rss_cos_lb_ctx_id=ctx_id)


@COMMANDS.handles(Cmd.VNIC_RSS_COS_LB_CTX_FREE, HwrmVnicRssCosLbCtxFreeInput)
def ctx_free(fw: Firmware, req: HwrmVnicRssCosLbCtxFreeInput) -> HwrmVnicRssCosLbCtxFreeOutput:
    """The RSS context is gone."""
    if req.rss_cos_lb_ctx_id not in fw.resources.rss_contexts:
        raise fw.refuse("hwrm_unknown_id", kind="RSS context", id=req.rss_cos_lb_ctx_id)
    del fw.resources.rss_contexts[req.rss_cos_lb_ctx_id]
    fw.contexts.destroyed(ContextType.VNIC, "RSS context", req.rss_cos_lb_ctx_id)
    fw.resources.rss_context_ids.release(req.rss_cos_lb_ctx_id)
    return HwrmVnicRssCosLbCtxFreeOutput()


def _hash_type(before: int, req: HwrmVnicRssCfgInput) -> int:
    """The hash types that come of a request.

    Ports of TCP over IPv4 are not hashed without those of UDP. Asked for what cannot be, the
    firmware adds or takes away more, as the request does (commit 98a4322b).
    """
    if req.flags & RssCfgFlags.HASH_TYPE_EXCLUDE:
        kept = before & ~req.hash_type
        is_possible = kept & RssHashType.UDP_IPV4 or not kept & RssHashType.TCP_IPV4
        return kept if is_possible else kept & ~RssHashType.TCP_IPV4
    wanted = req.hash_type
    if req.flags & RssCfgFlags.HASH_TYPE_INCLUDE:
        wanted |= before
    return wanted | RssHashType.UDP_IPV4 if wanted & RssHashType.TCP_IPV4 else wanted


@COMMANDS.handles(Cmd.VNIC_RSS_CFG, HwrmVnicRssCfgInput)
def vnic_rss_cfg(fw: Firmware, req: HwrmVnicRssCfgInput) -> HwrmVnicRssCfgOutput:
    """One context (64 buckets) of a VNIC's table, hash types and key; table and key are copied.

    Without a table address: RSS off.
    """
    vnic = _vnic(fw, req.vnic_id)
    if req.ring_grp_tbl_addr == 0:
        vnic.clear_rss()
        fw.ledger.vnic_names_nothing(vnic)
        fw.resources.steering_changed()
        return HwrmVnicRssCfgOutput()
    if req.rss_ctx_idx not in fw.resources.rss_contexts:
        raise fw.refuse("hwrm_unknown_id", kind="RSS context", id=req.rss_ctx_idx)
    if req.ring_table_pair_index >= _MAX_CONTEXTS:
        raise fw.refuse("rss_table_index", index=req.ring_table_pair_index)
    table = fw.read(
        req.ring_grp_tbl_addr, RSS_PAIRS_PER_CONTEXT * _PAIR_BYTES, "RSS indirection table"
    )
    if req.hash_key_tbl_addr:
        vnic.hash_key = fw.read(req.hash_key_tbl_addr, _HASH_KEY_BYTES, "RSS hash key")
    pairs = [(rx, cq) for rx, cq in struct.iter_unpack("<HH", table)]
    for rx, cq in set(pairs):
        _check_rings(fw, rx, cq, "VNIC_RSS_CFG")
    fw.resources.rss_contexts[req.rss_ctx_idx] = vnic.id
    vnic.set_rss_part(req.ring_table_pair_index, pairs)
    fw.ledger.vnic_names(vnic, req.ring_table_pair_index, pairs)
    vnic.hash_type = _hash_type(vnic.hash_type, req)
    fw.rss_hash_type = vnic.hash_type
    vnic.hash_mode_flags = req.hash_mode_flags
    fw.resources.steering_changed()
    return HwrmVnicRssCfgOutput()


@COMMANDS.handles(Cmd.VNIC_RSS_QCFG, HwrmVnicRssQcfgInput)
def vnic_rss_qcfg(fw: Firmware, req: HwrmVnicRssQcfgInput) -> HwrmVnicRssQcfgOutput:
    """Hash types and key in force, of a VNIC or of the VNIC an RSS context is attached to."""
    vnic_id: int | None = req.vnic_id
    if req.vnic_id == INVALID_ID:
        vnic_id = fw.resources.rss_contexts.get(req.rss_ctx_idx)
    vnic = _vnic(fw, INVALID_ID if vnic_id is None else vnic_id)
    key = vnic.hash_key.ljust(_HASH_KEY_BYTES, b"\0")
    return HwrmVnicRssQcfgOutput(
        hash_type=vnic.hash_type,
        hash_key=struct.unpack("<10I", key),
        hash_mode_flags=vnic.hash_mode_flags,
    )
