# SPDX-License-Identifier: GPL-2.0-only
"""One TPA aggregation: its state, what its segments share, the headers of the packet it becomes."""

from __future__ import annotations

import dataclasses
import struct

from devmodel.bnxt.hsi.vnic import TpaFlags
from devmodel.bnxt.placement import Flow
from devmodel.net.build import TCP_PSH
from devmodel.net.checksum import Octets, checksum, ones_sum, pseudo_header
from devmodel.net.parse import PROTO_TCP

_be16 = struct.Struct(">H")
_be16_from = struct.Struct(">H").unpack_from
_be32_from = struct.Struct(">I").unpack_from
_le16 = struct.Struct("<H")
_IPV4_L4 = 34
_NOT_PSH = ~TCP_PSH
LIMIT = 65535 + 14
"""Of the one big packet, in bytes."""
_ECN = 3
_STAMP_AT = 4
"""Where TSval is in the options that :data:`TIMESTAMP_OPTION` begins."""

TIMESTAMP_OPTION = b"\x01\x01\x08\x0a"
_TIMESTAMP_BYTES = 12


@dataclasses.dataclass(slots=True, eq=False)
class TpaAggregation:
    """One open aggregation.

    :ivar is_gro: Linux's rules: segments of one size, options that are the same to the last byte.
    :ivar header: content of the start buffer; written when the aggregation ends.
    :ivar payload: offset of the TCP payload in each frame.
    :ivar ack_and_offset: bytes 8 to 12 of the TCP header of each segment.
    :ivar shared: see :func:`shared_by_segments`.
    :ivar tcp_flags: of each segment, without PSH.
    :ivar segment_bytes: payload of the first segment; of the longest without Linux's rules.
    :ivar total_bytes: payload so far, of all segments.
    :ivar first_stamp: TSval of the first segment.
    :ivar next_id: IP identification the next segment must have, -1 for any.
    :ivar due_ns: virtual time at which it ends at the latest.
    :ivar buffer: (opaque, address, capacity) of the aggregation buffer being filled.
    """

    flow: Flow
    agg_id: int
    is_gro: bool
    placement: int
    header: bytearray
    l4: int
    payload: int
    options: bytes
    ack_and_offset: bytes
    shared: tuple[int, int, int]
    metadata: int
    tcp_flags: int
    segment_bytes: int
    max_segments: int
    total_bytes: int
    next_sequence: int
    next_id: int
    due_ns: int
    first_stamp: int = 0
    opaque: int = 0
    address: int = 0
    second_opaque: int = 0
    segments: int = 1
    agg_bufs: int = 0
    buffer: tuple[int, int, int] | None = None
    buffer_used: int = 0
    error: int = 0

    @property
    def tsdelta(self) -> int:
        """The word of TPA_END: of Linux's rules bit 31, that there is a timestamp option; else the
        difference between the last and the first timestamp."""
        if not self.options:
            return 0
        if self.is_gro:
            return 1 << 31
        last: int = _be32_from(self.options, _STAMP_AT)[0]
        return last - self.first_stamp & 0xFFFF_FFFF

    def is_next(self, frame: Octets, tcp: bytes, l4: int, size: int, metadata: int) -> bool:
        """A segment with ``size`` bytes of payload goes on where this ends, by its headers.

        :param frame: its headers at least, with the TCP header ``tcp`` at ``l4``.
        """
        if (
            _be32_from(tcp, 4)[0] != self.next_sequence
            or l4 != self.l4
            or tcp[8:13] != self.ack_and_offset
            or tcp[13] & _NOT_PSH != self.tcp_flags
            or metadata != self.metadata
            or not self.has_shared(frame)
            or l4 + len(tcp) + self.total_bytes + size > LIMIT
        ):
            return False
        if self.is_gro:
            return tcp[20:] == self.options and size <= self.segment_bytes
        return self.takes_stamp(tcp[20:])

    def add(self, tcp: bytes, size: int, count: int) -> None:
        """``count`` segments of ``size`` bytes have joined, the last with the TCP header ``tcp``.

        Their payload is not this one's to count.
        """
        self.segments += count
        self.next_sequence = self.next_sequence + count * size & 0xFFFF_FFFF
        if self.next_id >= 0:
            self.next_id = self.next_id + count & 0xFFFF
        if not self.is_gro:
            self.segment_bytes = max(self.segment_bytes, size)
            self.set_options(tcp[20:])
        self.header[self.l4 + 14 : self.l4 + 16] = tcp[14:16]

    def has_shared(self, frame: Octets) -> bool:
        """The IP header of the next segment is like that of the others."""
        class_and_flow, fragment, ttl = self.shared
        if self.l4 == _IPV4_L4:
            if frame[15] != class_and_flow or frame[20] != fragment:
                return False
            if self.next_id >= 0 and _be16_from(frame, 18)[0] != self.next_id:
                return False
            return ttl < 0 or frame[22] == ttl
        found: int = _be32_from(frame, 14)[0]
        return found == class_and_flow and (ttl < 0 or frame[21] == ttl)

    def takes_stamp(self, options: bytes) -> bool:
        """Without Linux's rules the timestamp of the next segment may be a later one."""
        if options == self.options:
            return True
        if len(options) != len(self.options) or options[:_STAMP_AT] != TIMESTAMP_OPTION:
            return False
        later: int = _be32_from(options, _STAMP_AT)[0] - _be32_from(self.options, _STAMP_AT)[0]
        return later & 0xFFFF_FFFF < 1 << 31

    def set_options(self, options: bytes) -> None:
        """The packet has the timestamps of its last segment."""
        self.options = options
        at = self.l4 + 20
        self.header[at : at + len(options)] = options


