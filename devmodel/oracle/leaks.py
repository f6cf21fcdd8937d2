# SPDX-License-Identifier: GPL-2.0-only
"""Mappings that outlive the driver, or a reset (vIOMMU only: without it nothing is unmapped)."""

from __future__ import annotations

from devmodel.clock import Clock
from devmodel.dma import PAGE_SHIFT, Mapping
from devmodel.oracle.oracle import Oracle

CHECK_NS = 1_000_000_000
QUIET_NS = 2_000_000_000
"""Nothing was mapped or unmapped for so long: the driver is through with its removal."""
MAX_CHECKS = 120
MAX_NAMED = 8
_NOWHERE = -2


class MappingLeaks:
    """Looks, some time after the driver has unregistered, for what it left mapped.

    It has left for good once it turned bus mastering off; ``devlink dev reload`` unregisters and
    registers again without. A driver that lets the function sleep (D3hot) keeps its mappings for
    later and is not judged for those.

    Whole pages that were posted when a reset took the rings are nobody's but the driver's. It may
    unmap them afterwards, and has by the time it unregisters or registers. Pages mapped in
    one run are left out: an area of a user or a dma-buf outlives the rings.
    """

    def __init__(self, oracle: Oracle, clock: Clock) -> None:
        self._oracle = oracle
        self._clock = clock
        self._suspects: dict[int, Mapping] = {}
        self._last_ns = 0
        self._checks = 0
        self._has_left = False
        self._orphans: dict[int, Mapping] = {}
        """Pages that were posted in rings which a reset took, and are mapped ever since."""
        self._runs: set[int] = set()
        """Pages that were mapped just before or after their neighbour."""
        self._last_page = _NOWHERE
        oracle.dma.observers.append(self._changed)

    def _changed(self, kind: str, mapping: Mapping) -> None:
        self._last_ns = self._clock.now_ns
        page = mapping.iova >> PAGE_SHIFT
        if kind == "map":
            if page == self._last_page + 1:
                self._runs.update((page - 1, page))
            self._last_page = page
            return
        self._last_page = _NOWHERE
        self._runs.discard(page)
        self._suspects.pop(mapping.iova, None)
        self._orphans.pop(mapping.iova, None)

    def rings_died(self) -> None:
        """A reset takes all rings now."""
        if self._oracle.dma.is_translated:
            for mapping in self._oracle.posted_pages():
                if mapping.iova >> PAGE_SHIFT not in self._runs:
                    self._orphans[mapping.iova] = mapping

    def driver_left(self) -> None:
        """The driver unregistered: from now on the driver only takes down."""
        self._judge_orphans()
        dma = self._oracle.dma
        if dma.is_translated:
            self._suspects = {m.iova: m for m in dma.mappings()}
            self._checks = 0
            self._has_left = False
            self._clock.call_later(CHECK_NS, self._check, background=True)

    def power_changed(self, *, is_awake: bool) -> None:
        """Power state or bus mastering may have changed."""
        if not is_awake:
            self._suspects.clear()
        elif not self._oracle.dma.bus_master_enabled:
            self._has_left = True

    def driver_came(self) -> None:
        """A driver registered: what an earlier driver left mapped is leaked now if ever."""
        self._judge_orphans()
        if self._has_left:
            self._judge()
        self._suspects.clear()

    def _check(self) -> None:
        if not self._suspects:
            return
        quiet = self._clock.now_ns - self._last_ns >= QUIET_NS
        if quiet and not self._oracle.dma.bus_master_enabled:
            self._judge()
        elif self._checks < MAX_CHECKS:
            self._checks += 1
            self._clock.call_later(CHECK_NS, self._check, background=True)

    def _judge(self) -> None:
        suspects, self._suspects = self._suspects, {}
        self._tell("mapping_leaked", suspects)

    def _judge_orphans(self) -> None:
        orphans, self._orphans = self._orphans, {}
        self._tell("mapped_after_reset", orphans)

    def _tell(self, rule: str, found: dict[int, Mapping]) -> None:
        for mapping in list(found.values())[:MAX_NAMED]:
            self._oracle.verdict(
                rule, address=mapping.iova, length=mapping.size, mappings=len(found)
            )
