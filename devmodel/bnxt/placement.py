# SPDX-License-Identifier: GPL-2.0-only
"""Placement: a steered packet into RX and aggregation buffers, and its completion.

Source: struct hwrm_vnic_plcmodes_cfg_input and the descriptions of it in DPDK's copy of the HSI.
Jumbo placement fills the first buffer and goes on in aggregation buffers; header-data split puts
everything up to the upper-layer payload into the first buffer and the payload into aggregation
buffers. Descriptors are consumed in ring order; a packet is placed whole or not at all.
"""

from __future__ import annotations

import struct

from devmodel.bnxt.cmpl import CmplRing
from devmodel.bnxt.completion_check import CompletionCheck
from devmodel.bnxt.faulty.placement import placed
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.resources import AggRing, RxRing, Vnic
from devmodel.bnxt.rings import ENTRY_BYTES, BufferRing
from devmodel.bnxt.stats import COUNTERS, RX_ERROR_PKTS, RX_UCAST_BYTES, RX_UCAST_PKTS, StatCtx
from devmodel.bnxt.steering import ITYPE_TCP, ITYPE_UDP, Target
from devmodel.dma import DmaSpace
from devmodel.errors import DmaFault
from devmodel.net.checksum import Octets
from devmodel.trace import Trace

# struct hwrm_vnic_plcmodes_cfg_input, flags
PLACEMENT_JUMBO = 0x02
PLACEMENT_HDS_IPV4 = 0x04
PLACEMENT_HDS_IPV6 = 0x08

# RX_CMP_FLAGS_PLACEMENT
NORMAL = 0
JUMBO = 1
HDS = 2

MAX_AGG_BUFS = 31

# RX_CMPL_ERRORS_BUFFER_ERROR_*
BUFFER_DID_NOT_FIT = 1
BUFFER_NOT_ON_CHIP = 2
BUFFER_BAD_FORMAT = 3

FLAG_ERROR = 1 << 6
FLAG_RSS_VALID = 1 << 10
FLAGS2_IP_CS_CALC = 1 << 0
FLAGS2_L4_CS_CALC = 1 << 1
FLAGS2_T_IP_CS_CALC = 1 << 2
FLAGS2_T_L4_CS_CALC = 1 << 3
FLAGS2_META_FORMAT_VLAN = 1 << 4
FLAGS2_IP_TYPE = 1 << 8
ERROR_IP_CS = 1 << 4
ERROR_L4_CS = 1 << 5
ERROR_T_IP_CS = 1 << 6
ERROR_T_L4_CS = 1 << 7

_AGG_WORD = int(CmplType.RX_AGG)
PACK_CMPL = struct.Struct("<8I").pack
PACK_AGG = struct.Struct("<4I").pack


class CqSink:
    """Completions of a batch on their way into one completion ring.

    A batch becomes visible to the host as a whole; there is one notification per batch.

    :ivar room: entries the ring can still take, as of the last :meth:`refresh`.
    :ivar check: the oracle's look at what is posted, if there is an oracle.
    """

    __slots__ = ("_reserved", "check", "cq", "data", "room")

    def __init__(self, cq: CmplRing) -> None:
        self.cq = cq
        self.data = bytearray()
        self.room = 0
        self.check: CompletionCheck | None = None
        self._reserved = 0
        self.refresh()

    def refresh(self) -> None:
        """Look at the ring again: only doorbells, never a batch, give entries back."""
        self.room = self.cq.entries - 1 - self.cq.unseen - self._reserved

    def reserve(self, entries: int) -> None:
        """Keep entries for completions that must not fail later."""
        self._reserved += entries
        self.room -= entries

    def release(self, entries: int) -> None:
        """Give back what was reserved and not used."""
        self.reserve(-entries)

    def add_reserved(self, data: bytes) -> None:
        """Append entries that were reserved."""
        self.data += data
        self._reserved -= len(data) >> 4

    def post(self) -> None:
        """Write the batch and notify."""
        if self.data:
            data, self.data = self.data, bytearray()
            if self.check is not None:
                self.check.look(data)
            self.cq.post(data)
            self.cq.flush()


