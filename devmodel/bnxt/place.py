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
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.resources import AggRing, RxRing, Vnic
from devmodel.bnxt.rings import BufferRing
from devmodel.bnxt.stats import COUNTERS, RX_ERROR_PKTS, RX_UCAST_BYTES, RX_UCAST_PKTS, StatCtx
from devmodel.bnxt.steer import ITYPE_TCP, Target
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
FLAGS2_META_FORMAT_VLAN = 1 << 4
FLAGS2_IP_TYPE = 1 << 8
ERROR_IP_CS = 1 << 4
ERROR_L4_CS = 1 << 5

PACK_CMPL = struct.Struct("<8I").pack
PACK_AGG = struct.Struct("<4I").pack

_no_counters = [0] * COUNTERS


class CqSink:
    """Completions of a batch on their way into one completion ring.

    A batch becomes visible to the host as a whole; there is one notification per batch.
    """

    __slots__ = ("cq", "data")

    def __init__(self, cq: CmplRing) -> None:
        self.cq = cq
        self.data = bytearray()

    def has_room(self, entries: int) -> bool:
        """The ring can take so many more entries."""
        cq = self.cq
        return cq.prod - cq.cons + (len(self.data) >> 4) + entries < cq.entries

    def post(self) -> None:
        """Write the batch and notify."""
        if self.data:
            data, self.data = self.data, bytearray()
            self.cq.post(data)
            self.cq.flush()


class Flow:
    """A resolved target with everything that is the same in each completion of the flow.

    :ivar session: the open aggregation of the flow, if any (owned by :mod:`devmodel.bnxt.tpa`).
    """

    __slots__ = (
        "byte_counter",
        "cast",
        "hash",
        "hds_flag",
        "is_tcp",
        "itype_word",
        "misc",
        "packet_counter",
        "ring",
        "session",
        "sink",
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
        self.stats: StatCtx | None = target.stats
        self.cast = target.cast
        self.packet_counter = RX_UCAST_PKTS + target.cast
        self.byte_counter = RX_UCAST_BYTES + target.cast
        self.hash = target.hash
        self.is_tcp = target.itype == ITYPE_TCP
        self.itype_word = target.itype << 12
        self.word = CmplType.RX_L2 | self.itype_word
        self.misc = 0
        if target.hash_profile:
            self.word |= FLAG_RSS_VALID
            self.misc = target.hash_profile << 9
        self.hds_flag = {4: PLACEMENT_HDS_IPV4, 6: PLACEMENT_HDS_IPV6}.get(ip_version, 0)
        self.session: object | None = None

    @property
    def counters(self) -> list[int]:
        """Counters of the ring's statistics context (or a list nobody reads)."""
        return _no_counters if self.stats is None else self.stats.counters


class Placer:
    """Fills buffers of RX and aggregation rings.

    :ivar writes: buffer writes done.
    :ivar writes_after_free: writes that would have gone to a buffer of a freed ring; they are not
        done, and the count stays 0 unless the barriers are broken.
    """

    def __init__(self, dma: DmaSpace, trace: Trace) -> None:
        self._dma = dma
        self._trace = trace
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
        ring = flow.ring
        length = first = len(frame)
        modes = flow.vnic.plcmodes
        placement = NORMAL
        buf_size = ring.buf_size
        if flow.hds_flag & modes.flags and length > modes.hds_threshold and payload < end:
            placement = HDS
            first = payload if payload <= buf_size else buf_size
        elif length > modes.jumbo_thresh and modes.flags & PLACEMENT_JUMBO:
            placement = JUMBO
            first = length if length <= buf_size else buf_size
        sink = flow.sink
        need = 0
        if first != length:
            agg = ring.agg
            if agg is None or not agg.buf_size:
                return self._too_long(flow, length)
            need = (length - first + agg.buf_size - 1) // agg.buf_size
            if need > MAX_AGG_BUFS:
                return self._too_long(flow, length)
            if agg.available() < need:
                return False
        elif first > buf_size:
            return self._too_long(flow, length)
        if not sink.has_room(2 + need) or not ring.available():
            return False
        bd = ring.take()
        if bd is None:
            return False
        word, opaque, address = bd
        buffer_error = 0
        if word >> 16 < first:
            buffer_error = BUFFER_DID_NOT_FIT
        elif not self.write(ring, address, frame if first == length else frame[:first]):
            buffer_error = BUFFER_BAD_FORMAT
        tail = b""
        agg_bufs = 0
        if need:
            agg = ring.agg
            assert agg is not None
            tail, error = self._fill(agg, frame, first, length)
            buffer_error = buffer_error or error
            agg_bufs = len(tail) >> 4
        cmpl_word = flow.word | placement << 7 | first << 16
        if buffer_error or errors:
            errors |= buffer_error << 1
            cmpl_word |= FLAG_ERROR
        misc = flow.misc | agg_bufs << 1 | (payload & 0xFF) << 16
        sink.data += (
            PACK_CMPL(cmpl_word, opaque, misc, flow.hash, flags2, metadata, errors, 0) + tail
        )
        counters = flow.counters
        if buffer_error:
            counters[RX_ERROR_PKTS] += 1
            self._trace.counters["rx_buffer_error"] += 1
        else:
            counters[flow.packet_counter] += 1
            # A stripped tag was on the wire all the same.
            counters[flow.byte_counter] += length + 4 if metadata else length
        return True

    def _fill(self, agg: AggRing, frame: Octets, at: int, end: int) -> tuple[bytes, int]:
        """``frame[at:end]`` into aggregation buffers: completions and a buffer error or 0."""
        parts: list[bytes] = []
        while at < end:
            bd = agg.take() if len(parts) < MAX_AGG_BUFS else None
            if bd is None:
                return b"".join(parts), BUFFER_NOT_ON_CHIP
            word, opaque, address = bd
            size = min(word >> 16, agg.buf_size, end - at)
            ok = size > 0 and self.write(agg, address, frame[at : at + size])
            parts.append(PACK_AGG(CmplType.RX_AGG | size << 16, opaque, 0, 0))
            if not ok:
                return b"".join(parts), BUFFER_BAD_FORMAT
            at += size
        return b"".join(parts), 0

    def write(self, ring: BufferRing, address: int, data: Octets) -> bool:
        """DMA into a buffer taken from ``ring``; False if it was not done."""
        if ring.freed:
            self.writes_after_free += 1
            return False
        try:
            self._dma.write(address, data)
        except DmaFault as fault:
            self._trace.violation("rx_buffer", ring=ring.KIND, id=ring.id, detail=str(fault))
            return False
        self.writes += 1
        return True

    def _too_long(self, flow: Flow, length: int) -> bool:
        """No placement mode of the VNIC can take the packet: it is dropped, as handled."""
        flow.counters[RX_ERROR_PKTS] += 1
        self._trace.counters["rx_drop_does_not_fit"] += 1
        self._trace.emit("rx_does_not_fit", ring=flow.ring.id, length=length)
        return True
