# SPDX-License-Identifier: GPL-2.0-only
"""The oracle's view of the firmware: what memory the card holds, what the driver leaves behind.

Handlers of HWRM commands tell it what they did. Without an oracle every call does nothing.
"""

from __future__ import annotations

from devmodel.bnxt.resources import INVALID_ID, AggRing, Resources, RxRing, Vnic
from devmodel.bnxt.rings import Bd, DescriptorRing, RingMemory
from devmodel.bnxt.stats import StatCtx
from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.oracle.leaks import MappingLeaks
from devmodel.oracle.oracle import Oracle

REFRESH_NS = 100_000_000
"""How long a VNIC may name a freed default ring while its queue restarts."""
_TX_LONG = 0x10


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
            ring.ledger = self._oracle.watch_buffers(
                ring, ring.KIND, length=ring.buf_size, pad=ring.sop_pad
            )
        elif isinstance(ring, AggRing):
            ring.ledger = self._oracle.watch_buffers(ring, ring.KIND, length=ring.buf_size)

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
        counts = self._resources.ledger()
        rings = ("tx_rings", "rx_rings", "agg_rings", "cmpl_rings", "nqs")
        if not any(counts[name] for name in rings):
            self._nothing_left("fw_left_after_close", rings=rings, keep=("stat_ctxs",))

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

    def _posted_for_transmit(self, start: int, end: int) -> str:
        for ring in self._resources.tx_rings.values():
            if not ring.available():
                continue
            place = (ring.prod, ring.cons)
            cached = self._transmit_cache.get(ring.id)
            if cached is None or cached[0] != place:
                try:
                    bds = ring.memory.peek_bds(ring.cons, min(ring.available(), ring.entries))
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

    def slept(self) -> None:
        """The function was put to sleep."""
        if self._leaks is not None:
            self._leaks.slept()

    def _nothing_left(
        self, rule: str, *, rings: tuple[str, ...] = (), keep: tuple[str, ...] = ()
    ) -> None:
        assert self._oracle is not None
        left = {
            name: count
            for name, count in self._resources.ledger().items()
            if count and name not in keep and name not in rings
        }
        if left:
            vnics = sorted(self._resources.vnics)
            self._oracle.verdict(rule, left=left, vnics=vnics)

    # -- VNICs --------------------------------------------------------------------------------
    def vnic_enabled(self, vnic: Vnic) -> None:
        """VNIC_UPDATE let the VNIC receive again."""
        if self._oracle is None:
            return
        gone = sorted(vnic.rx_ring_ids() - self._resources.rx_rings.keys())
        if gone:
            self._oracle.verdict("vnic_names_freed_ring", vnic=vnic.id, rings=gone)

    def _check_named(self, ring: RxRing) -> None:
        """RING_FREE of a ring that packets may still be steered to."""
        assert self._oracle is not None
        for vnic in self._resources.vnics.values():
            if not vnic.mru:
                continue
            if any(pair[0] == ring.id for pair in vnic.rss_tables):
                self._oracle.verdict("ring_free_in_rss_table", vnic=vnic.id, ring="RX", id=ring.id)
            elif vnic.default_rx_ring == ring.id:
                self._await_refresh(vnic, ring.id)

    def _await_refresh(self, vnic: Vnic, ring_id: int) -> None:
        def check() -> None:
            res = self._resources
            named = vnic.default_rx_ring
            if (
                res.vnics.get(vnic.id) is vnic
                and vnic.mru
                and named != INVALID_ID
                and named not in res.rx_rings
                and self._oracle is not None
            ):
                self._oracle.verdict("vnic_names_freed_ring", vnic=vnic.id, rings=[ring_id])

        self._clock.call_later(REFRESH_NS, check, background=True)
