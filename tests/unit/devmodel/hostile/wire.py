# SPDX-License-Identifier: GPL-2.0-only
"""Frames from the wire: well-formed ones of a few flows, damaged ones, and any bytes at all."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from devmodel.net.checksum import checksum

MACS = (
    bytes.fromhex("00101820aa01"),
    b"\xff" * 6,
    bytes.fromhex("01005e000001"),
    bytes.fromhex("020000000009"),
)
_PEER = bytes.fromhex("525400123456")


def ipv4(protocol: int, segment: bytes) -> bytes:
    """An IPv4 packet with a right header checksum."""
    header = bytearray(
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, protocol, 0)
    )
    header += bytes((192, 0, 2, 2, 192, 0, 2, 1))
    header[10:12] = checksum(header).to_bytes(2, "little")
    return b"\x08\x00" + bytes(header) + segment


def ipv6(protocol: int, segment: bytes) -> bytes:
    """An IPv6 packet."""
    addresses = bytes(15) + b"\2" + bytes(15) + b"\1"
    head = struct.pack(">IHBB", 6 << 28, len(segment), protocol, 64)
    return b"\x86\xdd" + head + addresses + segment


def tcp(port: int, sequence: int, flags: int, has_options: bool, payload: bytes) -> bytes:
    """A TCP segment; its checksum is wrong more often than not."""
    options = b"\1\1\x08\x0a" + bytes(8) if has_options else b""
    words = (20 + len(options)) // 4
    head = struct.pack(">HHIIBBHHH", port, 5001, sequence, 1, words << 4, flags, 512, 0, 0)
    return head + options + payload


def in_order(port: int, count: int, size: int, has_options: bool, is_v6: bool) -> list[bytes]:
    """Segments one after the other, as TPA aggregates them, each with a right checksum."""
    frames = []
    for i in range(count):
        segment = bytearray(tcp(port, 1 + i * size, 0x10, has_options, bytes([i & 0xFF]) * size))
        addresses = (
            bytes(15) + b"\2" + bytes(15) + b"\1" if is_v6 else bytes((192, 0, 2, 2, 192, 0, 2, 1))
        )
        pseudo = addresses + struct.pack(">HH", 6, len(segment))
        total = checksum(pseudo + bytes(segment) + bytes(len(segment) % 2))
        segment[16:18] = total.to_bytes(2, "little")
        build = ipv6 if is_v6 else ipv4
        frames.append(MACS[0] + _PEER + build(6, bytes(segment)))
    return frames


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good segment, cut short, with bytes changed, or with bytes behind its end."""
    payload = bytes(draw(st.sampled_from((0, 1, 64, 1448, 4000, 9000))))
    segment = tcp(draw(st.integers(0, 3)), draw(st.integers(0, 0xFFFFFFFF)), 0x10, True, payload)
    build = draw(st.sampled_from((ipv4, ipv6)))
    protocol = draw(st.sampled_from((6, 6, 17, 1, 44, 0, 255)))
    tag = draw(st.sampled_from((b"", b"", b"\x81\x00\x00\x05", b"\x88\xa8\xff\xff\x81\x00\0\1")))
    frame = bytearray(draw(st.sampled_from(MACS)) + _PEER + tag + build(protocol, segment))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=3)):
        if at < len(frame):
            frame[at] = value
    end = draw(st.one_of(st.just(len(frame)), st.integers(0, 90)))
    return bytes(frame[:end]) + bytes(draw(st.sampled_from((0, 0, 1, 60))))


TUNNEL_PORT = 4789


@st.composite
def tunnelled(draw: st.DrawFn) -> bytes:
    """A frame of any kind, or the end of one, in a tunnel that may be cut short."""
    inside = draw(damaged())[draw(st.sampled_from((0, 14))) :]
    header = draw(st.sampled_from((b"", bytes(8), b"\x08" + bytes(7), b"\0\0\x65\x58" + bytes(4))))
    inside = header + inside
    udp = struct.pack(">HHHH", 9, TUNNEL_PORT, min(8 + len(inside), 0xFFFF), 0)
    protocol, above = draw(
        st.sampled_from(((17, udp), (17, udp), (47, b"\0\0\x65\x58"), (4, b""), (41, b"")))
    )
    whole = draw(st.sampled_from((ipv4, ipv6)))(protocol, (above + inside)[:9000])
    return MACS[0] + _PEER + whole[: draw(st.integers(0, len(whole)))] + bytes(64)


@st.composite
def timed(draw: st.DrawFn) -> bytes:
    """A PTP message over Ethernet or UDP, which may be cut short."""
    message = bytes([draw(st.integers(0, 255))]) + bytes(43)
    udp = (
        struct.pack(">HHHH", 319, draw(st.sampled_from((319, 320))), 8 + len(message), 0) + message
    )
    whole = draw(st.sampled_from((b"\x88\xf7" + message, ipv4(17, udp), ipv6(17, udp))))
    return MACS[0] + _PEER + whole[: draw(st.integers(0, len(whole)))]


frames = st.one_of(
    damaged(),
    tunnelled(),
    timed(),
    st.binary(max_size=80),
    st.integers(0, 68000).map(lambda n: MACS[1] + bytes(n)),
)
streams = st.builds(
    in_order, st.integers(0, 3), st.integers(1, 64), st.sampled_from((1, 536, 1448, 4096, 8948)),
    st.booleans(), st.booleans(),
)  # fmt: skip
