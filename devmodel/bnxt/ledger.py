# SPDX-License-Identifier: GPL-2.0-only
"""The oracle's view of the firmware: what memory the card holds, what the driver leaves behind.

Handlers of HWRM commands tell it what they did. Without an oracle every call does nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from devmodel.bnxt.named_rings import NamedRings
from devmodel.bnxt.resources import AggRing, NtupleFilter, Resources, RxRing, TxRing, Vnic
from devmodel.bnxt.rings import Bd, DescriptorRing, RingMemory
from devmodel.bnxt.stats import StatCtx
from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.oracle.leaks import MappingLeaks
from devmodel.oracle.oracle import Oracle

_TX_LONG = 0x10
_BD = struct.Struct("<IIQ")


class FirmwareLedger:
    """Judges HWRM commands by what is allocated; see :mod:`devmodel.oracle.rules`."""

    def __init__(self, resources: Resources, clock: Clock, oracle: Oracle | None) -> None:
        self._resources = resources
        self._oracle = oracle
        self._leaks: MappingLeaks | None = None
        self._named: NamedRings | None = None
        if oracle is not None:
            self._leaks = MappingLeaks(oracle, clock)
            self._named = NamedRings(resources, clock, oracle)
            oracle.posted_for_transmit = self._posted_for_transmit
        self._transmit_cache: dict[int, tuple[tuple[int, int], list[Bd]]] = {}

    # -- memory -------------------------------------------------------------------------------
    def allow(self, address: int, length: int) -> None:
        """The request names this memory for its answer."""
        if self._oracle is not None:
            self._oracle.allow(address, length)

    def answered(self) -> None:
        """A request is over."""
        if self._oracle is not None:
            self._oracle.settle()

    def ring_allocated(self, ring_id: int) -> None:
        """RING_ALLOC was carried out."""
        if self._oracle is None or self._named is None:
            return
        res = self._resources
        ring = (
            res.tx_rings.get(ring_id)
            or res.rx_rings.get(ring_id)
            or res.agg_rings.get(ring_id)
            or res.cmpl_rings.get(ring_id)
            or res.nqs[ring_id]
        )
        self._watch(ring.KIND, ring_id, ring.memory)
        if isinstance(ring, RxRing):
            ring.watch(
                self._oracle.watch_buffers(ring, ring.KIND, length=ring.buf_size, pad=ring.sop_pad)
            )
            self._named.ring_allocated(ring)
            self._check_orphans()
        elif isinstance(ring, AggRing):
            ring.watch(self._oracle.watch_buffers(ring, ring.KIND, length=ring.buf_size))

    def _check_orphans(self) -> None:
        """A queue gets a new RX ring: by now the aggregation ring of the old one is freed."""
        assert self._oracle is not None
        rx_rings = self._resources.rx_rings
        for agg in self._resources.agg_rings.values():
            parent = rx_rings.get(agg.rx_ring_id)
            if parent is None or parent.agg is not agg:
                self._oracle.verdict("ring_left_at_restart", ring=agg.KIND, id=agg.id)

    def _watch(self, kind: str, ring_id: int, memory: RingMemory) -> None:
        assert self._oracle is not None
        self._oracle.watch_memory(f"{kind} ring {ring_id}", memory.ranges())

    def ring_freed(self, kind: str, ring_id: int, ring: DescriptorRing | None = None) -> None:
        """RING_FREE was carried out."""
        if self._oracle is None or self._named is None:
            return
        self._oracle.forget_memory(f"{kind} ring {ring_id}")
        self._transmit_cache.pop(ring_id, None)
        if ring is not None and ring.ledger is not None:
            self._oracle.forget_buffers(ring.ledger)
        if isinstance(ring, RxRing):
            self._named.ring_freed(ring)
        elif kind == "CQ":
            self._named.completion_ring_freed(ring_id)
        elif kind == "NQ" and not self._resources.nqs:  # nothing outlives the last one
            self._nothing_left("fw_left_after_close", keep=("stat_ctxs", "cmpl_rings"))

    def memory_given(self, what: str, ranges: Iterable[tuple[int, int]]) -> None:
        """The driver gave the card memory of its own."""
        if self._oracle is not None:
            self._oracle.watch_memory(what, ranges)

    def memory_returned(self, what: str) -> None:
        """The card is done with it."""
        if self._oracle is not None:
            self._oracle.forget_memory(what)

    def stat_ctx_allocated(self, ctx: StatCtx) -> None:
        """STAT_CTX_ALLOC was carried out."""
        if self._oracle is not None and ctx.address:
            self._oracle.watch_memory(f"statistics context {ctx.id}", [(ctx.address, ctx.length)])

    def stat_ctx_freed(self, ctx_id: int) -> None:
        """STAT_CTX_FREE was carried out."""
        if self._oracle is not None:
            self._oracle.forget_memory(f"statistics context {ctx_id}")

    def reset(self) -> None:
        """FUNC_RESET or FLR."""
        if self._leaks is not None:
            self._leaks.rings_died()
        if self._oracle is not None:
            self._oracle.reset()
        if self._named is not None:
            self._named.reset()
        self._transmit_cache.clear()

    def _posted_for_transmit(self, start: int, end: int) -> str:
        for ring in self._resources.tx_rings.values():
            if not ring.available():
                continue
            place = (ring.prod, ring.cons)
            cached = self._transmit_cache.get(ring.id)
            if cached is None or cached[0] != place:
                try:
                    bds = self._unsent(ring)
                except DmaFault:
                    continue
                cached = self._transmit_cache[ring.id] = (place, bds)
            skip = False
            for word, _, address in cached[1]:
                if skip:  # the second half of a long descriptor
                    skip = False
                    continue
                skip = word & 0x3F == _TX_LONG
                if address < end and address + (word >> 16) > start:
                    return f"TX ring {ring.id}, a packet of {word >> 16} bytes not sent yet"
        return ""

    @staticmethod
    def _unsent(ring: TxRing) -> list[Bd]:
        first, count = ring.cons, ring.available()
        here = min(count, ring.entries - first)
        data = ring.memory.peek_entries(first, here)
        data += ring.memory.peek_entries(0, count - here)
        return list(_BD.iter_unpack(data))

    # -- driver -------------------------------------------------------------------------------
    def driver_registered(self) -> None:
        """FUNC_DRV_RGTR."""
        if self._leaks is not None:
            self._leaks.driver_came()

    def driver_unregistered(self, *, comes_back: bool) -> None:
        """FUNC_DRV_UNRGTR. Of a driver that ``comes_back`` once the firmware has restarted nothing
        that is mapped is left behind: it disables the device meanwhile (bnxt_fw_reset_close())."""
        if self._leaks is not None:
            self._nothing_left("fw_left_after_unregister")
            if not comes_back:
                self._leaks.driver_left()

    def power_changed(self, *, is_awake: bool) -> None:
        """Power state or bus mastering may have changed."""
        if self._leaks is not None:
            self._leaks.power_changed(is_awake=is_awake)

    def _nothing_left(self, rule: str, *, keep: tuple[str, ...] = ()) -> None:
        assert self._oracle is not None
        left = {
            name: count
            for name, count in self._resources.ledger().items()
            if count and name not in keep
        }
        if left:
            vnics = sorted(self._resources.vnics)
            self._oracle.verdict(rule, left=left, vnics=vnics)

    # -- VNICs --------------------------------------------------------------------------------
    def vnic_allocated(self, vnic: Vnic) -> None:
        """VNIC_ALLOC was carried out."""
        if self._named is not None:
            self._named.vnic_allocated(vnic)

    def vnic_names(self, vnic: Vnic, part: int | None, pairs: Iterable[tuple[int, int]]) -> None:
        """(RX ring, completion ring) pairs of a part of the RSS table, or None: of the default."""
        if self._named is not None:
            self._named.vnic_names(vnic, part, pairs)

    def vnic_names_nothing(self, vnic: Vnic) -> None:
        """RSS was turned off, or the VNIC freed."""
        if self._named is not None:
            self._named.vnic_names_nothing(vnic)

    def vnic_enabled(self, vnic: Vnic) -> None:
        """VNIC_UPDATE let the VNIC receive again."""
        if self._named is not None:
            self._named.vnic_enabled(vnic)

    def routed(self, vnic: Vnic | None, bucket: int | None, ntuple: NtupleFilter | None) -> None:
        """A new flow was steered."""
        if self._named is not None:
            self._named.routed(vnic, bucket, ntuple)
