# SPDX-License-Identifier: GPL-2.0-only
"""What a NIC does to bytes on the way out: checksums, VLAN tag, TCP and UDP segmentation."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from devmodel.net.checksum import Octets, checksum, ones_sum, pseudo_header
from devmodel.net.parse import Packet

TCP_FIN = 0x01
TCP_SYN = 0x02
TCP_RST = 0x04
TCP_PSH = 0x08
TCP_ACK = 0x10
TCP_URG = 0x20
TCP_ECE = 0x40
TCP_CWR = 0x80

_LAST_ONLY = TCP_FIN | TCP_PSH
_le16 = struct.Struct("<H")
_be16 = struct.Struct(">H")
_be32 = struct.Struct(">I")


def insert_vlan(frame: Octets, tpid: int, tci: int) -> bytes:
    """``frame`` with an 802.1Q/802.1ad tag behind the MAC addresses (14 bytes needed)."""
    return b"".join((frame[:12], struct.pack(">HH", tpid, tci), frame[12:]))


def fill_ip_checksum(frame: bytearray, packet: Packet) -> None:
    """Compute the IPv4 header checksum in place; nothing for other packets."""
    if packet.ip_version != 4:
        return
    header = frame[packet.l3]
    end = packet.l3 + (header & 15) * 4
    _le16.pack_into(frame, packet.l3 + 10, 0)
    _le16.pack_into(frame, packet.l3 + 10, checksum(frame[packet.l3 : end]))


def fill_l4_checksum(frame: bytearray, packet: Packet) -> None:
    """Compute the TCP or UDP checksum in place, whatever the field held; a UDP sum is never 0."""
    l4 = packet.l4
    if packet.is_tcp:
        at, end = l4 + 16, packet.end
    elif packet.is_udp:
        at, end = l4 + 6, l4 + _be16.unpack_from(frame, l4 + 4)[0]
    else:
        return
    _le16.pack_into(frame, at, 0)
    initial = pseudo_header(packet.protocol, end - l4) + ones_sum(packet.src + packet.dst)
    value = checksum(memoryview(frame)[l4:end], initial)
    _le16.pack_into(frame, at, value or (0xFFFF if packet.is_udp else 0))


class Segmenter:
    """Cuts one TCP or UDP packet into segments of at most ``mss`` payload bytes.

    The header of the packet (``frame[:header_bytes]``) is repeated with lengths, IPv4
    identification, sequence number, flags and checksums of each segment: CWR stays on the first,
    FIN and PSH on the last one (what Linux tcp_gso_segment() does).

    :param packet: recognised from the header; offsets are taken from it, ``src``/``dst`` too.
    :param outer: the packet around it if it is in a tunnel; its lengths, IPv4 identification and
        UDP checksum (if it has one) follow those of each segment.
    :param increment_ip_id: False keeps the IPv4 identification of the packet in every segment.
    """

    def __init__(
        self,
        frame: Octets,
        packet: Packet,
        header_bytes: int,
        mss: int,
        *,
        outer: Packet | None = None,
        increment_ip_id: bool = True,
    ) -> None:
        self._outer = outer
        self._payload = memoryview(frame)[header_bytes:]
        self._header = bytearray(frame[:header_bytes])
        self._mss = mss
        self._packet = packet
        self._tcp = packet.protocol == 6
        self._ip_id_step = 1 if increment_ip_id else 0

    def __len__(self) -> int:
        return max(1, -(-len(self._payload) // self._mss))

    def __iter__(self) -> Iterator[bytes]:
        return self._segments()

    def _segments(self) -> Iterator[bytes]:
        header, packet, mss = self._header, self._packet, self._mss
        l3, l4 = packet.l3, packet.l4
        is_v4 = packet.ip_version == 4
        l4_checksum_at = l4 + (16 if self._tcp else 6)
        _le16.pack_into(header, l4_checksum_at, 0)
        sequence = flags = ip_id = ip_sum = 0
        if self._tcp:
            (sequence,) = _be32.unpack_from(header, l4 + 4)
            flags = header[l4 + 13]
        if is_v4:
            (ip_id,) = _be16.unpack_from(header, l3 + 4)
            header[l3 + 2 : l3 + 6] = bytes(4)
            _le16.pack_into(header, l3 + 10, 0)
            ip_sum = ones_sum(header[l3:l4])
        outer = self._outer
        outer_id = 0
        if outer is not None and outer.ip_version == 4:
            (outer_id,) = _be16.unpack_from(header, outer.l3 + 4)
        addresses = ones_sum(packet.src + packet.dst)
        l4_header = len(header) - l4
        total = len(self._payload)
        count = len(self)
        for i in range(count):
            piece = self._payload[i * mss : min((i + 1) * mss, total)]
            l4_bytes = l4_header + len(piece)
            if is_v4:
                l3_bytes = l4 - l3 + l4_bytes
                identification = (ip_id + i * self._ip_id_step) & 0xFFFF
                _be16.pack_into(header, l3 + 2, l3_bytes)
                _be16.pack_into(header, l3 + 4, identification)
                total_sum = (ip_sum + (l3_bytes + identification) * 256) % 65535
                _le16.pack_into(header, l3 + 10, 0xFFFF - total_sum if total_sum else 0)
            else:
                _be16.pack_into(header, l3 + 4, l4 - l3 - 40 + l4_bytes)
            if self._tcp:
                _be32.pack_into(header, l4 + 4, (sequence + i * mss) & 0xFFFFFFFF)
                now = flags
                if i:
                    now &= ~TCP_CWR
                if i != count - 1:
                    now &= ~_LAST_ONLY
                header[l4 + 13] = now
            else:
                _be16.pack_into(header, l4 + 4, l4_bytes)
            initial = pseudo_header(packet.protocol, l4_bytes) + addresses
            _le16.pack_into(header, l4_checksum_at, 0)
            value = ones_sum(piece, initial + ones_sum(header[l4:]))
            value = 0xFFFF - value if value else 0
            if not value and not self._tcp:
                value = 0xFFFF
            _le16.pack_into(header, l4_checksum_at, value)
            if outer is not None:
                _fix_outer(header, outer, piece, outer_id + i * self._ip_id_step & 0xFFFF)
            yield b"".join((header, piece))


def _fix_outer(header: bytearray, outer: Packet, piece: Octets, ip_id: int) -> None:
    """Lengths, identification and checksums of the headers around a segment."""
    l3, l4 = outer.l3, outer.l4
    l4_bytes = len(header) + len(piece) - l4
    if outer.ip_version == 4:
        _be16.pack_into(header, l3 + 2, l4 - l3 + l4_bytes)
        _be16.pack_into(header, l3 + 4, ip_id)
        fill_ip_checksum(header, outer)
    else:
        _be16.pack_into(header, l3 + 4, l4 - l3 - 40 + l4_bytes)
    if outer.is_udp:
        _be16.pack_into(header, l4 + 4, l4_bytes)
        if header[l4 + 6 : l4 + 8] != b"\0\0":
            _le16.pack_into(header, l4 + 6, 0)
            initial = pseudo_header(outer.protocol, l4_bytes) + ones_sum(outer.src + outer.dst)
            total = ones_sum(piece, initial + ones_sum(header[l4:]))
            _le16.pack_into(header, l4 + 6, 0xFFFF - total)
