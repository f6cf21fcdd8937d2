# SPDX-License-Identifier: GPL-2.0-only
"""TPA: hardware GRO and LRO of in-order TCP segments (VNIC_TPA_CFG).

An aggregation takes two consecutive RX descriptors at TPA_START: the first receives the headers
(and payload, where the packet is not split), the second is only reported by TPA_END. Payload goes
to aggregation buffers, each reported by one TPA_AGG. Headers are rewritten as those of one big
packet when the aggregation ends, which always happens before a later packet of the flow is
completed.

Sources: struct rx_tpa_start_cmp and friends (bnxt.h); DPDK's commented copy of the HSI.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable

from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.place import (
    BUFFER_BAD_FORMAT,
    FLAG_RSS_VALID,
    HDS,
    JUMBO,
    PACK_AGG,
    PACK_CMPL,
    Flow,
    Placer,
)
from devmodel.bnxt.resources import Vnic
from devmodel.bnxt.stats import (
    RX_ERROR_PKTS,
    RX_TPA_BYTES,
    RX_TPA_ELIGIBLE_BYTES,
    RX_TPA_ELIGIBLE_PKT,
    RX_TPA_ERRORS,
    RX_TPA_EVENTS,
    RX_TPA_PKT,
)
from devmodel.clock import Clock, Timer
from devmodel.net.build import TCP_ACK, TCP_PSH
from devmodel.net.checksum import Octets, checksum, ones_sum, pseudo_header
from devmodel.net.parse import PROTO_TCP
from devmodel.trace import Trace

# struct hwrm_vnic_tpa_cfg_input, flags
FLAG_TPA = 0x01
FLAG_GRO = 0x20

MAX_SEGMENTS = 63
MAX_AGG_BUFS = 17
"""Linux refuses more fragments in one packet (MAX_SKB_FRAGS)."""
MAX_AGG_IDS = 256
_GRO_PLACEMENT = 4
_IP_LIMIT = 65535
_TIMESTAMP_OPTION = b"\x01\x01\x08\x0a"
_COMPLETION_ENTRIES = 4 + MAX_AGG_BUFS
_be16 = struct.Struct(">H")
_be32_from = struct.Struct(">I").unpack_from
_le16 = struct.Struct("<H")


@dataclasses.dataclass(slots=True, eq=False)
class Session:
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


class Tpa:
    """All aggregations of the function.

    :param timeout_ns: how long an aggregation may wait for its next segment in virtual time; 0
        ends it with the batch it came in.
    """

    def __init__(
        self,
        placer: Placer,
        clock: Clock,
        trace: Trace,
        post: Callable[[], None],
        timeout_ns: int,
    ) -> None:
        self._placer = placer
        self._clock = clock
        self._trace = trace
        self._post = post
        self._timeout_ns = timeout_ns
        self._timer: Timer | None = None
        self._sessions: dict[tuple[int, int], Session] = {}
        """By (RX ring id, aggregation id)."""

    @property
    def open_sessions(self) -> int:
        """Aggregations that have begun and not ended."""
        return len(self._sessions)

    def take(
        self,
        flow: Flow,
        frame: Octets,
        l4: int,
        payload: int,
        end: int,
        flags2: int,
        metadata: int,
        errors: int,
    ) -> bool:
        """Aggregate the packet if possible; False leaves it to normal placement.

        An aggregation of the flow that the packet cannot join has been ended then.
        """
        if not flow.is_tcp:
            return False
        size = end - payload
        flags = frame[l4 + 13]
        session = flow.session
        if (
            errors
            or size <= 0
            or flags & ~TCP_PSH != TCP_ACK
            or end != len(frame)
            or not flow.word & FLAG_RSS_VALID
            or l4 not in (34, 54)
        ):
            if isinstance(session, Session):
                self._end(session)
            return False
        counters = flow.stats.counters
        counters[RX_TPA_ELIGIBLE_PKT] += 1
        counters[RX_TPA_ELIGIBLE_BYTES] += end
        if isinstance(session, Session):
            if self._join(session, frame, l4, payload, end, metadata):
                if (
                    flags & TCP_PSH
                    or size < session.segment_bytes
                    or session.segments >= session.max_segments
                ):
                    if flags & TCP_PSH:
                        session.header[l4 + 13] |= TCP_PSH
                    self._end(session)
                return True
            self._end(session)
        if flags & TCP_PSH or size < flow.vnic.tpa.min_agg_len:
            return False
        return self._start(flow, frame, l4, payload, end, flags2, metadata)

    # -- start ------------------------------------------------------------------------------
    def _start(
        self,
        flow: Flow,
        frame: Octets,
        l4: int,
        payload: int,
        end: int,
        flags2: int,
        metadata: int,
    ) -> bool:
        ring, vnic, sink = flow.ring, flow.vnic, flow.sink
        options = bytes(frame[l4 + 20 : payload])
        if options and (len(options) != 12 or options[:4] != _TIMESTAMP_OPTION):
            return False
        agg_id = self._free_id(ring.id, vnic)
        if agg_id is None or ring.agg is None or not ring.agg.buf_size:
            return False
        modes = vnic.plcmodes
        if flow.hds_flag & modes.flags and end > modes.hds_threshold:
            placement, first = HDS, payload
        else:
            placement, first = JUMBO, min(end, ring.usable)
        if first < payload or first > ring.usable or ring.available() < 2:
            return False
        if sink.room < _COMPLETION_ENTRIES:
            return False
        is_gro = bool(vnic.tpa.flags & FLAG_GRO)
        session = Session(
            flow,
            agg_id,
            is_gro=is_gro,
            placement=placement | _GRO_PLACEMENT if is_gro else placement,
            header=bytearray(frame[:first]),
            l4=l4,
            payload=payload,
            options=options,
            ack=bytes(frame[l4 + 8 : l4 + 12]),
            ip_constants=_ip_constants(frame, l4),
            metadata=metadata,
            segment_bytes=end - payload,
            max_segments=min(vnic.tpa.max_agg_segs or MAX_SEGMENTS, MAX_SEGMENTS),
            total_bytes=first - payload,
            next_sequence=_be32_from(frame, l4 + 4)[0] + end - payload & 0xFFFFFFFF,
        )
        if not self._fits(session, end - first):
            return False
        start, second = ring.take(), ring.take()
        if start is None or second is None:
            return False
        word, session.opaque, address = start
        session.address = address + ring.sop_pad
        session.second_opaque = second[1]
        if word >> 16 < first + ring.sop_pad:
            session.error = BUFFER_BAD_FORMAT
        self._sessions[ring.id, agg_id] = session
        flow.session = session
        sink.reserve(_COMPLETION_ENTRIES)
        hdr_info = 14 << 18 | (payload - l4 & 0x1F) << 27
        sink.add_reserved(
            PACK_CMPL(
                CmplType.RX_TPA_START
                | session.placement << 7
                | FLAG_RSS_VALID
                | flow.itype_word
                | first << 16,
                session.opaque,
                flow.misc | agg_id << 16,
                flow.hash,
                flags2,
                metadata,
                0,
                hdr_info,
            )
        )
        self._append(session, frame, first, end)
        return True

    def _free_id(self, ring_id: int, vnic: Vnic) -> int | None:
        limit = min(vnic.tpa.max_aggs or MAX_AGG_IDS, MAX_AGG_IDS)
        if len(self._sessions) >= limit:
            return None
        return next(i for i in range(limit) if (ring_id, i) not in self._sessions)

    # -- join -------------------------------------------------------------------------------
    def _join(
        self, session: Session, frame: Octets, l4: int, payload: int, end: int, metadata: int
    ) -> bool:
        size = end - payload
        tcp = bytes(frame[l4:payload])
        if (
            _be32_from(tcp, 4)[0] != session.next_sequence
            or size > session.segment_bytes
            or tcp[8:12] != session.ack
            or tcp[20:] != session.options
            or payload != session.payload
            or metadata != session.metadata
            or _ip_constants(frame, l4) != session.ip_constants
            or session.payload + session.total_bytes + size - 14 > _IP_LIMIT
        ):
            return False
        buffer = session.buffer
        if not (buffer and buffer[2] - session.buffer_used >= size) and not self._fits(
            session, size
        ):
            return False
        self._append(session, frame, payload, end)
        session.segments += 1
        session.next_sequence = session.next_sequence + size & 0xFFFFFFFF
        session.header[l4 + 14 : l4 + 16] = tcp[14:16]
        return True

    def _fits(self, session: Session, size: int) -> bool:
        """Enough aggregation buffers are posted, and allowed, for ``size`` more bytes."""
        agg = session.flow.ring.agg
        if agg is None:
            return False
        room = session.buffer[2] - session.buffer_used if session.buffer else 0
        if session.is_gro and room < size:
            room = 0
        fresh = -(-max(size - room, 0) // agg.buf_size)
        used = session.agg_bufs + (1 if session.buffer else 0)
        return used + fresh <= MAX_AGG_BUFS and agg.available() >= fresh

    def _append(self, session: Session, frame: Octets, at: int, end: int) -> None:
        """Payload into aggregation buffers; in GRO mode a segment that does not fit the rest of
        a buffer starts a new one."""
        agg = session.flow.ring.agg
        assert agg is not None
        session.total_bytes += end - at
        buffer = session.buffer
        if session.is_gro and buffer and buffer[2] - session.buffer_used < end - at:
            self._close_buffer(session)
        while at < end and not session.error:
            if session.buffer is None:
                bd = agg.take()
                capacity = min(bd[0] >> 16, agg.buf_size) if bd else 0
                if bd is None or not capacity or session.agg_bufs >= MAX_AGG_BUFS:
                    session.error = BUFFER_BAD_FORMAT
                    return
                session.buffer = (bd[1], bd[2], capacity)
                session.buffer_used = 0
            _, address, capacity = session.buffer
            size = min(capacity - session.buffer_used, end - at)
            if not self._placer.write(agg, address + session.buffer_used, frame[at : at + size]):
                session.error = BUFFER_BAD_FORMAT
            session.buffer_used += size
            at += size
            if session.buffer_used == capacity:
                self._close_buffer(session)

    @staticmethod
    def _close_buffer(session: Session) -> None:
        if session.buffer is None:
            return
        session.flow.sink.add_reserved(
            PACK_AGG(
                CmplType.RX_TPA_AGG | session.buffer_used << 16,
                session.buffer[0],
                session.agg_id << 16,
                0,
            )
        )
        session.agg_bufs += 1
        session.buffer = None

    # -- end --------------------------------------------------------------------------------
    def _end(self, session: Session) -> None:
        flow = session.flow
        flow.session = None
        self._sessions.pop((flow.ring.id, session.agg_id), None)
        self._close_buffer(session)
        if session.segments > 1:
            _merge_headers(session)
        if not self._placer.write(flow.ring, session.address, session.header):
            session.error = BUFFER_BAD_FORMAT
        flow.sink.add_reserved(
            PACK_CMPL(
                CmplType.RX_TPA_END
                | session.placement << 7
                | FLAG_RSS_VALID
                | flow.itype_word
                | len(session.header) << 16,
                session.second_opaque,
                session.segments << 8 | session.agg_id << 16,
                1 << 31 if session.options else 0,
                (session.payload & 0xFF) << 16 | session.agg_bufs << 24,
                session.segment_bytes,
                session.error << 1,
                session.opaque,
            )
        )
        flow.sink.release(_COMPLETION_ENTRIES - 4 - session.agg_bufs)
        counters = flow.stats.counters
        wire_bytes = session.total_bytes + session.segments * (
            session.payload + (4 if session.metadata else 0)
        )
        if session.error:
            counters[RX_ERROR_PKTS] += session.segments
            counters[RX_TPA_ERRORS] += session.segments
        else:
            counters[flow.packet_counter] += session.segments
            counters[flow.byte_counter] += wire_bytes
            counters[RX_TPA_PKT] += session.segments
            counters[RX_TPA_BYTES] += wire_bytes
            counters[RX_TPA_EVENTS] += 1

    def flush(self, *, ring_id: int | None = None, vnic: Vnic | None = None) -> None:
        """End aggregations: all, those of an RX ring, or those of a VNIC. Posts nothing."""
        for session in list(self._sessions.values()):
            if ring_id not in (None, session.flow.ring.id):
                continue
            if vnic is None or session.flow.vnic is vnic:
                self._end(session)

    def end_of_batch(self) -> None:
        """No more frames for now: end everything, or let the clock do it."""
        if not self._sessions:
            return
        if not self._timeout_ns:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.call_later(self._timeout_ns, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.flush()
        self._post()

    def reset(self) -> None:
        """Forget everything without touching host memory."""
        for session in self._sessions.values():
            session.flow.session = None
        self._sessions.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ip_constants(frame: Octets, l4: int) -> tuple[int, int, int]:
    """What all segments share: type of service, DF, TTL; or class, flow label, hop limit."""
    if l4 == 34:
        return frame[15], frame[20], frame[22]
    return _be32_from(frame, 14)[0], 0, frame[21]


def _merge_headers(session: Session) -> None:
    """The headers of one packet that carries everything; the TCP checksum field holds the sum of
    the pseudo header, as for a packet whose checksum is still to be completed."""
    header, l4 = session.header, session.l4
    tcp_bytes = session.payload - l4 + session.total_bytes
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
