# SPDX-License-Identifier: GPL-2.0-only
"""What VNICs and filters name, held against what there is: each follows the restart of a ring.

The id of a ring does not show that it was freed, because the next ring may get it. Therefore what
named a ring as it was freed stays *stale* until it is written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from devmodel.bnxt.resources import NtupleFilter, Resources, RxRing, Vnic
from devmodel.clock import Clock
from devmodel.oracle.oracle import Oracle

REFRESH_NS = 100_000_000
"""How long a VNIC may name a freed default ring while its queue restarts."""

Part = int | None
"""Part of a VNIC's RSS table, by its index; None: the default ring."""


class NamedRings:
    """Follows VNICs, their RSS tables and ntuple filters of one card."""

    def __init__(self, resources: Resources, clock: Clock, oracle: Oracle) -> None:
        self._resources = resources
        self._clock = clock
        self._oracle = oracle
        self._stale: dict[tuple[int, Part], set[int]] = {}
        """(VNIC, part) -> rings it names that were freed since."""
        self._told: set[tuple[int, Part]] = set()
        """Those of which RING_FREE has said so: their packets say nothing new."""
        self._completes_into: dict[int, int] = {}
        """RX ring -> completion ring, as a VNIC named them together."""
        self._said: set[tuple[int, str]] = set()
        """(filter, what is wrong with it), said already."""

    def reset(self) -> None:
        """Nothing is allocated any more."""
        self._stale.clear()
        self._told.clear()
        self._completes_into.clear()
        self._said.clear()

    # -- told by commands -----------------------------------------------------------------------
    def ring_allocated(self, ring: RxRing) -> None:
        """Nobody has named it with a completion ring yet."""
        self._completes_into.pop(ring.id, None)

    def ring_freed(self, ring: RxRing) -> None:
        """RING_FREE of a ring that packets may still be steered to."""
        for vnic in self._resources.vnics.values():
            parts: list[Part] = [
                part
                for part, pairs in vnic.rss_table_parts.items()
                if any(rx == ring.id for rx, _ in pairs)
            ]
            if vnic.mru and parts:
                self._oracle.verdict("ring_free_in_rss_table", vnic=vnic.id, ring="RX", id=ring.id)
                self._told.update((vnic.id, part) for part in parts)
            if vnic.default_rx_ring == ring.id:
                parts.append(None)
                self._await_refresh(vnic)
            for part in parts:
                self._stale.setdefault((vnic.id, part), set()).add(ring.id)

    def completion_ring_freed(self, cq_id: int) -> None:
        """Rings that complete into it must be gone."""
        rings = [rx for rx in self._resources.rx_rings if self._completes_into.get(rx) == cq_id]
        if rings:
            self._oracle.verdict("ring_free_in_use", kind="CQ", id=cq_id, rx_rings=rings)

    def vnic_allocated(self, vnic: Vnic) -> None:
        """Filters of an earlier VNIC with this id would lead to the new one."""
        for ntuple in self._resources.ntuple_filters.values():
            if ntuple.dst_vnic == vnic.id and not ntuple.drop:
                self._leads_nowhere(ntuple, f"VNIC {vnic.id} was freed and its id given again")

    def vnic_names(self, vnic: Vnic, part: Part, pairs: Iterable[tuple[int, int]]) -> None:
        """(RX ring, completion ring) pairs that a part names from now on."""
        self._stale.pop((vnic.id, part), None)
        self._told.discard((vnic.id, part))
        self._completes_into.update(pairs)

    def vnic_names_nothing(self, vnic: Vnic) -> None:
        """RSS was turned off, or the VNIC freed."""
        for key in [key for key in self._stale if key[0] == vnic.id]:
            del self._stale[key]
            self._told.discard(key)

    def vnic_enabled(self, vnic: Vnic) -> None:
        """VNIC_UPDATE let the VNIC receive again."""
        stale = {part: rings for (owner, part), rings in self._stale.items() if owner == vnic.id}
        if stale:
            self._names_freed(vnic, stale)

    # -- told by packets ------------------------------------------------------------------------
    def routed(self, vnic: Vnic | None, bucket: int | None, ntuple: NtupleFilter | None) -> None:
        """A flow goes to this bucket of a VNIC; see :data:`devmodel.bnxt.steering.Routed`."""
        if vnic is None:
            if ntuple is not None:
                self._leads_nowhere(ntuple, f"VNIC {ntuple.dst_vnic} was freed")
            return
        if bucket is None or not vnic.mru:
            return
        if bucket >= len(vnic.rss_tables):
            if ntuple is not None:
                size = len(vnic.rss_tables)
                self._leads_nowhere(ntuple, f"bucket {bucket} of VNIC {vnic.id}, which has {size}")
            return
        parts = [part for part, pairs in sorted(vnic.rss_table_parts.items()) for _ in pairs]
        part, ring = parts[bucket], vnic.rss_tables[bucket][0]
        if ring in self._stale.get((vnic.id, part), ()) and (vnic.id, part) not in self._told:
            self._names_freed(vnic, {part: {ring}}, ntuple)

    def _leads_nowhere(self, ntuple: NtupleFilter, why: str) -> None:
        if (ntuple.id, why) not in self._said:
            self._said.add((ntuple.id, why))
            self._oracle.verdict("filter_leads_nowhere", filter=ntuple.id, why=why)

    def _names_freed(
        self, vnic: Vnic, stale: Mapping[Part, set[int]], ntuple: NtupleFilter | None = None
    ) -> None:
        where = ["default ring" if part is None else f"RSS table {part}" for part in stale]
        rings = sorted(set().union(*stale.values()))
        given_again = [ring for ring in rings if ring in self._resources.rx_rings]
        steered = {} if ntuple is None else {"filter": ntuple.id}
        self._oracle.verdict(
            "vnic_names_freed_ring", vnic=vnic.id, where=where, rings=rings,
            given_again=given_again, **steered,
        )  # fmt: skip
        for part in stale:
            del self._stale[vnic.id, part]

    def _await_refresh(self, vnic: Vnic) -> None:
        def check() -> None:
            stale = self._stale.get((vnic.id, None))
            if self._resources.vnics.get(vnic.id) is vnic and vnic.mru and stale:
                self._names_freed(vnic, {None: stale})

        self._clock.call_later(REFRESH_NS, check, background=True)