def has_usual_options(options: bytes) -> bool:
    """No TCP option, or the timestamp alone, aligned as every system sends it (RFC 7323)."""
    return not options or (
        len(options) == _TIMESTAMP_BYTES and options[:_STAMP_AT] == TIMESTAMP_OPTION
    )


def first_stamp(options: bytes) -> int:
    """TSval, 0 without."""
    stamp: int = _be32_from(options, _STAMP_AT)[0] if options else 0
    return stamp


def ecn_of(frame: Octets, l4: int) -> int:
    """The two ECN bits of the IP header."""
    return frame[15] & _ECN if l4 == _IPV4_L4 else frame[15] >> 4 & _ECN


def identification(frame: Octets, l4: int) -> int:
    """IP identification; -1 for IPv6, which has none here."""
    if l4 != _IPV4_L4:
        return -1
    found: int = _be16_from(frame, 18)[0]
    return found


def shared_by_segments(frame: Octets, l4: int, flags: int) -> tuple[int, int, int]:
    """What must be equal in all segments: type of service (thus ECN), DF; or class and flow label;
    and, where the VNIC says so (VNIC_TPA_CFG, ``flags``), TTL or hop limit; else that is -1."""
    checks_ttl = flags & TpaFlags.GRO_TTL_CHECK
    if l4 == _IPV4_L4:
        return frame[15], frame[20], frame[22] if checks_ttl else -1
    return _be32_from(frame, 14)[0], 0, frame[21] if checks_ttl else -1


def merge_headers(aggregation: TpaAggregation) -> None:
    """The headers of one packet that carries everything; the TCP checksum field holds the sum of
    the pseudo header, as for a packet whose checksum is still to be completed."""
    header, l4 = aggregation.header, aggregation.l4
    tcp_bytes = aggregation.payload - l4 + aggregation.total_bytes
    if l4 == _IPV4_L4:
        _be16.pack_into(header, 16, 20 + tcp_bytes)
        header[24:26] = b"\0\0"
        _le16.pack_into(header, 24, checksum(header[14:34]))
        addresses = header[26:34]
    else:
        _be16.pack_into(header, 18, tcp_bytes)
        addresses = header[22:54]
    total = ones_sum(addresses, pseudo_header(PROTO_TCP, tcp_bytes))
    _le16.pack_into(header, l4 + 16, total or 0xFFFF)
