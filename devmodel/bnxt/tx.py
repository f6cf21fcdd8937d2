# SPDX-License-Identifier: GPL-2.0-only
"""The transmit path: descriptors to frames on the wire, and their completions.

A packet is a long descriptor, its extension, and one short descriptor per further fragment (struct
tx_bd, tx_bd_ext). One completion per ring and batch reports everything up to its opaque value,
which is how the driver reads any transmit completion.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import partial

from devmodel.bnxt.faulty.receive import frames_out
from devmodel.bnxt.hsi.ring import BdType, CmplType
from devmodel.bnxt.in_turn import InTurn
from devmodel.bnxt.mac import MacCounters
from devmodel.bnxt.resources import Resources, TxRing
from devmodel.bnxt.rings import Bd
from devmodel.bnxt.stats import (
    COUNTERS,
    TX_DISCARD_PKTS,
    TX_ERROR_PKTS,
    TX_UCAST_BYTES,
    TX_UCAST_PKTS,
)
from devmodel.bnxt.steering import cast_of
from devmodel.bnxt.timestamps import Timestamps
from devmodel.bnxt.tunnels import udp_tunnels
from devmodel.clock import Clock, Timer, Timing
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DmaFault
from devmodel.net.build import Segmenter, fill_ip_checksum, fill_l4_checksum, insert_vlan
from devmodel.net.parse import ETHERTYPE_8021AD, ETHERTYPE_8021Q, PROTO_TCP, PROTO_UDP, Packet
from devmodel.net.port import MIN_FRAME_BYTES
from devmodel.net.train import Departure, Train, of_segments
from devmodel.net.tunnel import header_layers, layers
from devmodel.net.wire import Wire
from devmodel.oracle.oracle import Oracle
from devmodel.trace import Trace

# struct tx_bd, tx_bd_len_flags_type
PACKET_END = 1 << 6
NO_CMPL = 1 << 7
# struct tx_bd_ext, tx_bd_hsize_lflags
TCP_UDP_CHKSUM = 1 << 0
IP_CKSUM = 1 << 1
STAMP = 1 << 3
LSO = 1 << 5
IPID_FMT = 1 << 6
META_KEY_VLAN = 1

# struct tx_cmp, tx_cmp_errors_v
ERROR_BAD_FORMAT = 2 << 1
ERROR_ZERO_LENGTH = 1 << 4
ERROR_DMA = 1 << 6
FLAG_ERROR = 1 << 6

MAX_BDS = 32
MAX_FRAME_BYTES = 9600 + 18
MAX_LSO_BYTES = 256 << 10
MAX_LSO_SEGMENTS = 4096
BATCH_BYTES = 256 << 10
BATCH_FRAMES = 1024
"""What is made between two looks at the wire's congestion and at the budget, and one packet more.
"""
_PREFETCH = 64
_BD_UNITS, _FRAME_UNITS, _BYTES_OF_UNIT = 4, 12, 128
"""What a descriptor and a frame cost, and how many bytes do as much as one unit."""
PACKET = Who("payload", "TX")
_PACK_CMPL = struct.Struct("<4I").pack
_EXT = struct.Struct("<IIII")
_BD = struct.Struct("<IIQ")


class _BadPacket(Exception):
    """A packet that cannot go out: the rule broken and the error bits of its completion."""

    def __init__(self, rule: str, errors: int, **detail: int | str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.errors = errors
        self.detail = detail


class TxPath:
    """Transmit side of the card; see :class:`devmodel.bnxt.datapath.TransmitPath`.

    :param touched: called when statistics have changed, once per batch.
    :ivar link_up: while it is False packets are completed but go nowhere.
    """

    def __init__(
        self,
        resources: Resources,
        dma: DmaSpace,
        trace: Trace,
        mac: MacCounters,
        wire: Wire,
        clock: Clock,
        *,
        touched: Callable[[], None] = lambda: None,
        udp_gso: bool = False,
        oracle: Oracle | None = None,
        timestamps: Timestamps | None = None,
    ) -> None:
        self._oracle = oracle
        self._timestamps = timestamps
        self._to_stamp: list[bytes] = []
        self.link_up = True
        self._touched = touched
        self._resources = resources
        self._dma = dma
        self._trace = trace
        self._mac = mac
        self._wire = wire
        self._udp_gso = udp_gso
        self._clock = clock
        self._budget = clock.budget
        self._turn = InTurn(dma.faults)
        self._waiting: dict[int, TxRing] = {}
        self._later: Timer | None = None

    # -- descriptors ------------------------------------------------------------------------
    def kick(self, ring: TxRing) -> None:
        """The producer of ``ring`` moved: send what was posted, as far as the wire takes it."""
        self._turn.do(partial(self._send_posted, ring))

    def _send_posted(self, ring: TxRing) -> None:
        if ring.freed:
            return
        while posted := ring.available():
            if self.link_up and self._wire.congested:
                self._waiting[ring.id] = ring
                self._trace.counters["tx_waits"] += 1
                return
            if self._budget.left <= 0 and not self._may_go_on(ring):
                return
            if not self._batch(ring, min(posted, _PREFETCH)):
                return

    def _may_go_on(self, ring: TxRing) -> bool:
        """The budget is spent: pause, or leave the rest to the loop."""
        if self._clock.timing is Timing.SYNCHRONOUS:
            self._budget.pause()
            return True
        self._waiting[ring.id] = ring
        if self._later is None or not self._later.active:
            self._later = self._clock.call_later(0, self.resume)
        return False

    def resume(self) -> None:
        """The wire has room again, or the loop comes to it: go on where :meth:`kick` stopped."""
        waiting, self._waiting = self._waiting, {}
        for ring in waiting.values():
            self.kick(ring)
        first = next(iter(waiting), None)
        if first in self._waiting:  # the others' turn
            self._waiting[first] = self._waiting.pop(first)

    def _batch(self, ring: TxRing, count: int) -> bool:
        """Send the whole packets among ``count`` descriptors. False if there was none."""
        try:
            bds = ring.memory.read_bds(ring.cons, count)
        except DmaFault as fault:
            ring.fault(fault)
            return False
        departures: list[Departure] = []
        at = 0
        opaque = -1
        errors = 0
        sent_bytes = sent_frames = 0
        has_trains = self._wire.send_train is not None and not self._dma.faults.armed
        while at < count and not errors and sent_bytes < BATCH_BYTES and sent_frames < BATCH_FRAMES:
            size = (bds[at][0] >> 8 & 0x1F) or MAX_BDS
            if at + size > count:
                if count == ring.available():
                    self._trace.violation("tx_partial_packet", ring=ring.id, bds=size)
                break
            packet = bds[at : at + size]
            at += size
            try:
                made = self._packet(packet)
                if has_trains and isinstance(made, Train):
                    departures.append(made)
                    sent_bytes += made.byte_count
                else:
                    made = list(made)
                    departures += made
                    sent_bytes += sum(map(len, made))
                sent_frames += len(made)
            except _BadPacket as bad:
                errors = bad.errors
                self._trace.violation(bad.rule, ring=ring.id, index=ring.cons, **bad.detail)
            if errors or not packet[0][0] & NO_CMPL:
                opaque = packet[0][1]
        if not at:
            return False
        ring.cons = (ring.cons + at) & ring.mask
        self._budget.left -= (
            _BD_UNITS * at + _FRAME_UNITS * sent_frames + sent_bytes // _BYTES_OF_UNIT
        )
        self._send_all(ring, departures)
        if errors:
            self._counters(ring)[TX_ERROR_PKTS] += 1
            self._mac.others["tx_stat_error"] += 1
        if opaque >= 0:
            self._complete(ring, opaque, errors)
        self._touched()
        return True

    def _packet(self, bds: list[Bd]) -> Iterable[bytes]:
        """The frames of one packet. Raises _BadPacket."""
        # A long descriptor is followed by its extension; without one (XDP) there is no offload.
        kind = bds[0][0] & 0x3F
        if kind not in (BdType.TX_LONG, BdType.TX_SHORT):
            raise _BadPacket("tx_bd_type", ERROR_BAD_FORMAT, word=bds[0][0])
        extended = kind == BdType.TX_LONG
        buffers = [bds[0], *bds[2:]] if extended else bds
        ends = [i for i, bd in enumerate(buffers) if bd[0] & PACKET_END]
        if len(bds) < 1 + extended or ends != [len(buffers) - 1]:
            raise _BadPacket("tx_packet_end", ERROR_BAD_FORMAT, bds=len(bds))
        for word, _, _ in buffers[1:]:
            if word & 0x3F != BdType.TX_SHORT:
                raise _BadPacket("tx_bd_type", ERROR_BAD_FORMAT, word=word)
        pieces = [(address, word >> 16) for word, _, address in buffers]
        if any(not length for _, length in pieces):
            raise _BadPacket("tx_zero_length", ERROR_ZERO_LENGTH)
        total = sum(length for _, length in pieces)
        if total > MAX_LSO_BYTES:
            raise _BadPacket("tx_too_long", ERROR_BAD_FORMAT, length=total)
        read = self._dma.read
        try:
            frame = (
                read(*pieces[0], PACKET)
                if len(pieces) == 1
                else b"".join([read(start, length, PACKET) for start, length in pieces])
            )
        except DmaFault as fault:
            raise _BadPacket(
                "tx_buffer", ERROR_DMA, address=fault.iova, detail=str(fault)
            ) from fault
        if self._oracle is not None:
            self._oracle.transmitted(pieces)
        lflags, mss, _, meta = _EXT.unpack(_BD.pack(*bds[1])) if extended else (0, 0, 0, 0)
        if len(frame) < 14:
            raise _BadPacket("tx_runt", ERROR_BAD_FORMAT, length=len(frame))
        frames = self._offload(frame, lflags, mss & 0x7FFF)
        if meta >> 28 == META_KEY_VLAN:
            tpid = ETHERTYPE_8021Q if meta >> 16 & 7 else ETHERTYPE_8021AD
            frames = [insert_vlan(one, tpid, meta & 0xFFFF) for one in frames]
        if lflags & STAMP:
            frames = list(frames)
            self._to_stamp.append(frames[0])
        return frames

    # -- offloads ---------------------------------------------------------------------------
    def _offload(self, frame: bytes, lflags: int, mss: int) -> Iterable[bytes]:
        if lflags & LSO:
            return self._segment(frame, (lflags >> 16 & 0x1FF) * 2, mss, lflags)
        if len(frame) > MAX_FRAME_BYTES:
            raise _BadPacket("tx_too_long", ERROR_BAD_FORMAT, length=len(frame))
        if not lflags & (TCP_UDP_CHKSUM | IP_CKSUM):
            return [frame]
        found = layers(frame, udp_tunnels(self._resources))
        edited = bytearray(frame)
        if lflags & TCP_UDP_CHKSUM:
            fill_l4_checksum(edited, found[-1])
            outer = found[0]
            if len(found) == 2 and outer.is_udp and any(edited[outer.l4 + 6 : outer.l4 + 8]):
                fill_l4_checksum(edited, outer)
        if lflags & IP_CKSUM:
            fill_ip_checksum(edited, found[-1])
        return [bytes(edited)]

    def _segment(self, frame: bytes, header_bytes: int, mss: int, lflags: int) -> Iterable[bytes]:
        if not mss or header_bytes >= len(frame):
            raise _BadPacket("tx_lso", ERROR_BAD_FORMAT, hsize=header_bytes, mss=mss)
        found = self._lso_layers(bytearray(frame[:header_bytes]))
        if header_bytes + mss > MAX_FRAME_BYTES:
            raise _BadPacket("tx_too_long", ERROR_BAD_FORMAT, length=header_bytes + mss)
        segmenter: Segmenter | None = None
        if len(found) == 1 and found[0].protocol == PROTO_TCP and not lflags & IPID_FMT:
            segmenter = of_segments(frame, found[0], mss)
        if segmenter is None:
            segmenter = Segmenter(
                frame,
                found[-1],
                header_bytes,
                mss,
                outer=found[0] if len(found) == 2 else None,
                increment_ip_id=not lflags & IPID_FMT,
            )
        if len(segmenter) > MAX_LSO_SEGMENTS:
            raise _BadPacket("tx_lso", ERROR_BAD_FORMAT, segments=len(segmenter), mss=mss)
        return segmenter

    def _lso_layers(self, header: bytearray) -> list[Packet]:
        """Recognise the header to be repeated; its length fields do not count."""
        found = header_layers(header, udp_tunnels(self._resources))
        packet = found[-1]
        usual = packet.protocol == PROTO_TCP or (packet.protocol == PROTO_UDP and self._udp_gso)
        if not usual or packet.sport < 0 or packet.payload != len(header):
            raise _BadPacket(
                "tx_lso_header", ERROR_BAD_FORMAT, hsize=len(header), protocol=packet.protocol
            )
        return found

    # -- out --------------------------------------------------------------------------------
    def _send_all(self, ring: TxRing, departures: list[Departure]) -> None:
        """In order."""
        frames: list[bytes] = []
        for one in departures:
            if isinstance(one, Train):
                self._send(ring, frames)
                frames = []
                self._send_train(ring, one)
            else:
                frames.append(one)
        self._send(ring, frames)

    def _send_train(self, ring: TxRing, train: Train) -> None:
        """Counted as its frames are."""
        send_train = self._wire.send_train
        if send_train is None or not self.link_up:
            self._send(ring, list(train))
            return
        counters, header = self._counters(ring), bytes(train.header_of(0))
        cast, count = cast_of(header[:6]), len(train)
        counters[TX_UCAST_PKTS + cast] += count
        counters[TX_UCAST_BYTES + cast] += train.byte_count
        full = train.header_bytes + train.mss
        self._mac.lengths[full] += count - 1
        self._mac.lengths[train.last_bytes] += 1
        self._mac.casts[cast] += count
        if ring.queue_id:
            for i in range(count):
                self._mac.count_queue(ring.queue_id, full if i < count - 1 else train.last_bytes)
        send_train(train)

    def _send(self, ring: TxRing, frames: list[bytes]) -> None:
        if not frames:
            return
        stamped, self._to_stamp = self._to_stamp, []
        counters = self._counters(ring)
        if not self.link_up:
            self._trace.counters["tx_drop_link_down"] += len(frames)
            counters[TX_DISCARD_PKTS] += len(frames)
            self._mac.others["tx_stat_discard"] += len(frames)
            return
        lengths, casts = self._mac.lengths, self._mac.casts
        for i, frame in enumerate(frames):
            length = len(frame)
            cast = 0 if not frame[0] & 1 else cast_of(frame[:6])
            counters[TX_UCAST_PKTS + cast] += 1
            counters[TX_UCAST_BYTES + cast] += length
            if length < MIN_FRAME_BYTES:
                frames[i] = frame.ljust(MIN_FRAME_BYTES, b"\0")
                length = MIN_FRAME_BYTES
            lengths[length] += 1
            casts[cast] += 1
            if ring.queue_id:
                self._mac.count_queue(ring.queue_id, length)
            if frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
                self._mac.tagged(frame)
        faults = self._dma.faults
        if faults.armed and "tx.frame" in faults.points:
            frames = frames_out(faults, frames, self._wire.send)
        self._wire.send(frames)
        if self._timestamps is not None:
            for frame in stamped:
                self._timestamps.has_sent(frame)

    def _counters(self, ring: TxRing) -> list[int]:
        stats = self._resources.stat_ctxs.get(ring.stat_ctx_id)
        return [0] * COUNTERS if stats is None else stats.counters

    def _complete(self, ring: TxRing, opaque: int, errors: int) -> None:
        cq = self._resources.cmpl_rings.get(ring.cmpl_ring_id)
        if cq is None:
            self._trace.violation("tx_no_completion_ring", ring=ring.id)
            return
        word = CmplType.TX_L2 | (FLAG_ERROR if errors else 0)
        cq.post(_PACK_CMPL(word, opaque, errors, 0))
        cq.flush()

    # -- barriers ---------------------------------------------------------------------------
    def flush_ring(self, ring: TxRing) -> None:
        """RING_FREE barrier: what is owed is posted already; nothing is sent afterwards."""
        self._waiting.pop(ring.id, None)
        cq = self._resources.cmpl_rings.get(ring.cmpl_ring_id)
        if cq is not None:
            cq.notify()

    def reset(self) -> None:
        """Forget every packet without touching host memory."""
        self._turn.forget()
        self._waiting.clear()
