# SPDX-License-Identifier: GPL-2.0-only
"""Rules of tc flower. One port of one function has nowhere to send a packet, so rules only drop.

Whether the firmware of a real card takes rules is not known; bnxt_en offers tc flower for any
firmware whose interface is 1.8.3 or later.
"""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.flow_rules import DecapFilter, FlowRule
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.flow import (
    FLOW_CTXT_DB,
    STATS_RULES,
    TUNNEL_VXLAN,
    DecapEnables,
    FlowActions,
    FlowFlags,
    HwrmCfaDecapFilterAllocInput,
    HwrmCfaDecapFilterAllocOutput,
    HwrmCfaDecapFilterFreeInput,
    HwrmCfaDecapFilterFreeOutput,
    HwrmCfaEncapRecordAllocInput,
    HwrmCfaEncapRecordAllocOutput,
    HwrmCfaEncapRecordFreeInput,
    HwrmCfaEncapRecordFreeOutput,
    HwrmCfaFlowAllocInput,
    HwrmCfaFlowAllocOutput,
    HwrmCfaFlowFreeInput,
    HwrmCfaFlowFreeOutput,
    HwrmCfaFlowStatsInput,
    HwrmCfaFlowStatsOutput,
)
from devmodel.bnxt.hsi.header import Err

COMMANDS = CommandTable()
_VLAN_ID_MASK = 0xFFF
_IPV4_BYTES = 4
_MOST_BITS = {0: 128, 4: 32, 6: 128}
_PACKET_MASK = (1 << 28) - 1
_BYTE_MASK = (1 << 36) - 1
"""How wide the counters are (bnxt_init_tc)."""


def _rule(fw: Firmware, handle: int) -> FlowRule:
    rule = fw.resources.flow_rules.rules.get(handle)
    if rule is None:
        raise fw.refuse("hwrm_unknown_id", kind="flow", id=handle)
    return rule


@COMMANDS.handles(Cmd.CFA_FLOW_ALLOC, HwrmCfaFlowAllocInput)
def flow_alloc(fw: Firmware, req: HwrmCfaFlowAllocInput) -> HwrmCfaFlowAllocOutput:
    """Drop received packets that match. Any other action is not supported."""
    if req.flags & FlowFlags.PATH_TX or req.src_fid != fw.identity.fid:
        raise fw.refuse("hwrm_flow", flags=req.flags, src_fid=req.src_fid)
    if req.action_flags & ~FlowActions.TUNNEL != FlowActions.DROP:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)
    decap = req.tunnel_handle if req.flags & FlowFlags.TUNNEL else None
    if decap is not None and decap not in fw.resources.flow_rules.decaps:
        raise fw.refuse("hwrm_unknown_id", kind="decap filter", id=decap)
    ip_version = 4 if req.flags & FlowFlags.IPV4 else 6 if req.flags & FlowFlags.IPV6 else 0
    if max(req.ip_dst_mask_len, req.ip_src_mask_len) > _MOST_BITS[ip_version]:
        raise fw.refuse("hwrm_flow", dst=req.ip_dst_mask_len, src=req.ip_src_mask_len)
    has_tag = req.flags & (FlowFlags.NUM_VLAN_ONE | FlowFlags.NUM_VLAN_TWO)
    handle = fw.resources.flow_rules.add(
        FlowRule(
            decap=decap,
            ethertype=req.ethertype,
            dmac=req.dmac if any(req.dmac) else None,
            smac=req.smac if any(req.smac) else None,
            vlan=req.outer_vlan_tci & _VLAN_ID_MASK if has_tag else None,
            ip_version=ip_version,
            protocol=req.ip_proto,
            dst=(req.ip_dst, req.ip_dst_mask_len),
            src=(req.ip_src, req.ip_src_mask_len),
            sport=(req.l4_src_port, req.l4_src_port_mask),
            dport=(req.l4_dst_port, req.l4_dst_port_mask),
        )
    )
    if handle is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR, FLOW_CTXT_DB)
    fw.resources.steering_changed()
    return HwrmCfaFlowAllocOutput(flow_handle=handle)


@COMMANDS.handles(Cmd.CFA_FLOW_FREE, HwrmCfaFlowFreeInput)
def flow_free(fw: Firmware, req: HwrmCfaFlowFreeInput) -> HwrmCfaFlowFreeOutput:
    """The rule is gone; the answer has its counters."""
    rule = _rule(fw, req.flow_handle)
    del fw.resources.flow_rules.rules[req.flow_handle]
    return HwrmCfaFlowFreeOutput(packet=rule.packets & _PACKET_MASK, byte=rule.bytes_ & _BYTE_MASK)


