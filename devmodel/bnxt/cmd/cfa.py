# SPDX-License-Identifier: GPL-2.0-only
"""Filters: L2, receive masks, ntuple, tunnel ports."""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cfa import (
    ANY_IP_PROTOCOL,
    NO_TUNNEL,
    HwrmCfaAdvFlowMgntQcapsInput,
    HwrmCfaAdvFlowMgntQcapsOutput,
    HwrmCfaL2FilterAllocInput,
    HwrmCfaL2FilterAllocOutput,
    HwrmCfaL2FilterFreeInput,
    HwrmCfaL2FilterFreeOutput,
    HwrmCfaL2SetRxMaskInput,
    HwrmCfaL2SetRxMaskOutput,
    HwrmCfaNtupleFilterAllocInput,
    HwrmCfaNtupleFilterAllocOutput,
    HwrmCfaNtupleFilterFreeInput,
    HwrmCfaNtupleFilterFreeOutput,
    HwrmTunnelDstPortAllocInput,
    HwrmTunnelDstPortAllocOutput,
    HwrmTunnelDstPortFreeInput,
    HwrmTunnelDstPortFreeOutput,
    L2FilterEnables,
    L2FilterFlags,
    NtupleEnables,
    NtupleFlags,
    RxMask,
)
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.resources import L2Filter, NtupleFilter

COMMANDS = CommandTable()
MAX_MULTICAST = 16
_MAC_BYTES = 6
_VLAN_ID_MASK = 0xFFF
_IP_BYTES = {4: 4, 6: 16}


@COMMANDS.handles(Cmd.CFA_ADV_FLOW_MGNT_QCAPS, HwrmCfaAdvFlowMgntQcapsInput)
def adv_flow_mgnt_qcaps(
    fw: Firmware, req: HwrmCfaAdvFlowMgntQcapsInput
) -> HwrmCfaAdvFlowMgntQcapsOutput:
    """What ntuple filters can do."""
    return HwrmCfaAdvFlowMgntQcapsOutput(flags=fw.identity.adv_flow)


def _check_vnic(fw: Firmware, vnic_id: int) -> None:
    if vnic_id not in fw.resources.vnics:
        raise fw.refuse("hwrm_unknown_id", kind="VNIC", id=vnic_id)


@COMMANDS.handles(Cmd.CFA_L2_FILTER_ALLOC, HwrmCfaL2FilterAllocInput)
def l2_filter_alloc(fw: Firmware, req: HwrmCfaL2FilterAllocInput) -> HwrmCfaL2FilterAllocOutput:
    """Frames to a destination address (and VLAN) go to a VNIC. Receive side only."""
    if not req.flags & L2FilterFlags.PATH_RX or not req.enables & L2FilterEnables.L2_ADDR:
        raise fw.refuse("l2_filter", flags=req.flags, enables=req.enables)
    drop = bool(req.flags & L2FilterFlags.DROP)
    has_mask = req.enables & L2FilterEnables.L2_ADDR_MASK
    mask = req.l2_addr_mask if has_mask else b"\xff" * _MAC_BYTES
    if fw.member_of is not None:
        fw.member_of.check_filter(fw, req.l2_addr, mask)
    if not drop:
        _check_vnic(fw, req.dst_id)
    filter_id = fw.resources.l2_filter_ids.allocate()
    if filter_id is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    vlan = None
    if req.enables & L2FilterEnables.L2_IVLAN:
        has_vlan_mask = req.enables & L2FilterEnables.L2_IVLAN_MASK
        vlan = (req.l2_ivlan, req.l2_ivlan_mask if has_vlan_mask else _VLAN_ID_MASK)
    fw.resources.l2_filters[filter_id] = L2Filter(
        id=filter_id,
        address=req.l2_addr,
        address_mask=mask,
        vlan=vlan,
        dst_vnic=req.dst_id,
        drop=drop,
    )
    fw.resources.steering_changed()
    return HwrmCfaL2FilterAllocOutput(l2_filter_id=filter_id)


