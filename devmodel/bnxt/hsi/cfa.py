# SPDX-License-Identifier: GPL-2.0-only
"""Filters and tunnels (hwrm_cfa_*, hwrm_tunnel_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import be16, layout, le16, le32, le64, u8


class AdvFlowFlags(enum.IntFlag):
    """CFA_ADV_FLOW_MGNT_QCAPS_RESP_FLAGS_*."""

    RFS_RING_TBL_IDX_V2 = 0x2000
    EXT_IP_PROTO = 0x100000
    RFS_RING_TBL_IDX_V3 = 0x200000


class L2FilterFlags(enum.IntFlag):
    """CFA_L2_FILTER_ALLOC_REQ_FLAGS_*."""

    PATH_RX = 0x1
    DROP = 0x4


class L2FilterEnables(enum.IntFlag):
    """CFA_L2_FILTER_ALLOC_REQ_ENABLES_*."""

    L2_ADDR = 0x1
    L2_ADDR_MASK = 0x2
    L2_IVLAN = 0x10
    L2_IVLAN_MASK = 0x20
    DST_ID = 0x8000


class RxMask(enum.IntFlag):
    """CFA_L2_SET_RX_MASK_REQ_MASK_*."""

    MCAST = 0x2
    ALL_MCAST = 0x4
    BCAST = 0x8
    PROMISCUOUS = 0x10
    VLANONLY = 0x40
    VLAN_NONVLAN = 0x80
    ANYVLAN_NONVLAN = 0x100


class NtupleFlags(enum.IntFlag):
    """CFA_NTUPLE_FILTER_ALLOC_REQ_FLAGS_*."""

    DROP = 0x2


class NtupleEnables(enum.IntFlag):
    """CFA_NTUPLE_FILTER_ALLOC_REQ_ENABLES_*."""

    L2_FILTER_ID = 0x1
    ETHERTYPE = 0x2
    TUNNEL_TYPE = 0x4
    IPADDR_TYPE = 0x10
    SRC_IPADDR = 0x20
    SRC_IPADDR_MASK = 0x40
    DST_IPADDR = 0x80
    DST_IPADDR_MASK = 0x100
    IP_PROTOCOL = 0x200
    SRC_PORT = 0x400
    SRC_PORT_MASK = 0x800
    DST_PORT = 0x1000
    DST_PORT_MASK = 0x2000
    DST_ID = 0x10000
    RFS_RING_TBL_IDX = 0x80000


ANY_IP_PROTOCOL = 0xFF
NO_TUNNEL = 0


@layout(size=96, c_name="hwrm_cfa_l2_filter_alloc_input")
class HwrmCfaL2FilterAllocInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    l2_addr: Annotated[bytes, "6s"] = b""
    num_vlans: u8 = 0
    t_num_vlans: u8 = 0
    l2_addr_mask: Annotated[bytes, "6s"] = b""
    l2_ovlan: le16 = 0
    l2_ovlan_mask: le16 = 0
    l2_ivlan: le16 = 0
    l2_ivlan_mask: le16 = 0
    unused_1: Annotated[bytes, "2s"] = b""
    t_l2_addr: Annotated[bytes, "6s"] = b""
    unused_2: Annotated[bytes, "2s"] = b""
    t_l2_addr_mask: Annotated[bytes, "6s"] = b""
    t_l2_ovlan: le16 = 0
    t_l2_ovlan_mask: le16 = 0
    t_l2_ivlan: le16 = 0
    t_l2_ivlan_mask: le16 = 0
    src_type: u8 = 0
    unused_3: u8 = 0
    src_id: le32 = 0
    tunnel_type: u8 = 0
    unused_4: u8 = 0
    dst_id: le16 = 0
    mirror_vnic_id: le16 = 0
    pri_hint: u8 = 0
    unused_5: u8 = 0
    unused_6: le32 = 0
    l2_filter_id_hint: le64 = 0


@layout(size=24, c_name="hwrm_cfa_l2_filter_alloc_output")
class HwrmCfaL2FilterAllocOutput(HwrmOutput):
    l2_filter_id: le64 = 0
    flow_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_cfa_l2_filter_free_input")
class HwrmCfaL2FilterFreeInput(HwrmInput):
    l2_filter_id: le64 = 0


@layout(size=16, c_name="hwrm_cfa_l2_filter_free_output")
class HwrmCfaL2FilterFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=56, c_name="hwrm_cfa_l2_set_rx_mask_input")
class HwrmCfaL2SetRxMaskInput(HwrmInput):
    vnic_id: le32 = 0
    mask: le32 = 0
    mc_tbl_addr: le64 = 0
    num_mc_entries: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""
    vlan_tag_tbl_addr: le64 = 0
    num_vlan_tags: le32 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_cfa_l2_set_rx_mask_output")
class HwrmCfaL2SetRxMaskOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=128, c_name="hwrm_cfa_ntuple_filter_alloc_input")
class HwrmCfaNtupleFilterAllocInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    l2_filter_id: le64 = 0
    src_macaddr: Annotated[bytes, "6s"] = b""
    ethertype: be16 = 0
    ip_addr_type: u8 = 0
    ip_protocol: u8 = 0
    dst_id: le16 = 0
    rfs_ring_tbl_idx: le16 = 0
    tunnel_type: u8 = 0
    pri_hint: u8 = 0
    src_ipaddr: Annotated[bytes, "16s"] = b""
    src_ipaddr_mask: Annotated[bytes, "16s"] = b""
    dst_ipaddr: Annotated[bytes, "16s"] = b""
    dst_ipaddr_mask: Annotated[bytes, "16s"] = b""
    src_port: be16 = 0
    src_port_mask: be16 = 0
    dst_port: be16 = 0
    dst_port_mask: be16 = 0
    ntuple_filter_id_hint: le64 = 0


@layout(size=24, c_name="hwrm_cfa_ntuple_filter_alloc_output")
class HwrmCfaNtupleFilterAllocOutput(HwrmOutput):
    ntuple_filter_id: le64 = 0
    flow_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_cfa_ntuple_filter_free_input")
class HwrmCfaNtupleFilterFreeInput(HwrmInput):
    ntuple_filter_id: le64 = 0


@layout(size=16, c_name="hwrm_cfa_ntuple_filter_free_output")
class HwrmCfaNtupleFilterFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_cfa_adv_flow_mgnt_qcaps_input")
class HwrmCfaAdvFlowMgntQcapsInput(HwrmInput):
    unused_0: Annotated[tuple[int, ...], "4I"] = (0,) * 4


@layout(size=16, c_name="hwrm_cfa_adv_flow_mgnt_qcaps_output")
class HwrmCfaAdvFlowMgntQcapsOutput(HwrmOutput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_tunnel_dst_port_alloc_input")
class HwrmTunnelDstPortAllocInput(HwrmInput):
    tunnel_type: u8 = 0
    tunnel_next_proto: u8 = 0
    tunnel_dst_port_val: be16 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_tunnel_dst_port_alloc_output")
class HwrmTunnelDstPortAllocOutput(HwrmOutput):
    tunnel_dst_port_id: le16 = 0
    error_info: u8 = 0
    upar_in_use: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_tunnel_dst_port_free_input")
class HwrmTunnelDstPortFreeInput(HwrmInput):
    tunnel_type: u8 = 0
    tunnel_next_proto: u8 = 0
    tunnel_dst_port_id: le16 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_tunnel_dst_port_free_output")
class HwrmTunnelDstPortFreeOutput(HwrmOutput):
    error_info: u8 = 0
    unused_1: Annotated[bytes, "6s"] = b""
    valid: u8 = 1
