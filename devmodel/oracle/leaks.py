# SPDX-License-Identifier: GPL-2.0-only
"""Mappings that outlive the driver (vIOMMU only: without it nothing is ever unmapped)."""

from __future__ import annotations

from devmodel.clock import Clock
from devmodel.dma import Mapping
from devmodel.oracle.oracle import Oracle

CHECK_NS = 1_000_000_000
QUIET_NS = 2_000_000_000
"""Nothing was mapped or unmapped for so long: the driver is through with its removal."""
MAX_CHECKS = 120
MAX_NAMED = 8


class MappingLeaks:
    """Looks, some time after the driver has unregistered, for what it left mapped.

    It has left for good once it turned bus mastering off; ``devlink dev reload`` unregisters and
    registers again without. A driver that lets the function sleep (D3hot) keeps its mappings for
    later and is not judged.
    """

    def __init__(self, oracle: Oracle, clock: Clock) -> None:
        self._oracle = oracle
        self._clock = clock
        self._suspects: dict[int, Mapping] = {}
        self._last_ns = 0
        self._checks = 0
        self._has_left = False
        oracle.dma.observers.append(self._changed)

    def _changed(self, kind: str, mapping: Mapping) -> None:
        self._last_ns = self._clock.now_ns
        if kind != "map" and self._suspects:
            self._suspects.pop(mapping.iova, None)

    def driver_left(self) -> None:
        """The driver unregistered: from now on the driver only takes down."""
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
        for mapping in list(suspects.values())[:MAX_NAMED]:
            self._oracle.verdict(
                "mapping_leaked",
                address=mapping.iova,
                length=mapping.size,
                mappings=len(suspects),
            )
