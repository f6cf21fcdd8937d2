# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from devmodel.bnxt.placement import HDS, JUMBO, NORMAL
from devmodel.bnxt.stats import RX_BCAST_PKTS, RX_ERROR_PKTS, RX_UCAST_BYTES, RX_UCAST_PKTS
from tests.unit.devmodel.bnxt.rig import Rig, one_queue, split_rig
from tests.unit.devmodel.frames import ETHER, MAC, PEER, V4, V6, build, tcp


@pytest.fixture
def rig() -> Rig:
    return split_rig()


# -- placement ----------------------------------------------------------------------------------
def test_split_at_the_true_header_boundary(rig: Rig) -> None:
    options = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    cases = [
        (tcp(1448, options=options), 66),
        (tcp(1, ip=V6), 74),
        (build(ETHER, V4, UDP(), size=900), 42),
        (build(ETHER, V6, UDP(), size=9), 62),
        (build(ETHER, V4, ICMP(), size=56), 34),
    ]
    for (frame, boundary), got in zip(cases, rig.receive(*[c[0] for c in cases]), strict=True):
        assert got.data == frame
        assert got.first == boundary
        assert got.pieces == [len(frame) - boundary]
        assert got.cmp.placement == HDS


def test_nothing_to_split(rig: Rig) -> None:
    frames = [tcp(0), build(Ether(dst=MAC, src=PEER), ARP()), tcp(0) + bytes(6)]
    for frame, got in zip(frames, rig.receive(*frames), strict=True):
        assert (got.data, got.first, got.pieces) == (frame, len(frame), [])
        assert got.cmp.placement == NORMAL


def test_threshold_leaves_short_packets_whole(rig: Rig) -> None:
    rig.resources.vnics[0].plcmodes.hds_threshold = 200
    short, long = tcp(200 - 54), tcp(201 - 54)
    first, second = rig.receive(short, long)
    assert (first.first, first.pieces) == (200, [])
    assert (second.first, second.pieces) == (54, [147])


def test_split_payload_fills_aggregation_buffers_in_order(rig: Rig) -> None:
    frame = tcp(9000)
    (got,) = rig.receive(frame)
    assert got.data == frame
    assert got.pieces == [4096, 4096, 9000 - 8192]


@pytest.mark.parametrize("size", [8192, 16384, 32768])
def test_large_aggregation_buffers(size: int) -> None:
    rig = one_queue(split=True, agg_size=size, agg_entries=16)
    frame = tcp(9000)
    (got,) = rig.receive(frame)
    assert got.data == frame
    assert got.pieces == ([8192, 808] if size == 8192 else [9000])


def test_jumbo_fills_the_first_buffer(rig: Rig) -> None:
    rig.resources.vnics[0].plcmodes.flags = 2
    short, long = tcp(640 - 54), tcp(641 - 54)
    first, second = rig.receive(short, long)
    assert (first.cmp.placement, first.first, first.pieces) == (NORMAL, 640, [])
    assert (second.cmp.placement, second.first, second.pieces) == (JUMBO, 640, [1])
    assert second.data == long


def test_a_frame_no_mode_can_place_is_dropped() -> None:
    rig = one_queue(agg_entries=0, buf_size=1536)
    queue = rig.queues[0]
    (got,) = rig.receive(tcp(1460), tcp(1490))
    assert got.first == 1514
    assert queue.stats.counters[RX_ERROR_PKTS] == 1
    assert rig.trace.counters["rx_drop_does_not_fit"] == 1


@pytest.mark.parametrize("tpa", [0, 0x09])
def test_two_bytes_of_padding_where_the_ring_asks(tpa: int) -> None:
    rig = Rig()
    rig.add_queue(sop_pad=2, buf_size=256)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = 2
    vnic.plcmodes.jumbo_thresh = 250
    vnic.tpa.flags = tpa
    frame = tcp(1000)
    (got,) = rig.receive(frame)
    assert (got.data, got.first) == (frame, 254)


def test_short_descriptors_are_honoured(rig: Rig) -> None:
    queue = rig.queues[0]
    agg = queue.agg
    for index in range(3):
        word, opaque, address = agg.memory.read_bd(index)
        agg.memory.write_entry(
            index, struct.pack("<IIQ", word & 0xFFFF | 1000 << 16, opaque, address)
        )
    frame = tcp(2500)
    (got,) = rig.receive(frame)
    assert got.pieces == [1000, 1000, 500]
    assert got.data == frame


