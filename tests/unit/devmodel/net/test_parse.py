# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q
from scapy.packet import Raw

from devmodel.net.parse import Packet, parse
from tests.unit.devmodel.frames import ETHER, V4, V6, build, damaged

PAYLOAD = Raw(b"zero copy" * 20)


def check(frame: bytes, **expected: object) -> Packet:
    packet = parse(memoryview(frame))
    found = {name: getattr(packet, name) for name in expected}
    assert found == expected
    return packet


def test_tcp_over_ipv4() -> None:
    frame = build(ETHER, V4, TCP(sport=1000, dport=2000, flags="PA"), PAYLOAD)
    check(frame, ip_version=4, src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", protocol=6, ip_ok=True)
    check(frame, l3=14, l4=34, payload=54, end=54 + 180)
    check(frame, sport=1000, dport=2000, tcp_flags=0x18, l4_ok=True, is_tcp=True, is_udp=False)


def test_options_of_ip_and_tcp_move_the_boundaries() -> None:
    ip = IP(src="10.0.0.1", dst="10.0.0.2", options=[b"\x94\x04\0\0"])
    tcp = TCP(sport=1, dport=2, options=[("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)])
    check(build(ETHER, ip, tcp, PAYLOAD), l4=38, payload=70, ip_ok=True, l4_ok=True)


@pytest.mark.parametrize("sum_field", [1, 0xFFFF])
def test_wrong_checksums_are_noticed(sum_field: int) -> None:
    check(build(ETHER, IP(src="10.0.0.1", dst="10.0.0.2", chksum=sum_field), TCP()), ip_ok=False)
    check(build(ETHER, V4, TCP(chksum=sum_field), PAYLOAD), ip_ok=True, l4_ok=False)
    check(build(ETHER, V6, TCP(chksum=sum_field), PAYLOAD), ip_ok=True, l4_ok=False)
    check(build(ETHER, V4, UDP(chksum=sum_field), PAYLOAD), l4_ok=False, is_udp=True)
    check(build(ETHER, V6, UDP(chksum=sum_field), PAYLOAD), l4_ok=False)


def test_udp_without_checksum_has_no_verdict() -> None:
    check(build(ETHER, V4, UDP(chksum=0), PAYLOAD), l4_ok=None, is_udp=True, payload=42)


def test_padding_is_no_payload() -> None:
    frame = build(ETHER, V4, TCP())
    check(frame + bytes(6), end=54, length=60, payload=54, l4_ok=True)


def test_vlan_tags() -> None:
    single = build(ETHER, Dot1Q(vlan=5, prio=3), V4, UDP(), PAYLOAD)
    check(single, tpid=0x8100, tci=0x6005, l3=18, l4=38, ethertype=0x0800, l4_ok=True)
    double = build(ETHER, Dot1AD(vlan=7), Dot1Q(vlan=5), V6, UDP(), PAYLOAD)
    check(double, tpid=0x88A8, tci=7, l3=22, ethertype=0x86DD, l4_ok=True)


def test_ipv6_extension_headers() -> None:
    chain = (
        V6,
        IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]),
        IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]),
        IPv6ExtHdrRouting(addresses=[], segleft=0),
    )
    check(build(ETHER, *chain, TCP(), PAYLOAD), protocol=6, l4=54 + 8 + 16 + 8, l4_ok=True)
    ah = AH(nh=17, spi=1, seq=1, icv=b"\0" * 12, payloadlen=4)
    check(build(ETHER, V6, ah, UDP(chksum=0x1234), PAYLOAD), protocol=17, l4=54 + 24, l4_ok=False)


def test_a_routing_header_with_segments_left_gives_no_verdict() -> None:
    routing = IPv6ExtHdrRouting(addresses=["fd00::9"], segleft=1)
    check(build(ETHER, V6, routing, TCP(chksum=7), PAYLOAD), protocol=6, l4_ok=None, is_tcp=True)


def test_fragments_have_no_ports() -> None:
    first = IP(src="10.0.0.1", dst="10.0.0.2", flags="MF")
    check(build(ETHER, first, UDP(), PAYLOAD), is_fragment=True, sport=-1, l4_ok=None, payload=34)
    later = IP(src="10.0.0.1", dst="10.0.0.2", frag=8, proto=17)
    check(build(ETHER, later, PAYLOAD), is_fragment=True, sport=-1, protocol=17)
    v6 = IPv6ExtHdrFragment(offset=3, nh=17)
    check(build(ETHER, V6, v6, PAYLOAD), is_fragment=True, protocol=17, l4=62, payload=62)
    atomic = IPv6ExtHdrFragment(offset=0, m=0)
    check(build(ETHER, V6, atomic, UDP(), PAYLOAD), is_fragment=False, l4=62, l4_ok=True)


def test_other_protocols() -> None:
    check(build(ETHER, V4, ICMP(), PAYLOAD), protocol=1, payload=34, l4_ok=None, is_tcp=False)
    check(build(ETHER, ARP()), ip_version=0, ethertype=0x0806, payload=42, protocol=-1)
    check(b"\xff" * 12 + b"\0\x26" + bytes(38), ethertype=0, ip_version=0)


@pytest.mark.parametrize(
    "damage",
    [
        {14: 0x44},  # header shorter than 20 bytes
        {14: 0x65},  # not version 4
        {16: 0xFF},  # total length beyond the frame
        {16: 0, 17: 10},  # total length shorter than the header
    ],
)
def test_a_bad_ipv4_header_is_not_ip(damage: dict[int, int]) -> None:
    frame = damaged(build(ETHER, V4, TCP(), PAYLOAD), damage)
    check(frame, ip_version=0, protocol=-1, sport=-1, ethertype=0x0800)


def test_a_bad_l4_header_has_no_ports() -> None:
    short = damaged(build(ETHER, V4, TCP(), PAYLOAD), {46: 0x40})
    check(short, ip_version=4, protocol=6, sport=-1, is_tcp=False, payload=34)
    check(build(ETHER, V4, UDP(len=4), PAYLOAD), sport=-1, l4_ok=None)
    check(build(ETHER, V4, UDP(len=4000), PAYLOAD), sport=-1, l4_ok=None)


def test_without_verify_there_is_no_verdict() -> None:
    packet = parse(build(ETHER, V4, TCP(), PAYLOAD), verify=False)
    assert (packet.ip_ok, packet.l4_ok, packet.sport) == (None, None, 20)


SEEDS = [
    build(ETHER, V4, TCP(), PAYLOAD),
    build(ETHER, V6, IPv6ExtHdrHopByHop(), IPv6ExtHdrRouting(), UDP(), PAYLOAD),
    build(ETHER, Dot1AD(), Dot1Q(), V6, IPv6ExtHdrFragment(m=1), UDP(), PAYLOAD),
    build(ETHER, V6, AH(nh=6, icv=b"\0" * 12, payloadlen=4), TCP(), PAYLOAD),
]


@given(
    st.sampled_from(SEEDS),
    st.integers(0, 260),
    st.dictionaries(st.integers(0, 90), st.integers(0, 255), max_size=8),
)
def test_damaged_frames_never_raise(seed: bytes, length: int, damage: dict[int, int]) -> None:
    packet = parse(memoryview(damaged(seed[:length], damage)))
    assert 0 <= packet.l3 <= packet.l4 <= packet.payload <= packet.length + 22
    if packet.ip_version:
        assert packet.l3 < packet.l4 <= packet.payload <= packet.end <= packet.length


@given(st.binary(max_size=100))
def test_garbage_never_raises(frame: bytes) -> None:
    assert parse(frame).length == len(frame)
