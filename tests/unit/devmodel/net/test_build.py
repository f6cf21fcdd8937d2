# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from devmodel.net.build import Segmenter, fill_ip_checksum, fill_l4_checksum, insert_vlan
from devmodel.net.parse import parse

ETHER = Ether(dst="52:54:00:12:34:56", src="00:10:18:20:aa:01")
V4 = IP(src="10.0.0.1", dst="10.0.0.2", id=0xFFFE, flags="DF")
V6 = IPv6(src="fd00::1", dst="fd00::2")


@pytest.mark.parametrize("ip", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("l4", [TCP(flags="PA"), UDP()], ids=["tcp", "udp"])
@pytest.mark.parametrize("size", [0, 1, 17, 1400])
def test_filled_checksums_are_those_of_scapy(ip: IP, l4: TCP, size: int) -> None:
    right = bytes(ETHER / ip / l4 / Raw((bytes(range(256)) * 6)[:size]))
    packet = parse(right)
    assert packet.l4_ok
    frame = bytearray(right)
    at = packet.l4 + (16 if packet.is_tcp else 6)
    frame[at : at + 2] = b"\x55\xaa"
    if packet.ip_version == 4:
        frame[24:26] = b"\x12\x34"
    fill_l4_checksum(frame, packet)
    fill_ip_checksum(frame, packet)
    assert bytes(frame) == right


def test_a_udp_checksum_of_zero_is_sent_as_ffff() -> None:
    frame = bytearray(bytes(ETHER / V4 / UDP(sport=0, dport=0) / Raw(b"\0\0")))
    packet = parse(frame)
    fill_l4_checksum(frame, packet)
    wanted = int.from_bytes(frame[40:42], "big")
    # Choosing the source port as the checksum makes the sum all ones.
    frame[34:36] = wanted.to_bytes(2, "big")
    fill_l4_checksum(frame, parse(frame))
    assert frame[40:42] == b"\xff\xff"
    assert parse(frame).l4_ok


def test_other_protocols_are_left_alone() -> None:
    frame = bytearray(bytes(ETHER / V6 / Raw(b"x" * 40)))
    before = bytes(frame)
    fill_l4_checksum(frame, parse(frame))
    fill_ip_checksum(frame, parse(frame))
    assert bytes(frame) == before


def test_inserted_tag_reads_back() -> None:
    frame = bytes(ETHER / V4 / UDP() / Raw(b"x"))
    tagged = Ether(insert_vlan(frame, 0x8100, 0xA123))
    assert (tagged[Dot1Q].vlan, tagged[Dot1Q].prio, tagged[UDP].dport) == (0x123, 5, 53)


def segments(ip: IP, tcp: TCP, payload: bytes, mss: int, **options: bool) -> list[bytes]:
    frame = bytes(ETHER / ip / tcp / Raw(payload))
    packet = parse(frame, verify=False)
    segmenter = Segmenter(frame, packet, packet.payload, mss, **options)
    made = list(segmenter)
    assert len(made) == len(segmenter)
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([V4, V6]),
    st.integers(1, 5000),
    st.integers(40, 1460),
    st.sampled_from(["A", "PA", "FA", "FPA", "AEC", "PAEC"]),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
)
def test_tcp_segments(
    ip: IP, size: int, mss: int, flags: str, sequence: int, with_options: bool
) -> None:
    payload = (bytes(range(251)) * 21)[:size]
    options = [("NOP", None), ("NOP", None), ("Timestamp", (7, 8))] if with_options else []
    tcp = TCP(sport=1, dport=2, seq=sequence, flags=flags, options=options)
    made = segments(ip, tcp, payload, mss)
    data = b""
    for i, frame in enumerate(made):
        packet = parse(frame)
        assert packet.ip_ok
        assert packet.l4_ok
        assert packet.end == packet.length
        seen = Ether(frame)
        body = frame[packet.payload :]
        assert seen[TCP].seq == (sequence + len(data)) & 0xFFFFFFFF
        last, first = i == len(made) - 1, i == 0
        assert len(body) == mss or last
        data += body
        wanted = {
            f for f in flags if f not in "FPC" or (f in "FP" and last) or (f == "C" and first)
        }
        assert set(str(seen[TCP].flags)) == wanted
        if ip is V4:
            assert seen[IP].id == (0xFFFE + i) & 0xFFFF
    assert data == payload


def test_the_ip_identification_can_stay() -> None:
    made = segments(V4, TCP(flags="A"), bytes(300), 100, increment_ip_id=False)
    assert [Ether(frame)[IP].id for frame in made] == [0xFFFE] * 3


@pytest.mark.parametrize("ip", [V4, V6], ids=["ipv4", "ipv6"])
def test_udp_segments(ip: IP) -> None:
    made = segments(ip, UDP(sport=5, dport=6), b"a" * 250, 100)
    assert [len(frame) - parse(frame).payload for frame in made] == [100, 100, 50]
    assert all(parse(frame).l4_ok for frame in made)
    assert [Ether(frame)[UDP].len for frame in made] == [108, 108, 58]