@COMMANDS.handles(Cmd.CFA_L2_FILTER_FREE, HwrmCfaL2FilterFreeInput)
def l2_filter_free(fw: Firmware, req: HwrmCfaL2FilterFreeInput) -> HwrmCfaL2FilterFreeOutput:
    """The filter is gone, and with it the ntuple filters made on it."""
    res = fw.resources
    if req.l2_filter_id not in res.l2_filters:
        raise fw.refuse("hwrm_unknown_id", kind="L2 filter", id=req.l2_filter_id)
    del res.l2_filters[req.l2_filter_id]
    res.l2_filter_ids.release(req.l2_filter_id)
    for ntuple in [n for n in res.ntuple_filters.values() if n.l2_filter_id == req.l2_filter_id]:
        del res.ntuple_filters[ntuple.id]
        res.ntuple_filter_ids.release(ntuple.id)
    res.steering_changed()
    return HwrmCfaL2FilterFreeOutput()


@COMMANDS.handles(Cmd.CFA_L2_SET_RX_MASK, HwrmCfaL2SetRxMaskInput)
def l2_set_rx_mask(fw: Firmware, req: HwrmCfaL2SetRxMaskInput) -> HwrmCfaL2SetRxMaskOutput:
    """Broadcast, multicast and promiscuous reception of a VNIC."""
    _check_vnic(fw, req.vnic_id)
    if fw.member_of is not None and req.mask & RxMask.PROMISCUOUS:
        fw.member_of.check_promiscuous(fw)
    vnic = fw.resources.vnics[req.vnic_id]
    addresses: frozenset[bytes] = frozenset()
    if req.mask & RxMask.MCAST and req.num_mc_entries:
        if req.num_mc_entries > MAX_MULTICAST:
            raise fw.refuse("rx_mask_entries", entries=req.num_mc_entries, limit=MAX_MULTICAST)
        table = fw.read(req.mc_tbl_addr, req.num_mc_entries * _MAC_BYTES, "multicast table")
        addresses = frozenset(table[i : i + _MAC_BYTES] for i in range(0, len(table), _MAC_BYTES))
    vnic.rx_mask = req.mask
    vnic.multicast = addresses
    fw.resources.steering_changed()
    return HwrmCfaL2SetRxMaskOutput()


