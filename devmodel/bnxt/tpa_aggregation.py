# SPDX-License-Identifier: GPL-2.0-only
"""One TPA aggregation: its state, and the headers of the packet it becomes."""

from __future__ import annotations

import dataclasses
import struct
from typing import NamedTuple

from devmodel.bnxt.placement import Flow
from devmodel.net.checksum import Octets, checksum, ones_sum, pseudo_header
from devmodel.net.parse import PROTO_TCP

_be16 = struct.Struct(">H")
_be32_from = struct.Struct(">I").unpack_from
_le16 = struct.Struct("<H")


class Segment(NamedTuple):
    """A TCP segment that may begin an aggregation, as :meth:`devmodel.bnxt.tpa.Tpa.take` got it."""

    frame: Octets
    l4: int
    payload: int
    end: int
    flags2: int
    metadata: int

    @property
    def next_sequence(self) -> int:
        """Sequence number behind its payload."""
        sequence: int = _be32_from(self.frame, self.l4 + 4)[0]
        return sequence + self.end - self.payload & 0xFFFFFFFF


@dataclasses.dataclass(slots=True, eq=False)
class TpaAggregation:
    """One open aggregation.

    :ivar header: content of the start buffer; written when the aggregation ends.
    :ivar payload: offset of the TCP payload in each frame.
    :ivar total_bytes: payload so far, of all segments.
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
    ack: bytes
    ip_constants: tuple[int, int, int]
    metadata: int
    segment_bytes: int
    max_segments: int
    total_bytes: int
    next_sequence: int
    opaque: int = 0
    address: int = 0
    second_opaque: int = 0
    segments: int = 1
    agg_bufs: int = 0
    buffer: tuple[int, int, int] | None = None
    buffer_used: int = 0
    error: int = 0


def ip_constants(frame: Octets, l4: int) -> tuple[int, int, int]:
    """What all segments share: type of service, DF, TTL; or class, flow label, hop limit."""
    if l4 == 34:
        return frame[15], frame[20], frame[22]
    return _be32_from(frame, 14)[0], 0, frame[21]


def merge_headers(aggregation: TpaAggregation) -> None:
    """The headers of one packet that carries everything; the TCP checksum field holds the sum of
    the pseudo header, as for a packet whose checksum is still to be completed."""
    header, l4 = aggregation.header, aggregation.l4
    tcp_bytes = aggregation.payload - l4 + aggregation.total_bytes
    if l4 == 34:
        _be16.pack_into(header, 16, 20 + tcp_bytes)
        header[24:26] = b"\0\0"
        _le16.pack_into(header, 24, checksum(header[14:34]))
        addresses = header[26:34]
    else:
        _be16.pack_into(header, 18, tcp_bytes)
        addresses = header[22:54]
    total = ones_sum(addresses, pseudo_header(PROTO_TCP, tcp_bytes))
    _le16.pack_into(header, l4 + 16, total or 0xFFFF)