# -- what the completion says -------------------------------------------------------------------
def test_checksum_verdicts_are_the_same_on_both_ways(rig: Rig) -> None:
    for ip in (V4, V6):
        for l4 in (TCP(sport=7, flags="A"), UDP(sport=7)):
            good = build(ETHER, ip, l4, size=100)
            bad = good[:-1] + bytes([good[-1] ^ 1])
            # The first frame of a flow takes the long way, the others the short one.
            for n, frame in enumerate([bad, good, bad, good]):
                (got,) = rig.receive(frame)
                assert got.ext.l4_cs_calc == 1
                assert got.ext.l4_cs_error == got.cmp.error == (n + 1) % 2
                assert got.ext.ip_cs_calc == (ip is V4)
                assert got.ext.ip_type == (ip is V6)
                assert got.data == frame


def test_a_bad_ip_checksum_is_reported(rig: Rig) -> None:
    frame = bytearray(tcp(100))
    frame[24] ^= 1
    for _ in range(2):
        (got,) = rig.receive(bytes(frame))
        assert (got.ext.ip_cs_error, got.ext.l4_cs_error, got.cmp.error) == (1, 0, 1)
        rig.receive(tcp(100))


def test_udp_without_checksum_claims_nothing(rig: Rig) -> None:
    frame = build(ETHER, V4, UDP(sport=9, chksum=0), size=40)
    for _ in range(2):
        (got,) = rig.receive(frame)
        assert (got.ext.l4_cs_calc, got.cmp.error) == (0, 0)


def test_types_of_packets(rig: Rig) -> None:
    fragment = IP(src="10.0.0.1", dst="10.0.0.2", flags="MF", proto=17)
    frames = [
        (build(ETHER, ARP()), 0),
        (build(ETHER, V4, TCP(flags="A"), size=80), 2),
        (build(ETHER, V6, UDP(), size=80), 3),
        (build(ETHER, V4, ICMP(), size=80), 7),
        (build(ETHER, fragment, size=80), 1),
    ]
    for (_, wanted), got in zip(frames, rig.receive(*[f[0] for f in frames]), strict=True):
        assert got.cmp.itype == wanted
        assert got.cmp.payload_offset == {2: 54, 3: 62}.get(wanted, 0)
        assert got.cmp.rss_valid == (wanted != 0)


def test_vlan_strip(rig: Rig) -> None:
    vnic = rig.resources.vnics[0]
    plain = tcp(300)
    tagged = plain[:12] + bytes.fromhex("8100a123") + plain[12:]
    service = plain[:12] + bytes.fromhex("88a80007") + plain[12:]
    (kept,) = rig.receive(tagged)
    assert (kept.data, kept.ext.meta_format, kept.first) == (tagged, 0, 58)
    vnic.vlan_strip = True
    got = rig.receive(tagged, service)
    assert [g.data for g in got] == [plain, plain]
    assert [g.ext.rx_cmp_meta_data for g in got] == [0x8100A123, 0x88A80007]
    assert all(g.ext.meta_format == 1 and g.first == 54 for g in got)
    assert rig.queues[0].stats.counters[RX_UCAST_BYTES] == 3 * len(tagged)


# -- limits, counters ---------------------------------------------------------------------------
def test_mru_counts_the_tag(rig: Rig) -> None:
    vnic = rig.resources.vnics[0]
    vnic.mru = 1518
    assert len(rig.receive(tcp(1464), tcp(1465))) == 1
    assert rig.mac.rx.snapshot()["rx_mtu_err_frames"] == 1
    vnic.mru = 0
    assert rig.receive(tcp(10)) == []
    assert rig.trace.counters["rx_drop_vnic_disabled"] == 1


def test_counters_agree_with_the_wire(rig: Rig) -> None:
    frames = [tcp(10), tcp(1400), build(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER), ARP())]
    rig.resources.vnics[0].rx_mask = 8
    rig.receive(*frames)
    counters = rig.queues[0].stats.counters
    assert counters[RX_UCAST_PKTS] == 2
    assert counters[RX_UCAST_BYTES] == len(frames[0]) + len(frames[1])
    assert counters[RX_BCAST_PKTS] == 1
    mac = rig.mac.rx.snapshot()
    assert mac["rx_total_frames"] == 3
    assert mac["rx_ucast_frames"] == 2
    assert mac["rx_bcast_frames"] == 1
    assert mac["rx_64b_frames"] == 1
    assert mac["rx_65b_127b_frames"] == 1
    assert mac["rx_bytes"] == sum(max(len(f) + 4, 64) for f in frames)


def test_link_down_loses_frames(rig: Rig) -> None:
    rig.rx.link_up = False
    assert rig.receive(tcp(10)) == []
    assert rig.trace.counters["rx_drop_link_down"] == 1


def test_one_notification_per_batch(rig: Rig) -> None:
    queue = rig.queues[0]
    queue.nq.arm(0)
    queue.cq.arm(0)
    rig.receive(*[tcp(100) for _ in range(20)])
    assert queue.nq.prod == 1
    assert rig.interrupts == [0]
