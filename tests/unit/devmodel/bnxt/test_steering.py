# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from devmodel.bnxt.resources import L2Filter, NtupleFilter
from devmodel.bnxt.steering import (
    MASK_ALL_MCAST,
    MASK_BCAST,
    MASK_MCAST,
    MASK_PROMISCUOUS,
    Steering,
    Target,
)
from devmodel.net.parse import parse
from devmodel.net.toeplitz import toeplitz
from tests.unit.devmodel.bnxt.rig import RSS_KEY, Rig
from tests.unit.devmodel.frames import ETHER, MAC, PEER

GROUP = bytes.fromhex("01005e000001")
ANY4 = bytes(4)
NTUPLE = NtupleFilter(
    id=0x10000, l2_filter_id=1, ethertype=0x0800, ip_addr_type=4, ip_protocol=6, src_ip=ANY4,
    src_ip_mask=ANY4, dst_ip=ANY4, dst_ip_mask=ANY4, src_port=0, src_port_mask=0, dst_port=5000,
    dst_port_mask=0xFFFF, dst_vnic=0, rfs_ring_tbl_idx=3, drop=False,
)  # fmt: skip


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    for _ in range(4):
        rig.add_queue(rx_entries=8, agg_entries=0, cq_entries=16)
    rig.add_vnic()
    return rig


def frame(
    l4: Scapy,
    *,
    dst: bytes = MAC,
    src_ip: str = "10.0.0.1",
    vlan: int | None = None,
    v6: bool = False,
) -> bytes:
    ip = IPv6(src="fd00::1", dst="fd00::2") if v6 else IP(src=src_ip, dst="10.0.0.2")
    ether = Ether(dst=dst, src=PEER)
    if vlan is not None:
        ether = ether / Dot1Q(vlan=vlan)
    return bytes(ether / ip / l4 / Raw(b"data"))


def steer(rig: Rig, data: bytes) -> Target:
    return Steering(rig.resources).target(parse(data), data[:6])


def where(rig: Rig, data: bytes) -> int | str:
    """Queue index, or why the frame is dropped."""
    target = steer(rig, data)
    if target.drop:
        return target.drop
    assert target.ring is not None
    assert target.cq is not None
    (queue,) = (q for q in rig.queues if q.rx is target.ring)
    assert target.cq is queue.cq
    assert target.stats is queue.stats
    return queue.index


# -- L2 -----------------------------------------------------------------------------------------
def test_only_asked_for_destinations_pass(rig: Rig) -> None:
    vnic = rig.resources.vnics[0]
    other, everyone = bytes.fromhex("0200deadbeef"), b"\xff" * 6
    udp = UDP()
    assert where(rig, frame(udp, dst=MAC)) in range(4)
    for dst in (other, GROUP, everyone):
        assert where(rig, frame(udp, dst=dst)) == "no_l2_match"
    for mask, passing in (
        (MASK_BCAST, {everyone}),
        (MASK_ALL_MCAST, {GROUP}),
        (MASK_MCAST, set()),
        (MASK_PROMISCUOUS, {other, GROUP, everyone}),
    ):
        vnic.rx_mask = mask
        passed = {d for d in (other, GROUP, everyone) if where(rig, frame(udp, dst=d)) in range(4)}
        assert passed == passing
    vnic.rx_mask = MASK_MCAST
    vnic.multicast = frozenset([GROUP])
    assert where(rig, frame(udp, dst=GROUP)) in range(4)
    assert steer(rig, frame(udp, dst=GROUP)).is_promiscuous is False


def test_address_mask_vlan_and_drop_of_an_l2_filter(rig: Rig) -> None:
    filters = rig.resources.l2_filters
    udp = UDP()
    filters[1] = L2Filter(1, MAC, b"\xff\xff\xff\0\0\0", None, 0, False)
    assert where(rig, frame(udp, dst=MAC[:3] + b"\1\2\3")) in range(4)
    filters[1] = L2Filter(1, MAC, b"\xff" * 6, (5, 0xFFF), 0, False)
    assert where(rig, frame(udp)) == "no_l2_match"
    assert where(rig, frame(udp, vlan=5)) in range(4)
    assert where(rig, frame(udp, vlan=6)) == "no_l2_match"
    filters[1] = L2Filter(1, MAC, b"\xff" * 6, None, 0, True)
    assert where(rig, frame(udp)) == "l2_filter"


