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

import struct
from collections.abc import Callable

from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.placement import (
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
from devmodel.bnxt.tpa_aggregation import Segment, TpaAggregation, ip_constants, merge_headers
from devmodel.clock import Clock, Timer
from devmodel.net.build import TCP_ACK, TCP_PSH
from devmodel.net.checksum import Octets
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
_be32_from = struct.Struct(">I").unpack_from


Place = Callable[[Flow, Octets, int, int, int, int, int], None]
"""Normal placement of (flow, frame, payload, end, flags2, metadata, errors)."""


class Tpa:
    """All aggregations of the function.

    :param post: writes the completions of all rings.
    :param place: where a segment goes that found nothing to be aggregated with.
    :param timeout_ns: how long an aggregation may wait for its next segment in virtual time; 0
        ends it with the batch it came in, and begins none for a segment that is alone in it.
    """

    def __init__(
        self,
        placer: Placer,
        clock: Clock,
        trace: Trace,
        post: Callable[[], None],
        place: Place,
        timeout_ns: int,
    ) -> None:
        self._placer = placer
        self._clock = clock
        self._trace = trace
        self._post = post
        self._place = place
        self._alone: list[Flow] = []
        """Flows whose last segment waits for another one of the batch (``Flow.first_segment``)."""
        self._timeout_ns = timeout_ns
        self._timer: Timer | None = None
        self._aggregations: dict[tuple[int, int], TpaAggregation] = {}
        """By (RX ring id, aggregation id)."""

    @property
    def open_aggregations(self) -> int:
        """Aggregations that have begun and not ended."""
        return len(self._aggregations)

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

        What the packet cannot join has been ended or placed then.
        """
        if not flow.is_tcp:
            return False
        size = end - payload
        flags = frame[l4 + 13]
        aggregation = flow.aggregation
        if (
            errors
            or size <= 0
            or flags & ~TCP_PSH != TCP_ACK
            or end != len(frame)
            or not flow.word & FLAG_RSS_VALID
            or l4 not in (34, 54)
        ):
            self._settle(flow)
            return False
        counters = flow.stats.counters
        counters[RX_TPA_ELIGIBLE_PKT] += 1
        counters[RX_TPA_ELIGIBLE_BYTES] += end
        first = flow.first_segment
        if isinstance(first, Segment):
            if first.next_sequence == _be32_from(frame, l4 + 4)[0] and self._start(flow, *first):
                flow.first_segment = None
                aggregation = flow.aggregation
            else:
                self._settle(flow)
        if isinstance(aggregation, TpaAggregation):
            if self._join(aggregation, frame, l4, payload, end, metadata):
                if (
                    flags & TCP_PSH
                    or size < aggregation.segment_bytes
                    or aggregation.segments >= aggregation.max_segments
                ):
                    if flags & TCP_PSH:
                        aggregation.header[l4 + 13] |= TCP_PSH
                    self._end(aggregation)
                return True
            self._end(aggregation)
        if flags & TCP_PSH or size < flow.vnic.tpa.min_agg_len:
            return False
        if self._timeout_ns:
            return self._start(flow, frame, l4, payload, end, flags2, metadata)
        flow.first_segment = Segment(frame, l4, payload, end, flags2, metadata)
        self._alone.append(flow)
        return True

    def _settle(self, flow: Flow) -> None:
        """Nothing of the flow may be pending when its next packet is placed."""
        first, flow.first_segment = flow.first_segment, None
        if isinstance(first, Segment):
            self._place(
                flow, first.frame, first.payload, first.end, first.flags2, first.metadata, 0
            )
        if isinstance(flow.aggregation, TpaAggregation):
            self._end(flow.aggregation)

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
        aggregation = TpaAggregation(
            flow,
            agg_id,
            is_gro=is_gro,
            placement=placement | _GRO_PLACEMENT if is_gro else placement,
            header=bytearray(frame[:first]),
            l4=l4,
            payload=payload,
            options=options,
            ack=bytes(frame[l4 + 8 : l4 + 12]),
            ip_constants=ip_constants(frame, l4),
            metadata=metadata,
            segment_bytes=end - payload,
            max_segments=min(vnic.tpa.max_agg_segs or MAX_SEGMENTS, MAX_SEGMENTS),
            total_bytes=first - payload,
            next_sequence=_be32_from(frame, l4 + 4)[0] + end - payload & 0xFFFFFFFF,
        )
        if not self._fits(aggregation, end - first):
            return False
        start, second = ring.take(), ring.take()
        if start is None or second is None:
            return False
        word, aggregation.opaque, address = start
        aggregation.address = address + ring.sop_pad
        aggregation.second_opaque = second[1]
        if word >> 16 < first + ring.sop_pad:
            aggregation.error = BUFFER_BAD_FORMAT
        self._aggregations[ring.id, agg_id] = aggregation
        flow.aggregation = aggregation
        sink.reserve(_COMPLETION_ENTRIES)
        hdr_info = 14 << 18 | (payload - l4 & 0x1F) << 27
        sink.add_reserved(
            PACK_CMPL(
                CmplType.RX_TPA_START
                | aggregation.placement << 7
                | FLAG_RSS_VALID
                | flow.itype_word
                | first << 16,
                aggregation.opaque,
                flow.misc | agg_id << 16,
                flow.hash,
                flags2,
                metadata,
                0,
                hdr_info,
            )
        )
        self._append(aggregation, frame, first, end)
        return True

    def _free_id(self, ring_id: int, vnic: Vnic) -> int | None:
        limit = min(vnic.tpa.max_aggs or MAX_AGG_IDS, MAX_AGG_IDS)
        if len(self._aggregations) >= limit:
            return None
        return next(i for i in range(limit) if (ring_id, i) not in self._aggregations)

    # -- join -------------------------------------------------------------------------------
    def _join(
        self,
        aggregation: TpaAggregation,
        frame: Octets,
        l4: int,
        payload: int,
        end: int,
        metadata: int,
    ) -> bool:
        size = end - payload
        tcp = bytes(frame[l4:payload])
        if (
            _be32_from(tcp, 4)[0] != aggregation.next_sequence
            or size > aggregation.segment_bytes
            or tcp[8:12] != aggregation.ack
            or tcp[20:] != aggregation.options
            or payload != aggregation.payload
            or metadata != aggregation.metadata
            or ip_constants(frame, l4) != aggregation.ip_constants
            or aggregation.payload + aggregation.total_bytes + size - 14 > _IP_LIMIT
        ):
            return False
        buffer = aggregation.buffer
        if not (buffer and buffer[2] - aggregation.buffer_used >= size) and not self._fits(
            aggregation, size
        ):
            return False
        self._append(aggregation, frame, payload, end)
        aggregation.segments += 1
        aggregation.next_sequence = aggregation.next_sequence + size & 0xFFFFFFFF
        aggregation.header[l4 + 14 : l4 + 16] = tcp[14:16]
        return True

    def _fits(self, aggregation: TpaAggregation, size: int) -> bool:
        """Enough aggregation buffers are posted, and allowed, for ``size`` more bytes."""
        agg = aggregation.flow.ring.agg
        if agg is None:
            return False
        room = aggregation.buffer[2] - aggregation.buffer_used if aggregation.buffer else 0
        if aggregation.is_gro and room < size:
            room = 0
        fresh = -(-max(size - room, 0) // agg.buf_size)
        used = aggregation.agg_bufs + (1 if aggregation.buffer else 0)
        return used + fresh <= MAX_AGG_BUFS and agg.available() >= fresh

    def _append(self, aggregation: TpaAggregation, frame: Octets, at: int, end: int) -> None:
        """Payload into aggregation buffers; in GRO mode a segment that does not fit the rest of
        a buffer starts a new one."""
        agg = aggregation.flow.ring.agg
        assert agg is not None
        aggregation.total_bytes += end - at
        buffer = aggregation.buffer
        if aggregation.is_gro and buffer and buffer[2] - aggregation.buffer_used < end - at:
            self._close_buffer(aggregation)
        while at < end and not aggregation.error:
            if aggregation.buffer is None:
                bd = agg.take()
                capacity = min(bd[0] >> 16, agg.buf_size) if bd else 0
                if bd is None or not capacity or aggregation.agg_bufs >= MAX_AGG_BUFS:
                    aggregation.error = BUFFER_BAD_FORMAT
                    return
                aggregation.buffer = (bd[1], bd[2], capacity)
                aggregation.buffer_used = 0
            _, address, capacity = aggregation.buffer
            size = min(capacity - aggregation.buffer_used, end - at)
            if not self._placer.write(
                agg, address + aggregation.buffer_used, frame[at : at + size]
            ):
                aggregation.error = BUFFER_BAD_FORMAT
            aggregation.buffer_used += size
            at += size
            if aggregation.buffer_used == capacity:
                self._close_buffer(aggregation)

    @staticmethod
    def _close_buffer(aggregation: TpaAggregation) -> None:
        if aggregation.buffer is None:
            return
        aggregation.flow.sink.add_reserved(
            PACK_AGG(
                CmplType.RX_TPA_AGG | aggregation.buffer_used << 16,
                aggregation.buffer[0],
                aggregation.agg_id << 16,
                0,
            )
        )
        aggregation.agg_bufs += 1
        aggregation.buffer = None

    # -- end --------------------------------------------------------------------------------
    def _end(self, aggregation: TpaAggregation) -> None:
        flow = aggregation.flow
        flow.aggregation = None
        self._aggregations.pop((flow.ring.id, aggregation.agg_id), None)
        self._close_buffer(aggregation)
        if aggregation.segments > 1:
            merge_headers(aggregation)
        if not self._placer.write(flow.ring, aggregation.address, aggregation.header):
            aggregation.error = BUFFER_BAD_FORMAT
        flow.sink.add_reserved(
            PACK_CMPL(
                CmplType.RX_TPA_END
                | aggregation.placement << 7
                | FLAG_RSS_VALID
                | flow.itype_word
                | len(aggregation.header) << 16,
                aggregation.second_opaque,
                aggregation.segments << 8 | aggregation.agg_id << 16,
                1 << 31 if aggregation.options else 0,
                (aggregation.payload & 0xFF) << 16 | aggregation.agg_bufs << 24,
                aggregation.segment_bytes,
                aggregation.error << 1,
                aggregation.opaque,
            )
        )
        flow.sink.release(_COMPLETION_ENTRIES - 4 - aggregation.agg_bufs)
        counters = flow.stats.counters
        wire_bytes = aggregation.total_bytes + aggregation.segments * (
            aggregation.payload + (4 if aggregation.metadata else 0)
        )
        if aggregation.error:
            counters[RX_ERROR_PKTS] += aggregation.segments
            counters[RX_TPA_ERRORS] += aggregation.segments
        else:
            counters[flow.packet_counter] += aggregation.segments
            counters[flow.byte_counter] += wire_bytes
            counters[RX_TPA_PKT] += aggregation.segments
            counters[RX_TPA_BYTES] += wire_bytes
            counters[RX_TPA_EVENTS] += 1

    def flush(self, *, ring_id: int | None = None, vnic: Vnic | None = None) -> None:
        """End aggregations: all, those of an RX ring, or those of a VNIC. Posts nothing."""
        alone, self._alone = self._alone, []
        for flow in alone:
            if flow.first_segment is not None:
                self._settle(flow)
        for aggregation in list(self._aggregations.values()):
            if ring_id not in (None, aggregation.flow.ring.id):
                continue
            if vnic is None or aggregation.flow.vnic is vnic:
                self._end(aggregation)

    def end_of_batch(self) -> None:
        """No more frames for now: end everything, or let the clock do it."""
        if not self._timeout_ns:
            if self._alone:
                self.flush()
        elif self._aggregations and self._timer is None:
            self._timer = self._clock.call_later(self._timeout_ns, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.flush()
        self._post()

    def reset(self) -> None:
        """Forget everything without touching host memory."""
        for flow in self._alone:
            flow.first_segment = None
        self._alone.clear()
        for aggregation in self._aggregations.values():
            aggregation.flow.aggregation = None
        self._aggregations.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
