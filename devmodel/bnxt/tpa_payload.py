# SPDX-License-Identifier: GPL-2.0-only
"""Payload of aggregations into aggregation buffers, each reported by one TPA_AGG once it is full.

Source: the placement algorithms of struct rx_tpa_v2_start_cmpl in DPDK's commented copy of the HSI.
"""

from __future__ import annotations

from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.placement import BUFFER_BAD_FORMAT, PACK_AGG, Placer
from devmodel.bnxt.tpa_aggregation import TpaAggregation
from devmodel.net.checksum import Octets

MAX_AGG_BUFS = 17
"""Linux refuses more fragments in one packet (MAX_SKB_FRAGS)."""


class TpaPayload:
    """Fills the aggregation buffers of all aggregations."""

    def __init__(self, placer: Placer) -> None:
        self._placer = placer

    def fits(self, aggregation: TpaAggregation, size: int) -> bool:
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

    def append(
        self, aggregation: TpaAggregation, frame: Octets, at: int, end: int, more: int = 0
    ) -> int:
        """Payload into aggregation buffers; in GRO mode a segment that does not fit the rest of
        a buffer starts a new one.

        So many ``more`` segments of this size follow it in ``frame``: those that the last buffer
        takes as well go with it. Returns how many did.
        """
        segment, extra = end - at, 0
        agg = aggregation.flow.ring.agg
        assert agg is not None
        buffer = aggregation.buffer
        if aggregation.is_gro and buffer and buffer[2] - aggregation.buffer_used < end - at:
            self.close(aggregation)
        while at < end and not aggregation.error:
            if aggregation.buffer is None:
                bd = agg.take()
                capacity = min(bd[0] >> 16, agg.buf_size) if bd else 0
                if bd is None or not capacity or aggregation.agg_bufs >= MAX_AGG_BUFS:
                    aggregation.error = BUFFER_BAD_FORMAT
                    return 0
                aggregation.buffer = (bd[1], bd[2], capacity)
                aggregation.buffer_used = 0
            room = aggregation.buffer[2] - aggregation.buffer_used
            if more and room >= end - at:
                extra = min(more, (room - (end - at)) // segment)
                end += extra * segment
            size = min(room, end - at)
            self.write(aggregation, frame[at : at + size])
            at += size
        return extra

    def write(self, aggregation: TpaAggregation, data: Octets) -> None:
        """Into the buffer being filled, which has room."""
        agg, buffer = aggregation.flow.ring.agg, aggregation.buffer
        assert agg is not None
        assert buffer is not None
        _, address, capacity = buffer
        used = aggregation.buffer_used
        if not self._placer.write(agg, address + used, data):
            aggregation.error = BUFFER_BAD_FORMAT
        aggregation.total_bytes += len(data)
        aggregation.buffer_used = used = used + len(data)
        if used == capacity:
            self.close(aggregation)

    @staticmethod
    def close(aggregation: TpaAggregation) -> None:
        """Nothing more goes into the buffer being filled, if there is one: report it."""
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
