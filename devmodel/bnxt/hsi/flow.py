# SPDX-License-Identifier: GPL-2.0-only
"""Rules of tc flower (hwrm_cfa_flow_*), and the tunnels that they name (decap, encap)."""

from __future__ import annotations

import enum
from typing import Annotated, Final

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import be16, be32, layout, le16, le32, le64, u8

STATS_RULES: Final = 10
"""How many one CFA_FLOW_STATS can ask for."""
FLOW_CTXT_DB: Final = 7
"""CFA_FLOW_ALLOC_CMD_ERR_CODE_FLOW_CTXT_DB: there is no room."""
TUNNEL_VXLAN: Final = 1
"""CFA_DECAP_FILTER_ALLOC_REQ_TUNNEL_TYPE_VXLAN."""


class FlowFlags(enum.IntFlag):
    """CFA_FLOW_ALLOC_REQ_FLAGS_*."""

    TUNNEL = 0x1
    NUM_VLAN_ONE = 0x2
    NUM_VLAN_TWO = 0x4
    IPV4 = 0x8
    IPV6 = 0x10
    PATH_TX = 0x40


class FlowActions(enum.IntFlag):
    """CFA_FLOW_ALLOC_REQ_ACTION_FLAGS_*."""

    DROP = 0x4
    TUNNEL = 0x10


class DecapEnables(enum.IntFlag):
    """CFA_DECAP_FILTER_ALLOC_REQ_ENABLES_*."""

    TUNNEL_TYPE = 0x1
    TUNNEL_ID = 0x2
    DST_MACADDR = 0x8
    T_IVLAN_VID = 0x80
    ETHERTYPE = 0x100
    SRC_IPADDR = 0x200
    DST_IPADDR = 0x400
    IPADDR_TYPE = 0x800
    IP_PROTOCOL = 0x1000
    DST_PORT = 0x4000


@layout(size=128, c_name="hwrm_cfa_flow_alloc_input")
class HwrmCfaFlowAllocInput(HwrmInput):
    flags: le16 = 0
    src_fid: le16 = 0
    tunnel_handle: le32 = 0
    action_flags: le16 = 0
    dst_fid: le16 = 0
    l2_rewrite_vlan_tpid: be16 = 0
    l2_rewrite_vlan_tci: be16 = 0
    act_meter_id: le16 = 0
    ref_flow_handle: le16 = 0
    ethertype: be16 = 0
    outer_vlan_tci: be16 = 0
    dmac: Annotated[bytes, "6s"] = b""
    inner_vlan_tci: be16 = 0
    smac: Annotated[bytes, "6s"] = b""
    ip_dst_mask_len: u8 = 0
    ip_src_mask_len: u8 = 0
    ip_dst: Annotated[bytes, "16s"] = b""
    ip_src: Annotated[bytes, "16s"] = b""
    l4_src_port: be16 = 0
    l4_src_port_mask: be16 = 0
    l4_dst_port: be16 = 0
    l4_dst_port_mask: be16 = 0
    nat_ip_address: Annotated[bytes, "16s"] = b""
    l2_rewrite_dmac: Annotated[bytes, "6s"] = b""
    nat_port: be16 = 0
    l2_rewrite_smac: Annotated[bytes, "6s"] = b""
    ip_proto: u8 = 0
    tunnel_type: u8 = 0


@layout(size=32, c_name="hwrm_cfa_flow_alloc_output")
class HwrmCfaFlowAllocOutput(HwrmOutput):
    flow_handle: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    flow_id: le32 = 0
    ext_flow_handle: le64 = 0
    flow_counter_id: le32 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_cfa_flow_free_input")
class HwrmCfaFlowFreeInput(HwrmInput):
    flow_handle: le16 = 0
    unused_0: le16 = 0
    flow_counter_id: le32 = 0
    ext_flow_handle: le64 = 0