class _Uncounted:
    """Stands in for the statistics context of a ring that has none."""

    __slots__ = ("counters",)

    def __init__(self) -> None:
        self.counters = [0] * COUNTERS


class Flow:
    """A resolved target with everything that is the same in each completion of the flow.

    :ivar can_aggregate: TCP, not in a tunnel.
    :ivar stamp_mask: of the timestamps in its completions; 0 if they have none.
    :ivar aggregation: the one that is open of the flow, if any (owned by :mod:`devmodel.bnxt.tpa`).
    """

    __slots__ = (
        "aggregation",
        "byte_counter",
        "can_aggregate",
        "cast",
        "hash",
        "hds_flag",
        "itype_word",
        "misc",
        "offset_mask",
        "packet_counter",
        "ring",
        "sink",
        "stamp_mask",
        "stats",
        "vnic",
        "word",
    )

    def __init__(
        self, target: Target, vnic: Vnic, ring: RxRing, sink: CqSink, ip_version: int
    ) -> None:
        self.vnic = vnic
        self.ring = ring
        self.sink = sink
        self.stats: StatCtx | _Uncounted = target.stats or _Uncounted()
        self.cast = target.cast
        self.packet_counter = RX_UCAST_PKTS + target.cast
        self.byte_counter = RX_UCAST_BYTES + target.cast
        self.hash = target.hash
        self.can_aggregate = target.itype == ITYPE_TCP and not target.is_tunnel
        self.itype_word = target.itype << 12
        # PAYLOAD_OFFSET is defined for TCP and UDP only.
        self.offset_mask = 0xFF if target.itype in (ITYPE_TCP, ITYPE_UDP) else 0
        self.word = CmplType.RX_L2 | self.itype_word
        self.misc = 0
        if target.hash_profile:
            self.word |= FLAG_RSS_VALID
            self.misc = target.hash_profile << 9
        self.hds_flag = {4: PLACEMENT_HDS_IPV4, 6: PLACEMENT_HDS_IPV6}.get(ip_version, 0)
        self.aggregation: object | None = None
        self.stamp_mask = 0


