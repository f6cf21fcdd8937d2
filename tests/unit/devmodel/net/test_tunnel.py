# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from devmodel.net.build import Segmenter
from devmodel.net.parse import parse, parse_from
from devmodel.net.tunnel import UdpTunnel, header_layers, layers, parse_through
from tests.unit.devmodel.frames import build, damaged

TUNNELS = {4789: UdpTunnel.VXLAN, 6081: UdpTunnel.GENEVE, 4790: UdpTunnel.VXLAN_GPE}
ETHER = Ether(dst="52:54:00:12:34:56", src="00:10:18:20:aa:01")
INSIDE = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
OUT4 = IP(src="10.0.0.1", dst="10.0.0.2", id=500)
OUT6 = IPv6(src="fd00::1", dst="fd00::2")
IN4 = IP(src="192.0.2.1", dst="192.0.2.2", id=7)
IN6 = IPv6(src="2001:db8::1", dst="2001:db8::2")
TCP_ = TCP(sport=1, dport=2, seq=100, flags="PA")

VXLAN_ = [UDP(sport=9, dport=4789, chksum=0), VXLAN(vni=5), INSIDE]
CASES: dict[str, list[Scapy]] = {
    "vxlan": [OUT4, *VXLAN_, IN4],
    "vxlan over ipv6 with checksum": [OUT6, UDP(sport=9, dport=4789), VXLAN(vni=5), INSIDE, IN6],
    "vxlan around a tag": [OUT4, *VXLAN_, Dot1Q(vlan=3), IN4],
    "geneve": [OUT4, UDP(dport=6081, chksum=0), GENEVE(vni=1, optionlen=0), INSIDE, IN6],
    "gre": [OUT4, GRE(), IN4],
    "gre with key and sequence": [OUT6, GRE(key_present=1, seqnum_present=1), IN6],
    "gretap": [OUT4, GRE(proto=0x6558), INSIDE, IN4],
    "ip in ip": [OUT4, IN4],
    "6in4": [OUT4, IN6],
    "4in6": [OUT6, IN4],
}


def tunnelled(name: str, size: int) -> bytes:
    return build(ETHER, *CASES[name], TCP_, size=size)


@pytest.mark.parametrize("name", CASES)
def test_the_inside_is_found(name: str) -> None:
    frame = tunnelled(name, 100)
    outer, inner = layers(frame, TUNNELS)
    assert outer.l4 <= inner.l3
    assert (inner.protocol, inner.sport, inner.dport) == (6, 1, 2)
    assert frame[inner.payload : inner.end] == bytes(range(100))


@pytest.mark.parametrize("name", CASES)
def test_segments_of_a_tunnel_packet(name: str) -> None:
    frame = tunnelled(name, 2500)
    (whole_outer, whole) = layers(frame, TUNNELS)
    header = bytearray(frame[: whole.payload])
    # The stack leaves lengths of the whole, or none.
    header[whole.l3 + 2 : whole.l3 + 4] = b"\0\0"
    outer, inner = header_layers(header, TUNNELS)
    assert (outer.l3, inner.l4, inner.payload) == (whole_outer.l3, whole.l4, len(header))
    data = b""
    for i, segment in enumerate(Segmenter(frame, inner, len(header), 1000, outer=outer)):
        first = parse(segment)
        assert first.ip_ok
        assert first.end == len(segment)
        if first.is_udp:
            assert first.l4_ok is (
                None if segment[first.l4 + 6 : first.l4 + 8] == b"\0\0" else True
            )
        if first.ip_version == 4:
            assert int.from_bytes(segment[18:20], "big") == 500 + i
        _, found = layers(segment, TUNNELS)
        checked = parse_from(segment, found.l3, found.ethertype, verify=True)
        assert (checked.ip_ok, checked.l4_ok) == (True, True)
        data += segment[checked.payload : checked.end]
    assert data == frame[whole.payload :]


@pytest.mark.parametrize(
    "parts",
    [
        [OUT4, TCP(dport=4789)],
        [OUT4, UDP(dport=5000)],
        [IP(src="10.0.0.1", dst="10.0.0.2", proto=4, flags="MF"), IN4],
        [OUT4, UDP(dport=4789), Raw(b"short")],
        [OUT4, UDP(dport=4790), Raw(b"\x0c\0\0\x09" + bytes(4))],
    ],
)
def test_what_is_no_tunnel_has_one_layer(parts: list[Scapy]) -> None:
    assert len(layers(build(ETHER, *parts), TUNNELS)) == 1


def test_gpe_names_the_protocol_inside() -> None:
    gpe = Raw(b"\x0c\0\0\1" + bytes(4))
    frame = bytearray(bytes(ETHER / OUT4 / UDP(dport=4790) / gpe) + bytes(IN4 / TCP_))
    length = len(frame) - 14
    frame[16:18], frame[38:40] = length.to_bytes(2, "big"), (length - 20).to_bytes(2, "big")
    assert [packet.protocol for packet in layers(frame, TUNNELS)] == [17, 6]


@given(
    st.sampled_from(list(CASES)),
    st.integers(0, 200),
    st.dictionaries(st.integers(0, 120), st.integers(0, 255), max_size=6),
)
def test_damaged_tunnels_never_raise(name: str, length: int, damage: dict[int, int]) -> None:
    frame = damaged(tunnelled(name, 100)[:length], damage)
    assert 1 <= len(layers(frame, TUNNELS)) <= 2
    assert 1 <= len(header_layers(bytearray(frame), TUNNELS)) <= 2
    packet = parse_through(frame, TUNNELS)
    assert packet.inner is None or packet.inner.end <= packet.end <= len(frame)