@layout(size=32, c_name="hwrm_cfa_flow_free_output")
class HwrmCfaFlowFreeOutput(HwrmOutput):
    packet: le64 = 0
    byte: le64 = 0
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=80, c_name="hwrm_cfa_flow_stats_input")
class HwrmCfaFlowStatsInput(HwrmInput):
    num_flows: le16 = 0
    flow_handle_0: le16 = 0
    flow_handle_1: le16 = 0
    flow_handle_2: le16 = 0
    flow_handle_3: le16 = 0
    flow_handle_4: le16 = 0
    flow_handle_5: le16 = 0
    flow_handle_6: le16 = 0
    flow_handle_7: le16 = 0
    flow_handle_8: le16 = 0
    flow_handle_9: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    flow_id_0: le32 = 0
    flow_id_1: le32 = 0
    flow_id_2: le32 = 0
    flow_id_3: le32 = 0
    flow_id_4: le32 = 0
    flow_id_5: le32 = 0
    flow_id_6: le32 = 0
    flow_id_7: le32 = 0
    flow_id_8: le32 = 0
    flow_id_9: le32 = 0


@layout(size=176, c_name="hwrm_cfa_flow_stats_output")
class HwrmCfaFlowStatsOutput(HwrmOutput):
    packet_0: le64 = 0
    packet_1: le64 = 0
    packet_2: le64 = 0
    packet_3: le64 = 0
    packet_4: le64 = 0
    packet_5: le64 = 0
    packet_6: le64 = 0
    packet_7: le64 = 0
    packet_8: le64 = 0
    packet_9: le64 = 0
    byte_0: le64 = 0
    byte_1: le64 = 0
    byte_2: le64 = 0
    byte_3: le64 = 0
    byte_4: le64 = 0
    byte_5: le64 = 0
    byte_6: le64 = 0
    byte_7: le64 = 0
    byte_8: le64 = 0
    byte_9: le64 = 0
    flow_hits: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=104, c_name="hwrm_cfa_decap_filter_alloc_input")
class HwrmCfaDecapFilterAllocInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    tunnel_id: be32 = 0
    tunnel_type: u8 = 0
    unused_0: u8 = 0
    unused_1: le16 = 0
    src_macaddr: Annotated[bytes, "6s"] = b""
    unused_2: Annotated[bytes, "2s"] = b""
    dst_macaddr: Annotated[bytes, "6s"] = b""
    ovlan_vid: be16 = 0
    ivlan_vid: be16 = 0
    t_ovlan_vid: be16 = 0
    t_ivlan_vid: be16 = 0
    ethertype: be16 = 0
    ip_addr_type: u8 = 0
    ip_protocol: u8 = 0
    unused_3: le16 = 0
    unused_4: le32 = 0
    src_ipaddr: Annotated[bytes, "16s"] = b""
    dst_ipaddr: Annotated[bytes, "16s"] = b""
    src_port: be16 = 0
    dst_port: be16 = 0
    dst_id: le16 = 0
    l2_ctxt_ref_id: le16 = 0


@layout(size=16, c_name="hwrm_cfa_decap_filter_alloc_output")
class HwrmCfaDecapFilterAllocOutput(HwrmOutput):
    decap_filter_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_cfa_decap_filter_free_input")
class HwrmCfaDecapFilterFreeInput(HwrmInput):
    decap_filter_id: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_cfa_decap_filter_free_output")
class HwrmCfaDecapFilterFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=104, c_name="hwrm_cfa_encap_record_alloc_input")
class HwrmCfaEncapRecordAllocInput(HwrmInput):
    flags: le32 = 0
    encap_type: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    encap_data: Annotated[bytes, "80s"] = b""


@layout(size=16, c_name="hwrm_cfa_encap_record_alloc_output")
class HwrmCfaEncapRecordAllocOutput(HwrmOutput):
    encap_record_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_cfa_encap_record_free_input")
class HwrmCfaEncapRecordFreeInput(HwrmInput):
    encap_record_id: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_cfa_encap_record_free_output")
class HwrmCfaEncapRecordFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
