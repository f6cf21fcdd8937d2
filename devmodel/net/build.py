# SPDX-License-Identifier: GPL-2.0-only
"""What a NIC does to bytes on the way out: checksums, VLAN tag, TCP and UDP segmentation."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from devmodel.net.checksum import Octets, checksum, ones_sum, pseudo_header
from devmodel.net.parse import PROTO_TCP, Packet

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
_be16x2 = struct.Struct(">HH")
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
    :ivar packet: as given. ``mss``: likewise.
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
        self.packet = packet
        self.mss = mss
        self._outer = outer
        self._payload = memoryview(frame)[header_bytes:]
        self._tcp = packet.protocol == PROTO_TCP
        self._ip_id_step = 1 if increment_ip_id else 0
        self._sequence = self._flags = self._ip_id = self._ip_sum = self._outer_id = 0
        # A template: what differs between segments is zero where a sum goes over it.
        header = self._header = bytearray(frame[:header_bytes])
        l3, l4 = packet.l3, packet.l4
        if self._tcp:
            (self._sequence,) = _be32.unpack_from(header, l4 + 4)
            self._flags = header[l4 + 13]
        if packet.ip_version == 4:
            (self._ip_id,) = _be16.unpack_from(header, l3 + 4)
            header[l3 + 2 : l3 + 6] = bytes(4)
            _le16.pack_into(header, l3 + 10, 0)
            self._ip_sum = ones_sum(header[l3:l4])
        if outer is not None and outer.ip_version == 4:
            (self._outer_id,) = _be16.unpack_from(header, outer.l3 + 4)
        self._addresses = ones_sum(packet.src + packet.dst)

    def __len__(self) -> int:
        return max(1, -(-len(self._payload) // self.mss))

    def __iter__(self) -> Iterator[bytes]:
        return self.segments()

    def segments(self, first: int = 0) -> Iterator[bytes]:
        """The frames, from that one on."""
        if self._tcp and self._outer is None:
            return self._tcp_segments(first)
        return self._any_segments(first)

    def _tcp_segments(self, first: int) -> Iterator[bytes]:
        """The usual kind, where all that differs from one header to the next is known."""
        l3, l4, mss = self.packet.l3, self.packet.l4, self.mss
        header, payload, is_v4 = self._header[:], self._payload, self.packet.ip_version == 4
        total, header_bytes = len(payload), len(header)
        header[l4 + 4 : l4 + 8] = bytes(4)
        header[l4 + 13] = 0
        _le16.pack_into(header, l4 + 16, 0)
        # A number in network order adds 256 times itself to a sum of little-endian words.
        base = ones_sum(header[l4:]) + self._addresses + (PROTO_TCP << 8)
        pack_length_and_id, pack_sequence = _be16x2.pack_into, _be32.pack_into
        pack_sum = _le16.pack_into
        for i in range(first, len(self)):
            at = i * mss
            end = at + mss
            flags = self._flags
            if i:
                flags &= ~TCP_CWR
            if end < total:
                flags &= ~_LAST_ONLY
            piece = payload[at:end]
            l4_bytes = header_bytes - l4 + len(piece)
            sequence = (self._sequence + at) & 0xFFFFFFFF
            if is_v4:
                l3_bytes = l4 - l3 + l4_bytes
                identification = (self._ip_id + i * self._ip_id_step) & 0xFFFF
                pack_length_and_id(header, l3 + 2, l3_bytes, identification)
                value = (self._ip_sum + (l3_bytes + identification) * 256) % 65535
                pack_sum(header, l3 + 10, 0xFFFF - value if value else 0)
            else:
                _be16.pack_into(header, l3 + 4, l4 - l3 - 40 + l4_bytes)
            pack_sequence(header, l4 + 4, sequence)
            header[l4 + 13] = flags
            value = ones_sum(piece, base + ((l4_bytes + sequence + flags) << 8))
            pack_sum(header, l4 + 16, 0xFFFF - value if value else 0)
            yield b"".join((header, piece))

    def _any_segments(self, first: int) -> Iterator[bytes]:
        packet, mss = self.packet, self.mss
        l4 = packet.l4
        l4_checksum_at = l4 + (16 if self._tcp else 6)
        total = len(self._payload)
        for i in range(first, len(self)):
            piece = self._payload[i * mss : min((i + 1) * mss, total)]
            header = self._header_of(i, len(piece))
            _le16.pack_into(header, l4_checksum_at, 0)
            l4_bytes = len(header) - l4 + len(piece)
            initial = pseudo_header(packet.protocol, l4_bytes) + self._addresses
            value = ones_sum(piece, initial + ones_sum(header[l4:]))
            value = 0xFFFF - value if value else 0
            if not value and not self._tcp:
                value = 0xFFFF
            _le16.pack_into(header, l4_checksum_at, value)
            if self._outer is not None:
                outer_id = self._outer_id + i * self._ip_id_step & 0xFFFF
                _fix_outer(header, self._outer, piece, outer_id)
            yield b"".join((header, piece))

    def _header_of(self, i: int, size: int) -> bytearray:
        """The header of segment ``i``, with ``size`` bytes of payload, but for its L4 checksum."""
        header = self._header[:]
        l3, l4 = self.packet.l3, self.packet.l4
        l4_bytes = len(header) - l4 + size
        if self.packet.ip_version == 4:
            l3_bytes = l4 - l3 + l4_bytes
            identification = (self._ip_id + i * self._ip_id_step) & 0xFFFF
            _be16.pack_into(header, l3 + 2, l3_bytes)
            _be16.pack_into(header, l3 + 4, identification)
            total_sum = (self._ip_sum + (l3_bytes + identification) * 256) % 65535
            _le16.pack_into(header, l3 + 10, 0xFFFF - total_sum if total_sum else 0)
        else:
            _be16.pack_into(header, l3 + 4, l4 - l3 - 40 + l4_bytes)
        if self._tcp:
            _be32.pack_into(header, l4 + 4, (self._sequence + i * self.mss) & 0xFFFFFFFF)
            flags = self._flags
            if i:
                flags &= ~TCP_CWR
            if (i + 1) * self.mss < len(self._payload):
                flags &= ~_LAST_ONLY
            header[l4 + 13] = flags
        else:
            _be16.pack_into(header, l4 + 4, l4_bytes)
        return header


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
