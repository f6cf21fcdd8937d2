# SPDX-License-Identifier: GPL-2.0-only
"""The oracle's view of the firmware: what memory the card holds, what the driver leaves behind.

Handlers of HWRM commands tell it what they did. Without an oracle every call does nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from devmodel.bnxt.resources import AggRing, Resources, RxRing, TxRing, Vnic
from devmodel.bnxt.rings import Bd, DescriptorRing, RingMemory
from devmodel.bnxt.stats import StatCtx
from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.oracle.leaks import MappingLeaks
from devmodel.oracle.oracle import Oracle

REFRESH_NS = 100_000_000
"""How long a VNIC may name a freed default ring while its queue restarts."""
_TX_LONG = 0x10
_BD = struct.Struct("<IIQ")


class FirmwareLedger:
    """Judges HWRM commands by what is allocated; see :mod:`devmodel.oracle.rules`."""

    def __init__(self, resources: Resources, clock: Clock, oracle: Oracle | None) -> None:
        self._resources = resources
        self._clock = clock
        self._oracle = oracle
        self._leaks: MappingLeaks | None = None
        if oracle is not None:
            self._leaks = MappingLeaks(oracle, clock)
            oracle.posted_for_transmit = self._posted_for_transmit
        self._transmit_cache: dict[int, tuple[tuple[int, int], list[Bd]]] = {}
        self._stale: dict[tuple[int, int | None], int] = {}
        """(VNIC, part of its RSS table, or None for its default ring) -> ring it names that was
        freed since; the id alone does not show it, because the next ring may get it."""
        self._completes_into: dict[int, int] = {}
        """RX ring -> completion ring, as a VNIC named them together."""

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
        if self._oracle is None:
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
            self._completes_into.pop(ring_id, None)
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
        if self._oracle is None:
            return
        self._oracle.forget_memory(f"{kind} ring {ring_id}")
        self._transmit_cache.pop(ring_id, None)
        if ring is not None and ring.ledger is not None:
            self._oracle.forget_buffers(ring.ledger)
        if isinstance(ring, RxRing):
            self._check_named(ring)
        elif kind == "CQ":
            self._check_users(ring_id)
        elif kind == "NQ" and not self._resources.nqs:  # nothing outlives the last one
            self._nothing_left("fw_left_after_close", keep=("stat_ctxs", "cmpl_rings"))

    def _check_users(self, cq_id: int) -> None:
        assert self._oracle is not None
        rings = [rx for rx in self._resources.rx_rings if self._completes_into.get(rx) == cq_id]
        if rings:
            self._oracle.verdict("ring_free_in_use", kind="CQ", id=cq_id, rx_rings=rings)

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
        if self._oracle is not None:
            self._oracle.reset()
        self._transmit_cache.clear()
        self._stale.clear()
        self._completes_into.clear()

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

    def driver_unregistered(self) -> None:
        """FUNC_DRV_UNRGTR."""
        if self._leaks is not None:
            self._nothing_left("fw_left_after_unregister")
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
    def vnic_names(self, vnic: Vnic, part: int | None, pairs: Iterable[tuple[int, int]]) -> None:
        """(RX ring, completion ring) pairs of a part of the RSS table, or None: of the default."""
        self._stale.pop((vnic.id, part), None)
        self._completes_into.update(pairs)

    def vnic_names_nothing(self, vnic: Vnic) -> None:
        """RSS was turned off, or the VNIC freed."""
        for key in [key for key in self._stale if key[0] == vnic.id]:
            del self._stale[key]

    def vnic_enabled(self, vnic: Vnic) -> None:
        """VNIC_UPDATE let the VNIC receive again."""
        if self._oracle is None:
            return
        stale = {part: ring for (vnic_id, part), ring in self._stale.items() if vnic_id == vnic.id}
        if stale:
            self._names_freed(vnic, stale)

    def _names_freed(self, vnic: Vnic, stale: Mapping[int | None, int]) -> None:
        assert self._oracle is not None
        where = ["default ring" if part is None else f"RSS table {part}" for part in stale]
        rings = sorted(set(stale.values()))
        given_again = [ring for ring in rings if ring in self._resources.rx_rings]
        self._oracle.verdict(
            "vnic_names_freed_ring", vnic=vnic.id, where=where, rings=rings, given_again=given_again
        )
        for part in stale:
            del self._stale[vnic.id, part]

    def _check_named(self, ring: RxRing) -> None:
        """RING_FREE of a ring that packets may still be steered to."""
        assert self._oracle is not None
        for vnic in self._resources.vnics.values():
            parts: list[int | None] = [
                part
                for part, pairs in vnic.rss_table_parts.items()
                if any(rx == ring.id for rx, _ in pairs)
            ]
            if vnic.mru and parts:
                self._oracle.verdict("ring_free_in_rss_table", vnic=vnic.id, ring="RX", id=ring.id)
            if vnic.default_rx_ring == ring.id:
                parts.append(None)
                self._await_refresh(vnic)
            for part in parts:
                self._stale[vnic.id, part] = ring.id

    def _await_refresh(self, vnic: Vnic) -> None:
        def check() -> None:
            stale = self._stale.get((vnic.id, None))
            if self._resources.vnics.get(vnic.id) is vnic and vnic.mru and stale is not None:
                self._names_freed(vnic, {None: stale})

        self._clock.call_later(REFRESH_NS, check, background=True)