def test_a_runt_matches_nothing(rig: Rig) -> None:
    rig.resources.vnics[0].rx_mask = MASK_PROMISCUOUS
    steering = Steering(rig.resources)
    runt, whole = MAC + b"\0", MAC + PEER + b"\0\4" + bytes(46)
    for _ in range(2):
        assert steering.target(parse(runt), MAC).drop == "runt"
        assert steering.target(parse(whole), MAC).drop == ""
    rig.receive(runt)
    assert rig.mac.rx.snapshot()["rx_runt_frames"] == 1


# -- RSS ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_hash_and_bucket_follow_the_hash_type(rig: Rig, v6: bool, protocol: type[Scapy]) -> None:
    vnic = rig.resources.vnics[0]
    data = frame(protocol(sport=1234, dport=80), v6=v6)
    addresses = b"".join(
        ip_address(a).packed for a in (("fd00::1", "fd00::2") if v6 else ("10.0.0.1", "10.0.0.2"))
    )
    ports = (1234).to_bytes(2, "big") + (80).to_bytes(2, "big")
    four = {(TCP, False): 2, (UDP, False): 4, (TCP, True): 0x10, (UDP, True): 0x20}[protocol, v6]
    two = 8 if v6 else 1
    for hash_type, hashed in (
        (0x3F, addresses + ports),
        (0x3F & ~four, addresses),
        (two, addresses),
    ):
        vnic.hash_type = hash_type
        target = steer(rig, data)
        assert target.hash == toeplitz(RSS_KEY, hashed)
        assert target.hash_profile
        assert where(rig, data) == target.hash % 64 % 4
    vnic.hash_type = 0x3F & ~four & ~two
    target = steer(rig, data)
    assert (target.hash_profile, where(rig, data)) == (0, 0)


def test_fragments_and_icmp_hash_addresses_only(rig: Rig) -> None:
    wanted = toeplitz(RSS_KEY, ip_address("10.0.0.1").packed + ip_address("10.0.0.2").packed)
    assert steer(rig, frame(ICMP())).hash == wanted
    fragment = bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / UDP())
    assert steer(rig, fragment).hash == wanted


def test_what_is_not_ip_goes_to_the_default_ring(rig: Rig) -> None:
    vnic = rig.resources.vnics[0]
    vnic.default_rx_ring, vnic.default_cmpl_ring = rig.queues[2].rx.id, rig.queues[2].cq.id
    target = steer(rig, bytes(ETHER / ARP()))
    assert (target.ring, target.hash_profile) == (rig.queues[2].rx, 0)
    vnic.clear_rss()
    assert where(rig, frame(TCP())) == 2


def test_tables_of_several_contexts_are_one_table(rig: Rig) -> None:
    vnic = rig.resources.vnics[0]
    pairs = [(q.rx.id, q.cq.id) for q in rig.queues]
    for part in range(8):
        vnic.set_rss_part(part, [pairs[part % 4]] * 64)
    for port in range(50):
        data = frame(TCP(sport=port))
        assert where(rig, data) == steer(rig, data).hash % 512 // 64 % 4


# -- ntuple -------------------------------------------------------------------------------------
def test_ntuple_takes_precedence_over_rss(rig: Rig) -> None:
    rig.resources.ntuple_filters[NTUPLE.id] = NTUPLE
    for port in range(20):
        data = frame(TCP(sport=port, dport=5000))
        assert where(rig, data) == 3
        assert steer(rig, data).hash_profile


@pytest.mark.parametrize(
    ("change", "l4", "matches"),
    [
        ({}, TCP(dport=5001), False),
        ({}, UDP(dport=5000), False),
        ({"ip_protocol": 17}, UDP(dport=5000), True),
        ({"ip_protocol": None}, UDP(dport=5000), True),
        ({"dst_port_mask": 0xFF00}, TCP(dport=5001), True),
        ({"dst_port_mask": 0, "src_port": 7, "src_port_mask": 0xFFFF}, TCP(sport=7), True),
        ({"dst_port_mask": 0, "src_port": 7, "src_port_mask": 0xFFFF}, TCP(sport=8), False),
        ({"src_ip": b"\x0a\0\0\1", "src_ip_mask": b"\xff" * 4}, TCP(dport=5000), True),
        ({"src_ip": b"\x0a\0\0\3", "src_ip_mask": b"\xff" * 4}, TCP(dport=5000), False),
        ({"src_ip": b"\x0a\0\0\3", "src_ip_mask": b"\xff\xff\xff\0"}, TCP(dport=5000), True),
        ({"dst_ip": b"\x0a\0\0\2", "dst_ip_mask": b"\xff" * 4}, TCP(dport=5000), True),
        ({"dst_ip": b"\x0a\0\0\1", "dst_ip_mask": b"\xff" * 4}, TCP(dport=5000), False),
        ({"ethertype": 0x86DD}, TCP(dport=5000), False),
        ({"ip_addr_type": 6, "ethertype": 0}, TCP(dport=5000), False),
        ({"ip_addr_type": 0, "ethertype": 0}, TCP(dport=5000), True),
        ({"l2_filter_id": None}, TCP(dport=5000), True),
        ({"l2_filter_id": 99}, TCP(dport=5000), False),
        ({"ip_protocol": 1, "dst_port_mask": 0}, ICMP(), True),
    ],
)
def test_every_field_of_an_ntuple_filter(
    rig: Rig, change: dict[str, object], l4: Scapy, matches: bool
) -> None:
    vnic = rig.resources.vnics[0]
    vnic.set_rss_part(
        0,
        [(rig.queues[0].rx.id, rig.queues[0].cq.id)] * 3
        + [(rig.queues[3].rx.id, rig.queues[3].cq.id)],
    )
    vnic.hash_type = 0
    chosen = dataclasses.replace(NTUPLE, **change)  # type: ignore[arg-type]
    rig.resources.ntuple_filters[chosen.id] = chosen
    assert where(rig, frame(l4)) == (3 if matches else 0)


