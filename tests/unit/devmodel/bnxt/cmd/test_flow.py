# SPDX-License-Identifier: GPL-2.0-only
"""Commands of tc flower: rules, their counters, tunnels."""

from __future__ import annotations

from typing import Any

import pytest

from devmodel.bnxt.flow_rules import MAX_RULES, MAX_TUNNELS
from devmodel.bnxt.hsi.flow import (
    FLOW_CTXT_DB,
    DecapEnables,
    FlowActions,
    FlowFlags,
    HwrmCfaDecapFilterAllocInput,
    HwrmCfaDecapFilterFreeInput,
    HwrmCfaEncapRecordAllocInput,
    HwrmCfaEncapRecordFreeInput,
    HwrmCfaFlowAllocInput,
    HwrmCfaFlowFreeInput,
    HwrmCfaFlowStatsInput,
)
from devmodel.bnxt.hsi.func import HwrmFuncResetInput
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue
from tests.unit.devmodel.frames import tcp

IPV4 = 0x0800
OUTSIDE = (
    DecapEnables.TUNNEL_TYPE | DecapEnables.TUNNEL_ID | DecapEnables.SRC_IPADDR
    | DecapEnables.DST_PORT | DecapEnables.DST_MACADDR | DecapEnables.T_IVLAN_VID
)  # fmt: skip


def drop(**fields: Any) -> HwrmCfaFlowAllocInput:
    """A rule that drops IPv4, but for what is named."""
    usual = {"src_fid": 1, "action_flags": FlowActions.DROP, "ethertype": IPV4}
    return HwrmCfaFlowAllocInput(**{**usual, **fields})


def decap(**fields: Any) -> HwrmCfaDecapFilterAllocInput:
    return HwrmCfaDecapFilterAllocInput(**{"enables": OUTSIDE, "tunnel_type": 1, **fields})


def rules_of(host: CardHost) -> Any:
    return host.card.resources.flow_rules


def test_counters_are_told_while_a_rule_lives_and_when_it_goes(
    host: CardHost, queue: OpenQueue, vnic_id: int
) -> None:
    host.card.resources.vnics[vnic_id].rx_mask = 0x10
    host.card.receive([tcp(20)])  # a flow that is known
    handle = host.call(drop(ip_proto=6)).flow_handle
    host.card.receive([tcp(20), tcp(20)])
    other = host.call(drop(ip_proto=17)).flow_handle
    asked = HwrmCfaFlowStatsInput(num_flows=2, flow_handle_0=other, flow_handle_1=handle)
    told = host.call(asked)
    assert (told.packet_0, told.packet_1, told.byte_1) == (0, 2, 2 * len(tcp(20)))
    gone = host.call(HwrmCfaFlowFreeInput(flow_handle=handle))
    assert (gone.packet, gone.byte) == (2, 2 * len(tcp(20)))
    assert host.error(HwrmCfaFlowStatsInput(num_flows=1, flow_handle_0=handle))
    assert host.rules == {"hwrm_unknown_id"}


def test_counters_are_as_wide_as_the_chips(host: CardHost) -> None:
    handle = host.call(drop()).flow_handle
    rules_of(host).rules[handle].packets = (1 << 28) + 1
    rules_of(host).rules[handle].bytes_ = (1 << 36) + 2
    told = host.call(HwrmCfaFlowStatsInput(num_flows=1, flow_handle_0=handle))
    assert (told.packet_0, told.byte_0) == (1, 2)


