# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion on header split and checksums: scapy's, whose authors never saw this card.

Everywhere else in these tests :func:`devmodel.net.parse.parse`, which the card itself uses, may be
the judge. Here it is not imported.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Padding, Raw

from devmodel.bnxt.placement import HDS, NORMAL
from devmodel.bnxt.tx import LSO, TCP_UDP_CHKSUM
from devmodel.net.checksum import ones_sum
from tests.unit.devmodel.bnxt.rig import Rig, split_rig
from tests.unit.devmodel.frames import MAC, PEER

TCP_OPTIONS = [("NOP", None), ("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 9)), ("WScale", 3)]
T_IPID = 1 << 7


@dataclass(frozen=True)
class Opinion:
    """What scapy says of a frame.

    :ivar boundary: bytes before the payload of TCP or UDP; ``payload``: bytes of it.
    :ivar ip_right: the IPv4 header's checksum is right; ``l4_right``: that of TCP or UDP.
    """

    boundary: int
    payload: int
    ip_right: bool
    l4_right: bool


def upper(packet: Packet) -> Packet:
    found = packet.getlayer(TCP) or packet.getlayer(UDP)
    assert found is not None
    return found


def opinion(frame: bytes) -> Opinion:
    """Take the frame apart, forget its checksums, have scapy compute them, compare."""
    packet = Ether(frame)
    padding = len(packet[Padding]) if Padding in packet else 0
    payload = len(upper(packet).payload) - padding
    again = packet.copy()
    upper(again).chksum = None
    if IP in again:
        again[IP].chksum = None
    again = Ether(bytes(again))
    return Opinion(
        boundary=len(frame) - padding - payload, payload=payload,
        ip_right=IP not in packet or packet[IP].chksum == again[IP].chksum,
        l4_right=upper(packet).chksum == upper(again).chksum,
    )  # fmt: skip


@st.composite
def headers(draw: st.DrawFn, dst: bytes, src: bytes) -> Packet:
    """Ethernet to TCP or UDP, with tags, options and extension headers."""
    packet = Ether(dst=dst, src=src)
    for vlan in draw(st.lists(st.integers(0, 4095), max_size=2)):
        packet = packet / Dot1Q(vlan=vlan)
    if draw(st.booleans()):
        words = draw(st.integers(0, 10))
        packet = packet / IP(
            src=draw(st.ip_addresses(v=4)).exploded, dst=draw(st.ip_addresses(v=4)).exploded,
            options=[IPOption_NOP()] * (words * 4), tos=draw(st.integers(0, 255)),
        )  # fmt: skip
    else:
        packet = packet / IPv6(
            src=draw(st.ip_addresses(v=6)).exploded, dst=draw(st.ip_addresses(v=6)).exploded
        )
        for kind in draw(st.sets(st.sampled_from([IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt]))):
            packet = packet / kind(options=[PadN(optdata=bytes(draw(st.integers(0, 20))))])
    ports = {"sport": draw(st.integers(1, 65535)), "dport": draw(st.integers(20000, 65535))}
    if draw(st.booleans()):
        return packet / UDP(**ports)
    options = draw(st.lists(st.sampled_from(TCP_OPTIONS), max_size=4))
    return packet / TCP(**ports, flags="A", seq=draw(st.integers(0, 2**32 - 1)), options=options)


CONTENT = st.tuples(st.integers(1, 1200), st.integers(0, 255)).map(
    lambda drawn: bytes((drawn[1] + 7 * i) & 255 for i in range(drawn[0]))
)


@given(headers(MAC, PEER), CONTENT, st.none() | st.tuples(st.integers(0, 99), st.integers(1, 255)))
def test_received_frame_is_split_and_judged_as_scapy_says(
    header: Packet, content: bytes, damage: tuple[int, int] | None
) -> None:
    frame = bytearray(bytes(header / Raw(content)))
    if damage is not None:  # in the payload, so that every header stays what it is
        at, change = damage
        frame[-1 - at % len(content)] ^= change
    told = opinion(bytes(frame))
    assert told.boundary == len(frame) - len(content)
    event(f"TCP or UDP sum right: {told.l4_right}")
    (got,) = split_rig().receive(bytes(frame))
    assert (got.cmp.placement, got.first, sum(got.pieces)) == (HDS, told.boundary, told.payload)
    assert got.data == frame
    assert got.ext.l4_cs_calc == 1
    assert got.ext.l4_cs_error == (not told.l4_right)
    if IP in header:
        assert (got.ext.ip_cs_calc, got.ext.ip_cs_error) == (1, 0)


@given(headers(MAC, PEER).filter(lambda header: IP in header), st.integers(1, 0xFFFF))
def test_wrong_header_checksum_is_told_as_scapy_says(header: Packet, change: int) -> None:
    frame = bytearray(bytes(header / Raw(b"payload")))
    at = bytes(frame).index(bytes(Ether(bytes(frame))[IP])[:20]) + 10
    wrong = int.from_bytes(frame[at : at + 2], "big") ^ change
    frame[at : at + 2] = wrong.to_bytes(2, "big")
    told = opinion(bytes(frame))
    (got,) = split_rig().receive(bytes(frame))
    assert got.ext.ip_cs_calc == 1
    # 0 and 0xffff are the same sum (RFC 1624 section 3)
    assert got.ext.ip_cs_error == (not told.ip_right and {0, 0xFFFF} != {wrong, wrong ^ change})


def test_frame_without_payload_is_not_split() -> None:
    frame = bytes(Ether(dst=MAC, src=PEER) / IP(dst="10.0.0.2") / TCP())
    (got,) = split_rig().receive(frame)
    assert opinion(frame).payload == 0
    assert (got.cmp.placement, got.first) == (NORMAL, len(frame))


@given(headers(PEER, MAC), st.integers(1, 9000), st.integers(88, 1448))
def test_sent_segments_are_right_as_scapy_says(header: Packet, size: int, mss: int) -> None:
    """Segmentation: each segment's sums, lengths and sequence number; the payload is whole."""
    content = bytes(i * 5 & 255 for i in range(size))
    tagged = bytes(header / Raw(content))
    told = opinion(tagged)
    rig = Rig(paged=True)
    queue = rig.add_tx()
    is_tcp = TCP in header
    offload = LSO | T_IPID if is_tcp and size > mss else TCP_UDP_CHKSUM
    start = tagged[: told.boundary]
    queue.put(start, content, lflags=offload, mss=mss, hsize=told.boundary)
    queue.kick()
    sent = [Ether(frame) for frame in rig.wire.sent]
    assert len(sent) == (-(-size // mss) if offload & LSO else 1)
    carried = b""
    for frame, packet in zip(rig.wire.sent, sent, strict=True):
        seen = opinion(frame)
        assert (seen.boundary, seen.ip_right, seen.l4_right) == (told.boundary, True, True)
        if is_tcp:
            assert packet[TCP].seq == (Ether(tagged)[TCP].seq + len(carried)) % 2**32
        if IP in packet:
            before = len(packet) - len(packet[IP])
            assert packet[IP].len == seen.boundary - before + seen.payload
        carried += frame[seen.boundary :][: seen.payload]
    assert carried == content


@pytest.mark.parametrize(
    ("words", "total"),
    [
        ("0001 f203 f4f5 f6f7", 0xDDF2),  # RFC 1071 section 3
        ("cd7a 0000 5555 0000 dd2f", 0x0000),  # RFC 1624 section 4: with its checksum, all ones
    ],
)
def test_published_sums(words: str, total: int) -> None:
    data = bytes.fromhex(words)
    assert int.from_bytes(ones_sum(data).to_bytes(2, "little"), "big") == total