@COMMANDS.handles(Cmd.CFA_NTUPLE_FILTER_ALLOC, HwrmCfaNtupleFilterAllocInput)
def ntuple_filter_alloc(
    fw: Firmware, req: HwrmCfaNtupleFilterAllocInput
) -> HwrmCfaNtupleFilterAllocOutput:
    """Packets of a flow go to one queue of a VNIC, to its RSS table, or nowhere."""
    res = fw.resources
    on = NtupleEnables(req.enables)
    l2_filter_id = req.l2_filter_id if NtupleEnables.L2_FILTER_ID in on else None
    if l2_filter_id is not None and l2_filter_id not in res.l2_filters:
        raise fw.refuse("hwrm_unknown_id", kind="L2 filter", id=l2_filter_id)
    drop = bool(req.flags & NtupleFlags.DROP)
    if not drop:
        _check_vnic(fw, req.dst_id)
    family = req.ip_addr_type if NtupleEnables.IPADDR_TYPE in on else 0
    if family not in (0, 4, 6):
        raise fw.refuse("ntuple_ip_addr_type", ip_addr_type=family)
    filter_id = res.ntuple_filter_ids.allocate()
    if filter_id is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    size = _IP_BYTES.get(family, 0)

    def masked(value_on: NtupleEnables, mask_on: NtupleEnables, mask: bytes) -> bytes:
        if value_on not in on:
            return bytes(size)
        return mask[:size] if mask_on in on else b"\xff" * size

    def port_mask(value_on: NtupleEnables, mask_on: NtupleEnables, mask: int) -> int:
        if value_on not in on:
            return 0
        return mask if mask_on in on else 0xFFFF

    protocol: int | None = req.ip_protocol
    if NtupleEnables.IP_PROTOCOL not in on or protocol == ANY_IP_PROTOCOL:
        protocol = None
    res.ntuple_filters[filter_id] = NtupleFilter(
        id=filter_id,
        l2_filter_id=l2_filter_id,
        ethertype=req.ethertype if NtupleEnables.ETHERTYPE in on else 0,
        ip_addr_type=family,
        ip_protocol=protocol,
        src_ip=req.src_ipaddr[:size],
        src_ip_mask=masked(
            NtupleEnables.SRC_IPADDR, NtupleEnables.SRC_IPADDR_MASK, req.src_ipaddr_mask
        ),
        dst_ip=req.dst_ipaddr[:size],
        dst_ip_mask=masked(
            NtupleEnables.DST_IPADDR, NtupleEnables.DST_IPADDR_MASK, req.dst_ipaddr_mask
        ),
        src_port=req.src_port,
        src_port_mask=port_mask(
            NtupleEnables.SRC_PORT, NtupleEnables.SRC_PORT_MASK, req.src_port_mask
        ),
        dst_port=req.dst_port,
        dst_port_mask=port_mask(
            NtupleEnables.DST_PORT, NtupleEnables.DST_PORT_MASK, req.dst_port_mask
        ),
        dst_vnic=req.dst_id,
        rfs_ring_tbl_idx=req.rfs_ring_tbl_idx if NtupleEnables.RFS_RING_TBL_IDX in on else None,
        drop=drop,
        is_of_tunnels=NtupleEnables.TUNNEL_TYPE in on and req.tunnel_type != NO_TUNNEL,
    )
    res.steering_changed()
    return HwrmCfaNtupleFilterAllocOutput(ntuple_filter_id=filter_id)


@COMMANDS.handles(Cmd.CFA_NTUPLE_FILTER_FREE, HwrmCfaNtupleFilterFreeInput)
def ntuple_filter_free(
    fw: Firmware, req: HwrmCfaNtupleFilterFreeInput
) -> HwrmCfaNtupleFilterFreeOutput:
    """The filter is gone."""
    if req.ntuple_filter_id not in fw.resources.ntuple_filters:
        raise fw.refuse("hwrm_unknown_id", kind="ntuple filter", id=req.ntuple_filter_id)
    del fw.resources.ntuple_filters[req.ntuple_filter_id]
    fw.resources.ntuple_filter_ids.release(req.ntuple_filter_id)
    fw.resources.steering_changed()
    return HwrmCfaNtupleFilterFreeOutput()


@COMMANDS.handles(Cmd.TUNNEL_DST_PORT_ALLOC, HwrmTunnelDstPortAllocInput)
def tunnel_dst_port_alloc(
    fw: Firmware, req: HwrmTunnelDstPortAllocInput
) -> HwrmTunnelDstPortAllocOutput:
    """A UDP port that carries a tunnel; one per tunnel type, whose number is the id."""
    ports = fw.resources.tunnel_ports
    if req.tunnel_type in ports or len(ports) >= fw.identity.limits.tunnel_ports:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    ports[req.tunnel_type] = req.tunnel_dst_port_val
    fw.resources.steering_changed()
    return HwrmTunnelDstPortAllocOutput(tunnel_dst_port_id=req.tunnel_type)


@COMMANDS.handles(Cmd.TUNNEL_DST_PORT_FREE, HwrmTunnelDstPortFreeInput)
def tunnel_dst_port_free(
    fw: Firmware, req: HwrmTunnelDstPortFreeInput
) -> HwrmTunnelDstPortFreeOutput:
    """The UDP port is an ordinary one again."""
    if fw.resources.tunnel_ports.pop(req.tunnel_dst_port_id, None) is None:
        raise fw.refuse("hwrm_unknown_id", kind="tunnel port", id=req.tunnel_dst_port_id)
    fw.resources.steering_changed()
    return HwrmTunnelDstPortFreeOutput()