@COMMANDS.handles(Cmd.CFA_FLOW_STATS, HwrmCfaFlowStatsInput)
def flow_stats(fw: Firmware, req: HwrmCfaFlowStatsInput) -> HwrmCfaFlowStatsOutput:
    """What rules have dropped, as wide as the counters are."""
    if req.num_flows > STATS_RULES:
        raise fw.refuse("hwrm_flow", num_flows=req.num_flows)
    answer = HwrmCfaFlowStatsOutput()
    for place in range(req.num_flows):
        rule = _rule(fw, getattr(req, f"flow_handle_{place}"))
        setattr(answer, f"packet_{place}", rule.packets & _PACKET_MASK)
        setattr(answer, f"byte_{place}", rule.bytes_ & _BYTE_MASK)
    return answer


@COMMANDS.handles(Cmd.CFA_DECAP_FILTER_ALLOC, HwrmCfaDecapFilterAllocInput)
def decap_filter_alloc(
    fw: Firmware, req: HwrmCfaDecapFilterAllocInput
) -> HwrmCfaDecapFilterAllocOutput:
    """The outside of a VXLAN tunnel over IPv4, for rules about what it carries."""
    if not req.enables & DecapEnables.TUNNEL_TYPE or req.tunnel_type != TUNNEL_VXLAN:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)

    def of(enable: DecapEnables, value: int) -> int | None:
        return value if req.enables & enable else None

    def bytes_of(enable: DecapEnables, value: bytes) -> bytes | None:
        return value if req.enables & enable else None

    number = fw.resources.flow_rules.add_decap(
        DecapFilter(
            vni=of(DecapEnables.TUNNEL_ID, req.tunnel_id),
            dmac=bytes_of(DecapEnables.DST_MACADDR, req.dst_macaddr),
            vlan=of(DecapEnables.T_IVLAN_VID, req.t_ivlan_vid & _VLAN_ID_MASK),
            src=bytes_of(DecapEnables.SRC_IPADDR, req.src_ipaddr[:_IPV4_BYTES]),
            dst=bytes_of(DecapEnables.DST_IPADDR, req.dst_ipaddr[:_IPV4_BYTES]),
            dport=of(DecapEnables.DST_PORT, req.dst_port),
        )
    )
    if number is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    return HwrmCfaDecapFilterAllocOutput(decap_filter_id=number)


@COMMANDS.handles(Cmd.CFA_DECAP_FILTER_FREE, HwrmCfaDecapFilterFreeInput)
def decap_filter_free(
    fw: Firmware, req: HwrmCfaDecapFilterFreeInput
) -> HwrmCfaDecapFilterFreeOutput:
    """The filter is gone; a rule must not name it any more."""
    table = fw.resources.flow_rules
    number = req.decap_filter_id
    if number not in table.decaps:
        raise fw.refuse("hwrm_unknown_id", kind="decap filter", id=number)
    if any(rule.decap == number for rule in table.rules.values()):
        raise fw.refuse("hwrm_decap_in_use", id=number)
    del table.decaps[number]
    return HwrmCfaDecapFilterFreeOutput()


@COMMANDS.handles(Cmd.CFA_ENCAP_RECORD_ALLOC, HwrmCfaEncapRecordAllocInput)
def encap_record_alloc(
    fw: Firmware, req: HwrmCfaEncapRecordAllocInput
) -> HwrmCfaEncapRecordAllocOutput:
    """The record is kept; no rule uses it, since none sends a packet on."""
    number = fw.resources.flow_rules.add_encap(req.encap_type, req.encap_data)
    if number is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    return HwrmCfaEncapRecordAllocOutput(encap_record_id=number)


@COMMANDS.handles(Cmd.CFA_ENCAP_RECORD_FREE, HwrmCfaEncapRecordFreeInput)
def encap_record_free(
    fw: Firmware, req: HwrmCfaEncapRecordFreeInput
) -> HwrmCfaEncapRecordFreeOutput:
    """The record is gone."""
    if fw.resources.flow_rules.encaps.pop(req.encap_record_id, None) is None:
        raise fw.refuse("hwrm_unknown_id", kind="encap record", id=req.encap_record_id)
    return HwrmCfaEncapRecordFreeOutput()