def test_a_rule_is_read_as_the_driver_writes_it(host: CardHost) -> None:
    flags = FlowFlags.NUM_VLAN_ONE | FlowFlags.IPV4
    address = bytes((10, 0, 0, 1)) + bytes(12)
    request = drop(
        flags=flags, outer_vlan_tci=0x2005, dmac=b"\2" * 6, ip_proto=17, ip_src=address,
        ip_src_mask_len=24, l4_dst_port=9, l4_dst_port_mask=0xFFFF,
    )  # fmt: skip
    rule = rules_of(host).rules[host.call(request).flow_handle]
    assert (rule.vlan, rule.dmac, rule.smac, rule.ip_version) == (5, b"\2" * 6, None, 4)
    assert (rule.src, rule.dport, rule.protocol) == ((address, 24), (9, 0xFFFF), 17)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"src_fid": 2}, Err.INVALID_PARAMS),
        ({"flags": FlowFlags.PATH_TX}, Err.INVALID_PARAMS),
        ({"flags": FlowFlags.IPV4, "ip_dst_mask_len": 33}, Err.INVALID_PARAMS),
        ({"flags": FlowFlags.TUNNEL, "tunnel_handle": 7}, Err.INVALID_PARAMS),
        ({"action_flags": FlowActions.DROP | 1}, Err.CMD_NOT_SUPPORTED),
        ({"action_flags": 0}, Err.CMD_NOT_SUPPORTED),
    ],
)
def test_rules_there_are_none_of(host: CardHost, fields: dict[str, Any], error: Err) -> None:
    assert host.error(drop(**fields)) == error
    assert bool(host.rules) == (error is Err.INVALID_PARAMS)
    assert not rules_of(host).rules


def test_so_many_can_be_asked_for_at_once(host: CardHost) -> None:
    assert host.error(HwrmCfaFlowStatsInput(num_flows=11)) == Err.INVALID_PARAMS
    assert host.error(HwrmCfaFlowFreeInput(flow_handle=0x8000)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_flow", "hwrm_unknown_id"}


def test_rules_run_out_and_a_reset_drops_all(host: CardHost) -> None:
    for _ in range(MAX_RULES):
        host.call(drop())
    refused = HwrmErrOutput.unpack(host.submit(drop()))
    assert (refused.error_code, refused.cmd_err) == (Err.RESOURCE_ALLOC_ERROR, FLOW_CTXT_DB)
    host.call(HwrmFuncResetInput())
    assert not rules_of(host).rules


def test_a_tunnel_is_there_as_long_as_a_rule_names_it(host: CardHost) -> None:
    outside = decap(tunnel_id=42, src_ipaddr=bytes((10, 0, 0, 1)), dst_port=4789, t_ivlan_vid=3)
    number = host.call(outside).decap_filter_id
    kept = rules_of(host).decaps[number]
    assert (kept.vni, kept.src, kept.dst, kept.dport) == (42, bytes((10, 0, 0, 1)), None, 4789)
    assert (kept.dmac, kept.vlan) == (bytes(6), 3)
    actions = FlowActions.DROP | FlowActions.TUNNEL
    named = drop(flags=FlowFlags.TUNNEL, tunnel_handle=number, action_flags=actions)
    handle = host.call(named).flow_handle
    free = HwrmCfaDecapFilterFreeInput(decap_filter_id=number)
    assert host.error(free) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_decap_in_use"}
    host.call(HwrmCfaFlowFreeInput(flow_handle=handle))
    host.call(free)
    assert host.error(free) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_decap_in_use", "hwrm_unknown_id"}


@pytest.mark.parametrize("fields", [{"tunnel_type": 5}, {"enables": 0}])
def test_only_vxlan_is_looked_into(host: CardHost, fields: dict[str, int]) -> None:
    assert host.error(decap(**fields)) == Err.CMD_NOT_SUPPORTED


def test_encap_records_come_and_go(host: CardHost) -> None:
    record = HwrmCfaEncapRecordAllocInput(encap_type=1, encap_data=b"\5" * 80)
    number = host.call(record).encap_record_id
    assert rules_of(host).encaps == {number: (1, b"\5" * 80)}
    host.call(HwrmCfaEncapRecordFreeInput(encap_record_id=number))
    assert not rules_of(host).encaps
    assert host.error(HwrmCfaEncapRecordFreeInput(encap_record_id=number)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_unknown_id"}


def test_tunnels_run_out(host: CardHost) -> None:
    for _ in range(MAX_TUNNELS):
        host.call(decap())
        host.call(HwrmCfaEncapRecordAllocInput(encap_type=1))
    assert host.error(decap()) == Err.RESOURCE_ALLOC_ERROR
    assert host.error(HwrmCfaEncapRecordAllocInput()) == Err.RESOURCE_ALLOC_ERROR
