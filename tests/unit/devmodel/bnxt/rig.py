# SPDX-License-Identifier: GPL-2.0-only
"""A card's data path with memory and a minimal driver around it, all in one process.

The driver half checks what bnxt_en checks: phase of every entry, RX opaques in order, aggregation
buffers that were really posted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from devmodel.bnxt.cmpl import CmplRing, NotificationQueue
from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.hsi.ring import (
    RxAggCmp,
    RxCmp,
    RxCmpExt,
    RxTpaEndCmp,
    RxTpaEndCmpExt,
    RxTpaStartCmp,
    RxTpaStartCmpExt,
    TxCmp,
)
from devmodel.bnxt.identity import Limits
from devmodel.bnxt.mac import Mac
from devmodel.bnxt.oracle_hooks import make_oracle
from devmodel.bnxt.phc import Phc
from devmodel.bnxt.resources import AggRing, IdPolicy, L2Filter, Resources, RxRing, TxRing, Vnic
from devmodel.bnxt.rings import RingMemory
from devmodel.bnxt.rx import RxPath
from devmodel.bnxt.stats import StatCtx
from devmodel.bnxt.timestamps import Timestamps
from devmodel.bnxt.tx import TxPath
from devmodel.clock import Clock
from devmodel.dma import Access, DmaSpace, Mapping
from devmodel.faults.engine import FaultEngine
from devmodel.net.port import ScriptedWire
from devmodel.oracle.oracle import Oracle
from devmodel.trace import Trace
from tests.unit.devmodel.frames import MAC

BASE = 0x1_0000_0000
MEMORY_BYTES = 12 << 20
HDS_FLAGS = 2 | 4 | 8
"""VNIC_PLCMODES_CFG as bnxt_en sends it: jumbo, split of IPv4, split of IPv6."""
RSS_KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)


@dataclass
class Received:
    """One packet as the driver would hand it to the stack."""

    queue: int
    data: bytes
    first: int
    pieces: list[int]
    cmp: RxCmp | RxTpaStartCmp
    ext: RxCmpExt | RxTpaStartCmpExt
    end: RxTpaEndCmp | None = None
    end_ext: RxTpaEndCmpExt | None = None


@dataclass
class Queue:
    """RX, AGG and completion ring of one queue, and the driver's state of them."""

    index: int
    rx: RxRing
    cq: CmplRing
    nq: NotificationQueue
    stats: StatCtx
    cons: int = 0
    next_cons: int = 0
    rx_prod: int = 0
    agg_prod: int = 0
    rx_addresses: dict[int, int] = field(default_factory=dict)
    agg_addresses: dict[int, int] = field(default_factory=dict)
    tpa: dict[int, tuple[RxTpaStartCmp, RxTpaStartCmpExt, int, list[bytes]]] = field(
        default_factory=dict
    )
    spare: list[int] = field(default_factory=list)
    """Start buffers of aggregations that have ended; one that is open keeps its own."""

    @property
    def agg(self) -> AggRing:
        """Its aggregation ring, which it must have."""
        assert self.rx.agg is not None
        return self.rx.agg