class Placer:
    """Fills buffers of RX and aggregation rings.

    :ivar stamp: timestamp of the frames that are placed.
    :ivar writes: buffer writes done.
    :ivar writes_after_free: writes that would have gone to a buffer of a freed ring; they are not
        done, and the count stays 0 unless the barriers are broken.
    """

    def __init__(self, dma: DmaSpace, trace: Trace) -> None:
        self._dma = dma
        self._trace = trace
        self.stamp = 0
        self.writes = 0
        self.writes_after_free = 0

    def place(
        self,
        flow: Flow,
        frame: Octets,
        payload: int,
        end: int,
        flags2: int,
        metadata: int,
        errors: int,
    ) -> bool:
        """Place ``frame`` and queue its completion.

        :param payload: offset of the upper-layer payload (the split point), :param end: end of the
            IP packet.
        :returns: False, with nothing consumed, while buffers or completion entries lack.
        """
        ring, sink = flow.ring, flow.sink
        length = first = len(frame)
        modes = flow.vnic.plcmodes
        flags = modes.flags
        placement = NORMAL
        buf_size = ring.usable
        if flow.hds_flag & flags and length > modes.hds_threshold and payload < end:
            placement = HDS
            first = payload if payload <= buf_size else buf_size
        elif flags & PLACEMENT_JUMBO and length > modes.jumbo_thresh:
            placement = JUMBO
            first = length if length <= buf_size else buf_size
        need = 0
        rest = reported = first
        agg = ring.agg
        faults = self._dma.faults
        if faults.armed and "rx.place" in faults.points and ring.available():
            changed = self._consult(ring, length, payload, first, placement)
            if changed is None:
                return True
            length, first, rest, placement, reported = changed
            frame = frame[:length]
        if rest != length:
            if agg is None or not agg.buf_size:
                return self._too_long(flow, length)
            need = (length - rest + agg.buf_size - 1) // agg.buf_size
            if need > MAX_AGG_BUFS:
                return self._too_long(flow, length)
            if agg.available() < need:
                return False
        elif first > buf_size:
            return self._too_long(flow, length)
        if sink.room < 2 + need:
            return False
        if ring.freed:
            self.writes_after_free += 1
            return True
        bd = ring.take()
        if bd is None:
            return False
        word, opaque, address = bd
        buffer_error = 0
        if word >> 16 < first + ring.sop_pad:
            buffer_error = BUFFER_DID_NOT_FIT
        else:
            try:
                self._dma.write(
                    address + ring.sop_pad,
                    frame[:first] if first != length else frame,
                    ring.header if placement == HDS else ring.payload,
                )
                self.writes += 1
            except DmaFault as fault:
                buffer_error = self._fault(ring, fault)
        tail = b""
        if need and agg is not None:
            tail, error = self._fill(agg, frame, rest, length)
            buffer_error = buffer_error or error
        cmpl_word = flow.word | placement << 7 | reported << 16
        counters = flow.stats.counters
        if buffer_error:
            counters[RX_ERROR_PKTS] += 1
            self._trace.counters["rx_buffer_error"] += 1
            errors |= buffer_error << 1
        else:
            counters[flow.packet_counter] += 1
            # A stripped tag was on the wire all the same.
            counters[flow.byte_counter] += length + 4 if metadata else length
        if errors:
            cmpl_word |= FLAG_ERROR
        # AGG_BUFS is bits 5..1; an entry is 16 bytes.
        misc = flow.misc | len(tail) >> 3 | (payload & flow.offset_mask) << 16
        stamp = self.stamp & flow.stamp_mask
        sink.data += (
            PACK_CMPL(cmpl_word, opaque, misc, flow.hash, flags2, metadata, errors, stamp) + tail
        )
        sink.room -= 2 + need
        return True

    def _consult(
        self, ring: RxRing, length: int, payload: int, first: int, placement: int
    ) -> tuple[int, int, int, int, int] | None:
        """Placement as armed faults will have it (:func:`placed`); None: the packet is lost."""
        event = {
            "queue": ring.logical_id,
            "length": length,
            "payload": payload,
            "first": first,
            "agg_from": first,
            "placement": placement,
            "completion_length": -1,
        }
        changed = self._dma.faults.consult("rx.place", event)
        return None if changed is None else placed(event, changed)

    def _fill(self, agg: AggRing, frame: Octets, at: int, end: int) -> tuple[bytes, int]:
        """``frame[at:end]`` into aggregation buffers: completions and a buffer error or 0."""
        tail = b""
        write, buf_size = self._dma.write, agg.buf_size
        while True:
            bd = agg.take() if len(tail) < MAX_AGG_BUFS * ENTRY_BYTES else None
            if bd is None:
                return tail, BUFFER_NOT_ON_CHIP
            word, opaque, address = bd
            size = word >> 16
            if size > buf_size:
                size = buf_size
            if size > end - at:
                size = end - at
            tail += PACK_AGG(_AGG_WORD | size << 16, opaque, 0, 0)
            if agg.freed or not size:
                self.writes_after_free += agg.freed
                return tail, BUFFER_BAD_FORMAT
            try:
                write(address, frame[at : at + size], agg.payload)
            except DmaFault as fault:
                return tail, self._fault(agg, fault)
            self.writes += 1
            at += size
            if at == end:
                return tail, 0

    def write(self, ring: BufferRing, address: int, data: Octets) -> bool:
        """DMA into a buffer taken from ``ring``; False if it was not done."""
        if ring.freed:
            self.writes_after_free += 1
            return False
        try:
            self._dma.write(address, data, ring.payload)
        except DmaFault as fault:
            self._fault(ring, fault)
            return False
        self.writes += 1
        return True

    def _fault(self, ring: BufferRing, fault: DmaFault) -> int:
        self._trace.violation(
            "rx_buffer", ring=ring.KIND, id=ring.id, address=fault.iova, detail=str(fault)
        )
        return BUFFER_BAD_FORMAT

    def _too_long(self, flow: Flow, length: int) -> bool:
        """No placement mode of the VNIC can take the packet: it is dropped, as handled."""
        flow.stats.counters[RX_ERROR_PKTS] += 1
        self._trace.counters["rx_drop_does_not_fit"] += 1
        self._trace.emit("rx_does_not_fit", ring=flow.ring.id, length=length)
        return True
