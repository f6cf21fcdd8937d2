# SPDX-License-Identifier: GPL-2.0-only
"""TPA: hardware GRO and LRO of in-order TCP segments (VNIC_TPA_CFG).

An aggregation takes two consecutive RX descriptors at TPA_START: the first receives the headers
(and payload, where the packet is not split), the second is only reported by TPA_END. Payload goes
to aggregation buffers, each reported by one TPA_AGG once it is full. Headers are rewritten as
those of one big packet when the aggregation ends: at the latest when its time is over, and always
before a later packet of the flow is completed or a barrier is answered.

Sources: struct rx_tpa_start_cmp and friends (bnxt.h); DPDK's commented copy of the HSI.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable

from devmodel.bnxt.cmpl import CmplRing
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.hsi.vnic import TpaFlags
from devmodel.bnxt.in_turn import InTurn
from devmodel.bnxt.placement import (
    BUFFER_BAD_FORMAT,
    FLAG_RSS_VALID,
    HDS,
    JUMBO,
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
from devmodel.bnxt.tpa_aggregation import (
    LIMIT,
    TpaAggregation,
    ecn_of,
    first_stamp,
    has_usual_options,
    identification,
    merge_headers,
    shared_by_segments,
)
from devmodel.bnxt.tpa_payload import MAX_AGG_BUFS, TpaPayload
from devmodel.clock import Clock, Timer, Timing
from devmodel.faults.engine import FaultEngine
from devmodel.faults.rule import Event
from devmodel.net.build import TCP_ACK, TCP_ECE, TCP_PSH
from devmodel.net.checksum import Octets
from devmodel.net.train import Train
from devmodel.oracle.buffers import OpenBuffer

SEGMENT_UNITS = 4
"""What VNIC_TPA_CFG's ``max_agg_segs`` counts in."""
MAX_SEGMENTS = 63 * SEGMENT_UNITS
MAX_AGGS = 256
"""Aggregations of one VNIC at once."""
AGG_IDS = 1024
"""Numbers of aggregations; they are used in turn, as the chip does, not the lowest first."""
TIMER_UNIT_NS = 1000
"""Of VNIC_TPA_CFG's ``max_agg_timer``: a guess, nobody has published it."""
_GRO_PLACEMENT = 4
_COMPLETION_ENTRIES = 4 + MAX_AGG_BUFS
_NEVER = 1 << 64
_VERSION_OF = {34: 4, 54: 6}
"""Version of an IP header without options, by where the TCP header begins."""
_OFFSET_RESERVED = 0x0F
_NOT_OF_ALL = ~(TCP_PSH | TCP_ECE)
"""TCP flags that a segment of an aggregation need not have."""
_be32_from = struct.Struct(">I").unpack_from


