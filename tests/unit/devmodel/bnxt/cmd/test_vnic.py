# SPDX-License-Identifier: GPL-2.0-only
"""VNICs, filters and the barriers, through a whole card."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from devmodel.bnxt.hsi.cfa import (
    HwrmCfaL2FilterAllocInput,
    HwrmCfaL2FilterFreeInput,
    HwrmCfaL2SetRxMaskInput,
    HwrmCfaNtupleFilterAllocInput,
    HwrmCfaNtupleFilterFreeInput,
    HwrmTunnelDstPortAllocInput,
    HwrmTunnelDstPortFreeInput,
    L2FilterEnables,
    NtupleEnables,
    RxMask,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hsi.vnic import (
    HwrmVnicFreeInput,
    HwrmVnicRssCfgInput,
    HwrmVnicRssCosLbCtxAllocInput,
    HwrmVnicRssQcfgInput,
    HwrmVnicTpaCfgInput,
    RssCfgFlags,
    RssHashType,
    TpaCfgEnables,
    TpaFlags,
)
from devmodel.bnxt.resources import TpaConfig
from tests.unit.devmodel.bnxt.cardhost import UNMAPPED, CardHost, OpenQueue
from tests.unit.devmodel.frames import MAC


# -- barriers -----------------------------------------------------------------------------------
class Watch:
    """Stands in for the receive path and notes what the card looked like at each barrier."""

    link_up = True

    def __init__(self, host: CardHost) -> None:
        self.host = host
        self.calls: list[tuple[str, int]] = []

    def flush_ring(self, ring: object) -> None:
        assert not getattr(ring, "freed")  # noqa: B009 - any kind of ring
        self.answered()
        self.calls.append(("ring", getattr(ring, "id")))  # noqa: B009

    def flush_cmpl(self, cq: object) -> None:
        assert not getattr(cq, "freed")  # noqa: B009 - as above
        self.answered()
        self.calls.append(("cq", getattr(cq, "id")))  # noqa: B009

    def flush_vnic(self, vnic: object) -> None:
        self.answered()
        self.calls.append(("vnic", getattr(vnic, "mru")))  # noqa: B009

    def answered(self) -> None:
        """The response must not be there yet."""
        assert self.host.peek(self.host.response_at, 8) == bytes(8)


def test_barriers_come_before_the_answer(host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
    watch = Watch(host)
    host.card.firmware.receive = watch  # type: ignore[assignment]
    host.set_mru(vnic_id, 0)
    host.free_ring(RingType.RX, queue.rx)
    host.free_ring(RingType.RX_AGG, queue.agg)
    host.call(HwrmVnicFreeInput(vnic_id=vnic_id))
    assert watch.calls == [("vnic", 0), ("ring", queue.rx), ("ring", queue.agg), ("vnic", 0)]


def test_mru_comes_back(host: CardHost, vnic_id: int) -> None:
    generation = host.card.resources.steering_generation
    for mru in (0, 1518):
        host.set_mru(vnic_id, mru)
        assert host.card.resources.vnics[vnic_id].mru == mru
    assert host.card.resources.steering_generation > generation


# -- VNICs --------------------------------------------------------------------------------------
def rss_cfg(
    host: CardHost, vnic_id: int, pairs: list[tuple[int, int]], *, part: int = 0, **more: Any
) -> int:
    ctx = host.call(HwrmVnicRssCosLbCtxAllocInput()).rss_cos_lb_ctx_id
    table, key = host.rss_table(pairs), host.allocate(40)
    host.poke(key, bytes(range(40)))
    host.call(
        HwrmVnicRssCfgInput(
            vnic_id=vnic_id,
            rss_ctx_idx=ctx,
            ring_table_pair_index=part,
            ring_grp_tbl_addr=table,
            hash_key_tbl_addr=key,
            **more,
        )
    )
    host.poke(table, bytes(256))
    return ctx


def test_rss_table_is_a_snapshot(host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
    rss_cfg(host, vnic_id, [(queue.rx, queue.rx_cq)], hash_type=3)
    rss_cfg(host, vnic_id, [(queue.rx, queue.rx_cq)], part=1, hash_type=3)
    vnic = host.card.resources.vnics[vnic_id]
    assert vnic.rss_tables == [(queue.rx, queue.rx_cq)] * 128
    assert vnic.hash_key == bytes(range(40))
    assert vnic.hash_type == 3 | RssHashType.UDP_IPV4
    assert not host.rules


def test_rss_off(host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
    rss_cfg(host, vnic_id, [(queue.rx, queue.rx_cq)], hash_type=3)
    host.call(HwrmVnicRssCfgInput(vnic_id=vnic_id))
    assert host.card.resources.vnics[vnic_id].rss_tables == []


def test_hash_types_are_changed_and_outlive_the_vnic(host: CardHost, queue: OpenQueue) -> None:
    udp = RssHashType.UDP_IPV4 | RssHashType.UDP_IPV6
    first = host.vnic_of(queue)
    pairs = [(queue.rx, queue.rx_cq)]
    ctx = rss_cfg(host, first, pairs, hash_type=udp, flags=RssCfgFlags.HASH_TYPE_EXCLUDE)
    out = host.call(HwrmVnicRssQcfgInput(vnic_id=first, rss_ctx_idx=ctx))
    assert out.hash_type == 0x3F & ~udp & ~RssHashType.TCP_IPV4
    assert struct.pack("<10I", *out.hash_key) == bytes(range(40))
    host.call(HwrmVnicFreeInput(vnic_id=first))
    second = host.vnic_of(queue)
    tcp4 = RssHashType.TCP_IPV4
    rss_cfg(host, second, pairs, hash_type=tcp4, flags=RssCfgFlags.HASH_TYPE_EXCLUDE)
    assert host.card.resources.vnics[second].hash_type == 0x3F & ~udp & ~tcp4


def test_rss_table_with_unknown_rings_is_taken_and_recorded(
    host: CardHost, queue: OpenQueue, vnic_id: int
) -> None:
    rss_cfg(host, vnic_id, [(999, queue.rx_cq)])
    assert host.rules == {"vnic_names_unknown_ring"}
    assert host.card.resources.vnics[vnic_id].rss_tables[0] == (999, queue.rx_cq)


def test_rss_table_outside_memory(host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
    ctx = rss_cfg(host, vnic_id, [(queue.rx, queue.rx_cq)])
    request = HwrmVnicRssCfgInput(vnic_id=vnic_id, rss_ctx_idx=ctx, ring_grp_tbl_addr=UNMAPPED)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_indirect_read"}
    assert len(host.card.resources.vnics[vnic_id].rss_tables) == 64


# -- filters ------------------------------------------------------------------------------------
def l2_filter(host: CardHost, vnic_id: int) -> int:
    return host.call(
        HwrmCfaL2FilterAllocInput(
            flags=9,
            enables=L2FilterEnables.L2_ADDR | L2FilterEnables.L2_ADDR_MASK | L2FilterEnables.DST_ID,
            l2_addr=MAC,
            l2_addr_mask=b"\xff" * 6,
            dst_id=vnic_id,
        )
    ).l2_filter_id


def ntuple_request(l2_filter_id: int, vnic_id: int) -> HwrmCfaNtupleFilterAllocInput:
    return HwrmCfaNtupleFilterAllocInput(
        enables=0x93FF3, l2_filter_id=l2_filter_id, ethertype=0x0800, ip_addr_type=4, ip_protocol=6,
        src_ipaddr=bytes([10, 0, 0, 2]), src_ipaddr_mask=b"\xff\xff\xff\xff", dst_port=5000,
        dst_port_mask=0xFFFF, dst_id=vnic_id, rfs_ring_tbl_idx=3,
    )  # fmt: skip


def test_ntuple_filter_fields(host: CardHost, vnic_id: int) -> None:
    request = ntuple_request(l2_filter(host, vnic_id), vnic_id)
    filter_id = host.call(request).ntuple_filter_id
    made = host.card.resources.ntuple_filters[filter_id]
    assert (made.ethertype, made.ip_addr_type, made.ip_protocol) == (0x0800, 4, 6)
    assert (made.src_ip, made.src_ip_mask) == (bytes([10, 0, 0, 2]), b"\xff" * 4)
    assert made.dst_ip_mask == bytes(4)
    assert (made.dst_port, made.dst_port_mask, made.src_port_mask) == (5000, 0xFFFF, 0)
    assert (made.dst_vnic, made.rfs_ring_tbl_idx, made.drop) == (vnic_id, 3, False)


def test_ntuple_filter_without_queue_or_protocol(host: CardHost, vnic_id: int) -> None:
    request = ntuple_request(l2_filter(host, vnic_id), vnic_id)
    request.enables &= ~NtupleEnables.RFS_RING_TBL_IDX
    request.ip_protocol = 0xFF
    filter_id = host.call(request).ntuple_filter_id
    made = host.card.resources.ntuple_filters[filter_id]
    assert (made.rfs_ring_tbl_idx, made.ip_protocol) == (None, None)


def test_l2_filter_takes_its_ntuple_filters_along(host: CardHost, vnic_id: int) -> None:
    first, second = l2_filter(host, vnic_id), l2_filter(host, vnic_id)
    for l2 in (first, first, second):
        host.call(ntuple_request(l2, vnic_id))
    host.call(HwrmCfaL2FilterFreeInput(l2_filter_id=first))
    left = host.card.resources.ntuple_filters
    assert [f.l2_filter_id for f in left.values()] == [second]
    request = HwrmCfaNtupleFilterFreeInput(ntuple_filter_id=0x1_0000)
    assert host.error(request) == Err.INVALID_PARAMS


def test_filters_run_out(host: CardHost, vnic_id: int) -> None:
    for _ in range(host.card.resources.limits.l2_filters):
        l2_filter(host, vnic_id)
    request = HwrmCfaL2FilterAllocInput(
        flags=1, enables=L2FilterEnables.L2_ADDR, l2_addr=MAC, dst_id=vnic_id
    )
    assert host.error(request) == Err.RESOURCE_ALLOC_ERROR
    assert not host.rules


def test_rx_mask_and_multicast(host: CardHost, vnic_id: int) -> None:
    table = host.allocate(96)
    host.poke(table, bytes.fromhex("01005e000001 333300000001".replace(" ", "")))
    request = HwrmCfaL2SetRxMaskInput(
        vnic_id=vnic_id, mask=RxMask.MCAST | RxMask.BCAST, mc_tbl_addr=table, num_mc_entries=2
    )
    host.call(request)
    vnic = host.card.resources.vnics[vnic_id]
    assert vnic.multicast == {bytes.fromhex("01005e000001"), bytes.fromhex("333300000001")}
    request.num_mc_entries = 17
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"rx_mask_entries"}


def test_tunnel_ports(host: CardHost) -> None:
    request = HwrmTunnelDstPortAllocInput(tunnel_type=1, tunnel_dst_port_val=4789)
    out = host.call(request)
    assert host.card.resources.tunnel_ports == {1: 4789}
    assert host.error(request) == Err.RESOURCE_ALLOC_ERROR
    host.call(HwrmTunnelDstPortFreeInput(tunnel_type=1, tunnel_dst_port_id=out.tunnel_dst_port_id))
    assert not host.card.resources.tunnel_ports


@pytest.mark.parametrize(
    ("flags", "asked", "before", "after"),
    [
        (0, RssHashType.TCP_IPV4, 0, RssHashType.TCP_IPV4 | RssHashType.UDP_IPV4),
        (0, RssHashType.UDP_IPV4, 0, RssHashType.UDP_IPV4),
        (0, RssHashType.TCP_IPV6, 0, RssHashType.TCP_IPV6),
        (RssCfgFlags.HASH_TYPE_INCLUDE, RssHashType.TCP_IPV4, 1, 1 | 2 | 4),
        (RssCfgFlags.HASH_TYPE_EXCLUDE, RssHashType.UDP_IPV4, 1 | 2 | 4, 1),
        (RssCfgFlags.HASH_TYPE_EXCLUDE, RssHashType.TCP_IPV4, 1 | 2 | 4, 1 | 4),
    ],
)
def test_ports_of_tcp_are_hashed_with_those_of_udp(
    host: CardHost, queue: OpenQueue, vnic_id: int, flags: int, asked: int, before: int, after: int
) -> None:
    host.card.resources.vnics[vnic_id].hash_type = before
    rss_cfg(host, vnic_id, [(queue.rx, queue.rx_cq)], hash_type=asked, flags=flags)
    assert host.call(HwrmVnicRssQcfgInput(vnic_id=vnic_id)).hash_type == after


# -- aggregations -------------------------------------------------------------------------------
def test_of_aggregations_only_what_is_enabled_is_set(host: CardHost, vnic_id: int) -> None:
    vnic = host.card.resources.vnics[vnic_id]
    values = {"max_agg_segs": 5, "max_aggs": 6, "max_agg_timer": 7, "min_agg_len": 8}
    enables = sum(TpaCfgEnables)
    host.call(HwrmVnicTpaCfgInput(flags=TpaFlags.TPA, enables=enables, vnic_id=vnic_id, **values))
    assert vnic.tpa == TpaConfig(flags=TpaFlags.TPA, **values)
    host.call(HwrmVnicTpaCfgInput(flags=TpaFlags.TPA, vnic_id=vnic_id, **values))
    timer = host.card.firmware.identity.tpa_timer_us
    assert vnic.tpa == TpaConfig(flags=TpaFlags.TPA, max_agg_timer=timer)


def test_a_completion_ring_is_freed_after_what_it_is_owed(
    host: CardHost, queue: OpenQueue, vnic_id: int
) -> None:
    watch = Watch(host)
    host.card.firmware.receive = watch  # type: ignore[assignment]
    host.free_ring(RingType.L2_CMPL, queue.rx_cq)
    assert watch.calls == [("cq", queue.rx_cq)]