class Rig:
    """Card parts wired together over one block of guest memory."""

    def __init__(
        self,
        *,
        paged: bool = False,
        udp_gso: bool = False,
        memory_bytes: int = MEMORY_BYTES,
        oracle: bool = False,
    ) -> None:
        self.memory = memoryview(bytearray(memory_bytes))
        self.trace = Trace()
        self.clock = Clock(1)
        self.dma = DmaSpace(FaultEngine(self.clock, self.trace, FAULTS))
        self.dma.bus_master_enabled = True
        self.oracle = make_oracle(self.dma, self.trace) if oracle else None
        step = 4096 if paged else memory_bytes
        for offset in range(0, memory_bytes, step):
            self.dma.map(
                Mapping(BASE + offset, step, Access.READ | Access.WRITE, self.memory, offset)
            )
        self.resources = Resources(Limits(), IdPolicy.REUSE, self.clock.random)
        self.mac = Mac()
        self.wire = ScriptedWire()
        self.timestamps = Timestamps(Phc(self.clock))
        self.rx = RxPath(
            self.resources, self.dma, self.clock, self.trace, self.mac.rx, oracle=self.oracle,
            timestamps=self.timestamps,
        )  # fmt: skip
        self.tx = TxPath(
            self.resources, self.dma, self.trace, self.mac.tx, self.wire, self.clock,
            udp_gso=udp_gso, oracle=self.oracle, timestamps=self.timestamps,
        )  # fmt: skip
        self.queues: list[Queue] = []
        self.interrupts: list[int] = []
        self._next = 4096
        self._next_id = 1

    # -- memory -----------------------------------------------------------------------------
    def allocate(self, size: int) -> int:
        """Bus address of fresh zeroed memory, page aligned unless small."""
        align = 4096 if size > 2048 else 64
        at = -(-self._next // align) * align
        self._next = at + size
        assert self._next <= len(self.memory)
        return BASE + at

    def peek(self, address: int, size: int) -> bytes:
        """What the host sees."""
        return bytes(self.memory[address - BASE : address - BASE + size])

    def poke(self, address: int, data: bytes) -> None:
        """Host writes."""
        self.memory[address - BASE : address - BASE + len(data)] = data

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id

    def ring_memory(self, entries: int) -> RingMemory:
        """One contiguous ring."""
        return RingMemory(self.dma, [self.allocate(entries * 16)], entries)

    def _completion_rings(
        self, vector: int, entries: int, handle: int
    ) -> tuple[NotificationQueue, CmplRing, StatCtx]:
        """What receive and transmit rings need; the notification queue is not in the tables."""
        nq_memory = self.ring_memory(64)
        nq = NotificationQueue(self._id(), nq_memory, self.trace, vector, self.interrupts.append)
        cq = CmplRing(self._id(), self.ring_memory(entries), self.trace, nq, handle, self.clock)
        stats = StatCtx(self._id(), 0, 168, 0, dma=self.dma, clock=self.clock, trace=self.trace)
        self.resources.cmpl_rings[cq.id] = cq
        self.resources.stat_ctxs[stats.id] = stats
        return nq, cq, stats

    # -- receive ----------------------------------------------------------------------------
    def add_queue(
        self,
        *,
        rx_entries: int = 256,
        buf_size: int = 640,
        agg_entries: int = 512,
        agg_size: int = 4096,
        cq_entries: int = 1024,
        sop_pad: int = 0,
        post: bool = True,
    ) -> Queue:
        """A queue with all buffers posted; ``agg_entries`` 0 leaves the aggregation ring out."""
        nq, cq, stats = self._completion_rings(0, cq_entries, 7)
        rx = RxRing(
            self._id(), self.ring_memory(rx_entries), self.trace, buf_size=buf_size,
            stat_ctx_id=stats.id, nq_ring_id=nq.id, logical_id=0, sop_pad=sop_pad,
        )  # fmt: skip
        self.resources.nqs[nq.id] = nq
        self.resources.rx_rings[rx.id] = rx
        if agg_entries:
            memory = self.ring_memory
            rx.agg = AggRing(
                self._id(), memory(agg_entries), self.trace, buf_size=agg_size, rx_ring_id=rx.id
            )
            self.resources.agg_rings[rx.agg.id] = rx.agg
        if self.oracle is not None:
            self._watch(self.oracle, rx, cq, nq)
        queue = Queue(len(self.queues), rx, cq, nq, stats)
        self.queues.append(queue)
        if post:
            self.post_rx(queue, rx_entries - 1)
            self.post_agg(queue, agg_entries - 1 if agg_entries else 0)
        return queue

    @staticmethod
    def _watch(oracle: Oracle, rx: RxRing, cq: CmplRing, nq: NotificationQueue) -> None:
        rx.watch(oracle.watch_buffers(rx, rx.KIND, length=rx.buf_size, pad=rx.sop_pad))
        if rx.agg is not None:
            rx.agg.watch(oracle.watch_buffers(rx.agg, rx.agg.KIND, length=rx.agg.buf_size))
        for ring in (cq, nq):
            oracle.watch_memory(f"{ring.KIND} ring {ring.id}", ring.memory.ranges())

    def post_rx(self, queue: Queue, count: int) -> None:
        """Post ``count`` RX buffers and ring the doorbell."""
        for _ in range(count):
            index = queue.rx_prod
            address = queue.rx_addresses.get(index)
            if address is None:
                spare = queue.spare
                address = spare.pop() if spare else self.allocate(queue.rx.buf_size)
                queue.rx_addresses[index] = address
            bd = struct.pack("<IIQ", 4 | queue.rx.buf_size << 16, index, address)
            self.poke(queue.rx.memory.address(index), bd)
            queue.rx_prod = (queue.rx_prod + 1) & queue.rx.mask
        assert queue.rx.doorbell(queue.rx_prod)
        self.rx.refill(queue.rx)

    def post_agg(self, queue: Queue, count: int) -> None:
        """Post ``count`` aggregation buffers with opaques of their own and ring the doorbell."""
        if queue.rx.agg is None:
            return
        for _ in range(count):
            index = queue.agg_prod
            opaque = index * 3 + 5
            address = self.allocate(queue.agg.buf_size)
            queue.agg_addresses[opaque] = address
            bd = struct.pack("<IIQ", 6 | queue.agg.buf_size << 16, opaque, address)
            self.poke(queue.agg.memory.address(index), bd)
            queue.agg_prod = (queue.agg_prod + 1) & queue.agg.mask
        assert queue.agg.doorbell(queue.agg_prod)
        self.rx.refill(queue.agg)

    def add_vnic(self, queues: list[Queue] | None = None, *, mru: int = 9618) -> Vnic:
        """A default VNIC that takes frames for MAC and spreads them over ``queues``."""
        queues = self.queues if queues is None else queues
        vnic = Vnic(len(self.resources.vnics), is_default=not self.resources.vnics, mru=mru)
        vnic.default_rx_ring = queues[0].rx.id
        vnic.default_cmpl_ring = queues[0].cq.id
        vnic.hash_key = RSS_KEY
        vnic.hash_type = 0x3F
        pairs = [(q.rx.id, q.cq.id) for q in queues]
        vnic.set_rss_part(0, [pairs[i % len(pairs)] for i in range(64)])
        self.resources.vnics[vnic.id] = vnic
        if vnic.is_default:
            self.resources.l2_filters[1] = L2Filter(1, MAC, b"\xff" * 6, None, vnic.id, False)
        self.resources.steering_changed()
        return vnic

    def receive(self, *frames: bytes) -> list[Received]:
        """Frames as one batch off a receive buffer of the wire; what the driver then finds."""
        self.rx.receive([memoryview(bytearray(frame)).toreadonly() for frame in frames])
        return self.poll()

    def poll(self) -> list[Received]:
        """Every packet completed since, all queues."""
        return [packet for queue in self.queues for packet in self._poll(queue)]

    def _entry(self, queue: Queue, raw: int) -> bytes | None:
        entry = queue.cq.memory.read_entry(raw & queue.cq.mask)
        return entry if entry[8] & 1 == (not raw & queue.cq.entries) else None

    def _must(self, queue: Queue) -> bytes:
        entry = self._entry(queue, queue.cons)
        assert entry is not None, "part of a completion is missing"
        queue.cons += 1
        return entry

    def _poll(self, queue: Queue) -> list[Received]:
        found: list[Received] = []
        while (lo := self._entry(queue, queue.cons)) is not None:
            queue.cons += 1
            kind = lo[0] & 0x3F
            if kind == 17:
                found.append(self._packet(queue, lo))
            elif kind == 19:
                start = RxTpaStartCmp.unpack(lo)
                ext = RxTpaStartCmpExt.unpack(self._must(queue))
                assert start.rx_tpa_start_cmp_opaque == queue.next_cons
                queue.next_cons = (queue.next_cons + 2) & queue.rx.mask
                assert start.rss_valid
                assert start.agg_id not in queue.tpa
                address = queue.rx_addresses.pop(start.rx_tpa_start_cmp_opaque)
                queue.tpa[start.agg_id] = (start, ext, address, [])
            elif kind == 22:
                agg = RxAggCmp.unpack(lo)
                queue.tpa[agg.agg_id][3].append(self._agg_data(queue, agg))
            elif kind == 21:
                found.append(self._tpa_end(queue, lo))
            else:
                raise AssertionError(f"completion type {kind}")
        queue.cq.arm(queue.cons & queue.cq.mask)
        return found

    def _agg_data(self, queue: Queue, agg: RxAggCmp) -> bytes:
        address = queue.agg_addresses.pop(agg.rx_agg_cmp_opaque)
        assert agg.len <= queue.agg.buf_size
        return self.peek(address, agg.len)

    def _packet(self, queue: Queue, lo: bytes) -> Received:
        cmp, ext = RxCmp.unpack(lo), RxCmpExt.unpack(self._must(queue))
        assert cmp.rx_cmp_opaque == queue.next_cons
        address = queue.rx_addresses[queue.next_cons] + queue.rx.sop_pad
        queue.next_cons = (queue.next_cons + 1) & queue.rx.mask
        assert cmp.len + queue.rx.sop_pad <= queue.rx.buf_size
        parts = [self.peek(address, cmp.len)]
        for _ in range(cmp.agg_bufs):
            agg = RxAggCmp.unpack(self._must(queue))
            assert agg.type == 18
            parts.append(self._agg_data(queue, agg))
        pieces = [len(part) for part in parts[1:]]
        return Received(queue.index, b"".join(parts), cmp.len, pieces, cmp, ext)

    def _tpa_end(self, queue: Queue, lo: bytes) -> Received:
        end, end_ext = RxTpaEndCmp.unpack(lo), RxTpaEndCmpExt.unpack(self._must(queue))
        start, ext, address, parts = queue.tpa.pop(end.agg_id)
        assert end_ext.rx_tpa_end_cmp_start_opaque == start.rx_tpa_start_cmp_opaque
        assert end.rx_tpa_end_cmp_opaque == (start.rx_tpa_start_cmp_opaque + 1) & queue.rx.mask
        assert end_ext.agg_bufs == len(parts) <= 17
        head = self.peek(address + queue.rx.sop_pad, start.len)
        queue.spare.append(address)
        data = b"".join([head, *parts])
        return Received(
            queue.index, data, start.len, [len(p) for p in parts], start, ext, end, end_ext
        )

    # -- transmit ---------------------------------------------------------------------------
    def add_tx(self, *, entries: int = 256) -> TxQueue:
        """A transmit ring with its completion ring."""
        nq, cq, stats = self._completion_rings(1, 256, 8)
        ring = TxRing(
            self._id(), self.ring_memory(entries), self.trace,
            cmpl_ring_id=cq.id, stat_ctx_id=stats.id, queue_id=0, logical_id=0,
        )  # fmt: skip
        self.resources.tx_rings[ring.id] = ring
        if self.oracle is not None:
            self.oracle.watch_memory(f"CQ ring {cq.id}", cq.memory.ranges())
            self.oracle.watch_memory(f"NQ ring {nq.id}", nq.memory.ranges())
        return TxQueue(self, ring, cq, stats)


class TxQueue:
    """Driver's half of a transmit ring."""

    def __init__(self, rig: Rig, ring: TxRing, cq: CmplRing, stats: StatCtx) -> None:
        self.rig = rig
        self.ring = ring
        self.cq = cq
        self.stats = stats
        self.prod = 0
        self.cons = 0

    def put(
        self,
        *pieces: bytes,
        lflags: int = 0,
        mss: int = 0,
        hsize: int = 0,
        meta: int = 0,
        no_cmpl: bool = False,
    ) -> int:
        """Descriptors of one packet, without a doorbell. Returns its opaque."""
        count = len(pieces) + 1
        opaque = count << 16 | self.prod
        bds: list[bytes] = []
        for i, piece in enumerate(pieces):
            address = self.rig.allocate(len(piece))
            self.rig.poke(address, piece)
            word = len(piece) << 16
            if i == len(pieces) - 1:
                word |= 1 << 6
            if i == 0:
                word |= 0x10 | (count & 31) << 8 | (1 << 7 if no_cmpl else 0)
            bds.append(struct.pack("<IIQ", word, opaque if i == 0 else 0, address))
            if i == 0:
                bds.append(struct.pack("<4I", lflags | hsize // 2 << 16, mss, 0, meta))
        self.raw(*bds)
        return opaque

    def raw(self, *bds: bytes) -> None:
        """Any descriptors."""
        for bd in bds:
            self.rig.poke(self.ring.memory.address(self.prod), bd)
            self.prod = (self.prod + 1) & self.ring.mask

    def kick(self) -> list[TxCmp]:
        """Doorbell; the completions found afterwards."""
        assert self.ring.doorbell(self.prod)
        self.rig.tx.kick(self.ring)
        return self.poll()

    def poll(self) -> list[TxCmp]:
        """Completions not seen yet."""
        found = []
        while True:
            entry = self.cq.memory.read_entry(self.cons & self.cq.mask)
            if entry[8] & 1 != (not self.cons & self.cq.entries):
                break
            self.cons += 1
            found.append(TxCmp.unpack(entry))
        self.cq.arm(self.cons & self.cq.mask)
        return found


def one_queue(*, split: bool = False, **options: int) -> Rig:
    """One queue with a VNIC; ``split``: headers from data."""
    rig = Rig()
    rig.add_queue(**options)
    vnic = rig.add_vnic()
    if split:
        vnic.plcmodes.flags = HDS_FLAGS
    return rig


def split_rig() -> Rig:
    """One queue, header-data split at threshold 0."""
    rig = one_queue(split=True)
    rig.resources.vnics[0].plcmodes.jumbo_thresh = 640
    return rig