def test_ipv6_addresses(rig: Rig) -> None:
    mask = b"\xff" * 16
    rig.resources.ntuple_filters[1] = dataclasses.replace(
        NTUPLE, ethertype=0x86DD, ip_addr_type=6, src_ip=ip_address("fd00::1").packed,
        src_ip_mask=mask, dst_ip=bytes(16), dst_ip_mask=bytes(16),
    )  # fmt: skip
    assert where(rig, frame(TCP(dport=5000), v6=True)) == 3


def test_drop_and_other_destinations(rig: Rig) -> None:
    filters = rig.resources.ntuple_filters
    data = frame(TCP(dport=5000))
    filters[1] = dataclasses.replace(NTUPLE, drop=True)
    assert where(rig, data) == "ntuple_filter"
    filters[1] = dataclasses.replace(NTUPLE, rfs_ring_tbl_idx=64)
    assert where(rig, data) == "no_rss_bucket"
    filters[1] = dataclasses.replace(NTUPLE, dst_vnic=7)
    assert where(rig, data) == "no_vnic"
    context = rig.add_vnic([rig.queues[1]])
    filters[1] = dataclasses.replace(NTUPLE, dst_vnic=context.id, rfs_ring_tbl_idx=None)
    assert {where(rig, frame(TCP(sport=p, dport=5000))) for p in range(20)} == {1}


def test_the_most_specific_filter_wins(rig: Rig) -> None:
    filters = rig.resources.ntuple_filters
    filters[1] = dataclasses.replace(NTUPLE, id=1, rfs_ring_tbl_idx=1)
    filters[2] = dataclasses.replace(
        NTUPLE, id=2, rfs_ring_tbl_idx=2, src_port=7, src_port_mask=0xFFFF
    )
    assert where(rig, frame(TCP(sport=7, dport=5000))) == 2
    assert where(rig, frame(TCP(sport=8, dport=5000))) == 1


def test_fragments_match_no_port(rig: Rig) -> None:
    rig.resources.ntuple_filters[1] = NTUPLE
    ip = IP(src="10.0.0.1", dst="10.0.0.2", flags="MF")
    data = bytes(ETHER / ip / TCP(dport=5000) / Raw(b"x" * 8))
    assert where(rig, data) == steer(rig, data).hash % 4


# -- cache and stale tables ---------------------------------------------------------------------
def test_the_cache_follows_the_generation(rig: Rig) -> None:
    steering = Steering(rig.resources)
    data = frame(TCP(dport=5000))
    before = steering.target(parse(data), MAC)
    assert steering.target(parse(data), MAC) is before
    rig.resources.ntuple_filters[1] = NTUPLE
    rig.resources.steering_changed()
    assert steering.stale
    assert steering.target(parse(data), MAC).ring is rig.queues[3].rx


def test_tables_that_name_a_freed_ring_drop(rig: Rig) -> None:
    vnic = rig.resources.vnics[0]
    gone = rig.queues[0]
    del rig.resources.rx_rings[gone.rx.id]
    found = {where(rig, frame(TCP(sport=p))) for p in range(40)}
    assert found == {1, 2, 3, "no_ring"}
    del rig.resources.cmpl_rings[rig.queues[1].cq.id]
    assert {where(rig, frame(TCP(sport=p))) for p in range(40)} == {2, 3, "no_ring"}
    vnic.clear_rss()
    assert where(rig, frame(TCP())) == "no_ring"