class Tpa:
    """All aggregations of the function.

    :param post: writes the completions of all rings.
    :param turn: of the receive side: what ends late ends behind what is being placed.
    """

    def __init__(
        self,
        placer: Placer,
        clock: Clock,
        faults: FaultEngine,
        post: Callable[[], None],
        turn: InTurn,
    ) -> None:
        self._turn = turn
        self._placer = placer
        self._payload = TpaPayload(placer)
        self._clock = clock
        self._faults = faults
        self._post = post
        self._timer: Timer | None = None
        self._next_due_ns = _NEVER
        """No aggregation ends for its time before this."""
        self._next_id = 0
        self._aggregations: dict[int, TpaAggregation] = {}
        """By aggregation id, oldest first."""
        self._open_of: Counter[int] = Counter()
        """By VNIC id."""

    @property
    def open_aggregations(self) -> int:
        """Aggregations that have begun and not ended."""
        return len(self._aggregations)

    def open_buffers(self) -> list[OpenBuffer]:
        """Their buffers that have not been reported, or whose content is not there yet."""
        found: list[OpenBuffer] = []
        for aggregation in self._aggregations.values():
            ring = aggregation.flow.ring
            address = aggregation.address - ring.sop_pad
            found.append((address, ring, aggregation.second_opaque))
            if aggregation.buffer is not None and ring.agg is not None:
                opaque, address, _ = aggregation.buffer
                found.append((address, ring.agg, opaque))
        return found

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

        What the packet cannot join has been ended then.
        """
        if not flow.can_aggregate:
            return False
        size = end - payload
        flags = frame[l4 + 13]
        aggregation = flow.aggregation
        if (
            errors
            or size <= 0
            or flags & _NOT_OF_ALL != TCP_ACK
            or end != len(frame)
            or not flow.word & FLAG_RSS_VALID
            or l4 not in _VERSION_OF
        ):
            if isinstance(aggregation, TpaAggregation):
                self._end(aggregation)
            return False
        counters = flow.stats.counters
        counters[RX_TPA_ELIGIBLE_PKT] += 1
        counters[RX_TPA_ELIGIBLE_BYTES] += end
        if isinstance(aggregation, TpaAggregation):
            if self._join(aggregation, frame, l4, payload, end, metadata):
                if (
                    flags & TCP_PSH
                    or (size < aggregation.segment_bytes and aggregation.is_gro)
                    or aggregation.segments >= aggregation.max_segments
                ):
                    if flags & TCP_PSH:
                        aggregation.header[l4 + 13] |= TCP_PSH
                    self._end(aggregation)
                return True
            self._end(aggregation)
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
        tpa = vnic.tpa
        options = bytes(frame[l4 + 20 : payload])
        tcp_flags = frame[l4 + 13]
        version = frame[14] >> 4
        if frame[l4 + 12] & _OFFSET_RESERVED or version != _VERSION_OF[l4]:
            return False  # the header of IPv4 has options
        has_ecn = ecn_of(frame, l4) or tcp_flags & TCP_ECE
        if not has_usual_options(options) or (has_ecn and not tpa.flags & TpaFlags.AGG_WITH_ECN):
            return False
        agg_id = self._free_id(vnic)
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
        is_gro = bool(tpa.flags & TpaFlags.GRO)
        next_id = -1
        if is_gro and tpa.flags & TpaFlags.GRO_IPID_CHECK and version == 4:
            next_id = identification(frame, l4) + 1 & 0xFFFF
        aggregation = TpaAggregation(
            flow,
            agg_id,
            is_gro=is_gro,
            placement=placement | _GRO_PLACEMENT if is_gro else placement,
            header=bytearray(frame[:first]),
            l4=l4,
            payload=payload,
            options=options,
            shared=shared_by_segments(frame, l4, tpa.flags),
            metadata=metadata,
            tcp_flags=tcp_flags,
            segment_bytes=end - payload,
            max_segments=min((tpa.max_agg_segs * SEGMENT_UNITS) or MAX_SEGMENTS, MAX_SEGMENTS),
            total_bytes=first - payload,
            ack_and_offset=bytes(frame[l4 + 8 : l4 + 13]),
            next_sequence=_be32_from(frame, l4 + 4)[0] + end - payload & 0xFFFF_FFFF,
            next_id=next_id,
            due_ns=self._due_ns(tpa.max_agg_timer),
            first_stamp=first_stamp(options),
        )
        if not self._payload.fits(aggregation, end - first):
            return False
        start, second = ring.take(), ring.take()
        if start is None or second is None:
            return False
        word, aggregation.opaque, address = start
        aggregation.address = address + ring.sop_pad
        aggregation.second_opaque = second[1]
        if word >> 16 < first + ring.sop_pad:
            aggregation.error = BUFFER_BAD_FORMAT
        self._aggregations[agg_id] = aggregation
        self._open_of[vnic.id] += 1
        self._next_due_ns = min(self._next_due_ns, aggregation.due_ns)
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
        self._payload.append(aggregation, frame, first, end)
        return True

    def _free_id(self, vnic: Vnic) -> int | None:
        limit = min(vnic.tpa.max_aggs or MAX_AGGS, MAX_AGGS)
        if self._open_of[vnic.id] >= limit or len(self._aggregations) >= AGG_IDS:
            return None
        agg_id = self._next_id
        while agg_id in self._aggregations:
            agg_id = agg_id + 1 & AGG_IDS - 1
        self._next_id = agg_id + 1 & AGG_IDS - 1
        return agg_id

    def _due_ns(self, timer: int) -> int:
        """With synchronous timing no time passes before the access is answered."""
        if self._clock.timing is Timing.SYNCHRONOUS:
            return self._clock.now_ns
        return self._clock.now_ns + timer * TIMER_UNIT_NS

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
        if not aggregation.is_next(frame, tcp, l4, size, metadata):
            return False
        buffer, used = aggregation.buffer, aggregation.buffer_used
        if buffer is None or buffer[2] - used < size or aggregation.error:
            if not self._payload.fits(aggregation, size):
                return False
            self._payload.append(aggregation, frame, payload, end)
        else:
            self._payload.write(aggregation, frame[payload:end])
        aggregation.add(tcp, size, 1)
        return True

    def join_train(self, flow: Flow, train: Train, at: int) -> int:
        """Let frames of ``train`` from ``at`` on join the open aggregation of its flow, as by
        :meth:`take`, but as many at once as a buffer takes. Returns how many have joined: not the
        last, which may be shorter and carry flags."""
        aggregation = flow.aggregation
        left = len(train) - 1 - at
        size, payload = train.mss, train.header_bytes
        if (
            not isinstance(aggregation, TpaAggregation)
            or left <= 0
            or payload + size > flow.vnic.mru
        ):
            return 0
        header, l4 = train.header_of(at), train.packet.l4
        tcp = bytes(header[l4:])
        if (
            tcp[13] & _NOT_OF_ALL != TCP_ACK
            or (aggregation.is_gro and size != aggregation.segment_bytes)
            or not aggregation.is_next(header, tcp, l4, size, 0)
        ):
            return 0
        left = min(
            left,
            aggregation.max_segments - aggregation.segments,
            (LIMIT - payload - aggregation.total_bytes) // size,
        )
        done = 0
        while done < left:
            start = (at + done) * size
            buffer = aggregation.buffer
            room = (buffer[2] - aggregation.buffer_used) // size if buffer else 0
            if room and not aggregation.error:
                count = min(room, left - done)
                self._payload.write(aggregation, train.payload[start : start + count * size])
            elif self._payload.fits(aggregation, size):
                count = 1 + self._payload.append(
                    aggregation, train.payload, start, start + size, left - done - 1
                )
            else:
                break
            done += count
        if done:
            counters = flow.stats.counters
            counters[RX_TPA_ELIGIBLE_PKT] += done
            counters[RX_TPA_ELIGIBLE_BYTES] += done * (payload + size)
            aggregation.add(tcp, size, done)
            if aggregation.segments >= aggregation.max_segments:
                self._end(aggregation)
        return done

    # -- end --------------------------------------------------------------------------------
    def _end(self, aggregation: TpaAggregation) -> None:
        if not self._is_open(aggregation):  # the card was reset when it wrote for another
            return
        flow = aggregation.flow
        flow.aggregation = None
        del self._aggregations[aggregation.agg_id]
        self._open_of[flow.vnic.id] -= 1
        self._payload.close(aggregation)
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
                aggregation.tsdelta,
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

    def flush(
        self,
        *,
        ring_id: int | None = None,
        cq: CmplRing | None = None,
        vnic: Vnic | None = None,
    ) -> None:
        """End all aggregations, or those of an RX ring, a CQ, a VNIC. Posts nothing."""
        for aggregation in list(self._aggregations.values()):
            flow = aggregation.flow
            if (
                ring_id in (None, flow.ring.id)
                and (cq is None or flow.sink.cq is cq)
                and (vnic is None or flow.vnic is vnic)
            ):
                self._end(aggregation)

    # -- time -------------------------------------------------------------------------------
    def end_of_batch(self) -> None:
        """No more frames for now: what is due ends, and the clock will end the rest."""
        if not self._aggregations:
            return
        if self._next_due_ns <= self._clock.now_ns:
            self._end_due()
        if self._timer is None and self._next_due_ns != _NEVER:
            delay_ns = self._next_due_ns - self._clock.now_ns
            self._timer = self._clock.call_later(delay_ns, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.end_of_batch()
        self._post()

    def _end_due(self) -> None:
        for aggregation in list(self._aggregations.values()):
            if aggregation.due_ns <= self._clock.now_ns and self._is_open(aggregation):
                self._time_out(aggregation)
        self._next_due_ns = min((a.due_ns for a in self._aggregations.values()), default=_NEVER)

    def _is_open(self, aggregation: TpaAggregation) -> bool:
        return self._aggregations.get(aggregation.agg_id) is aggregation

    def _time_out(self, aggregation: TpaAggregation) -> None:
        faults = self._faults
        if not (faults.armed and "tpa.timeout" in faults.points):
            self._end(aggregation)
            return

        def end_late() -> None:
            if self._is_open(aggregation):
                self._end(aggregation)
                self._post()

        def end(_changed: Event) -> None:
            if faults.is_late:
                self._turn.do(end_late)
            elif self._is_open(aggregation):
                self._end(aggregation)

        aggregation.due_ns = _NEVER
        event: Event = {
            "queue": aggregation.flow.ring.logical_id,
            "agg_id": aggregation.agg_id,
            "segments": aggregation.segments,
            "bytes": aggregation.total_bytes,
        }
        faults.pass_on("tpa.timeout", event, end, None)

    def reset(self) -> None:
        """Forget everything without touching host memory."""
        for aggregation in self._aggregations.values():
            aggregation.flow.aggregation = None
        self._aggregations.clear()
        self._open_of.clear()
        self._next_due_ns = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
