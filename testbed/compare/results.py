# SPDX-License-Identifier: GPL-2.0-only
"""Counts of runs, by function and by group, and the summary of several runs of one variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from testbed.compare.counts import Window
from testbed.compare.groups import GROUPS, USER_SPACE, group_of
from testbed.compare.symbols import Symbol, Symbols

KIB = 1024
_SLOW_PATHS = (
    "__page_pool_alloc_netmems_slow", "io_pp_zc_alloc_netmems", "mp_dmabuf_devmem_alloc_netmems",
)  # fmt: skip


@dataclass(frozen=True)
class Count:
    """Instructions; of these, repetitions of string instructions, atomics and full barriers.

    An atomic is a locked instruction that is no full barrier. ``calls`` of the function, or of all
    functions that are counted together; none are known of user space.
    """

    instructions: int = 0
    repeats: int = 0
    atomics: int = 0
    barriers: int = 0
    calls: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.instructions + other.instructions, self.repeats + other.repeats,
            self.atomics + other.atomics, self.barriers + other.barriers, self.calls + other.calls,
        )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One stream received: ``bytes`` in ``packets``, of which the kernel copied ``copied`` bytes.

    ``calls`` of the receiver into the kernel; ``seconds`` by the guest's clock, which counts
    instructions; ``load`` is the host's load average meanwhile; ``copied`` None: not known.
    """

    bytes: int
    packets: int
    calls: int
    copied: int | None
    seconds: float
    load: float
    functions: Mapping[Symbol, Count]

    @property
    def groups(self) -> dict[str, Count]:
        """The counts by group; every group is there."""
        found = dict.fromkeys(GROUPS, Count())
        for symbol, count in self.functions.items():
            found[group_of(symbol)] += count
        return found

    @property
    def total(self) -> Count:
        """Everything the guest executed."""
        return sum(self.functions.values(), Count())

    @property
    def user(self) -> Count:
        """Of that, in user space."""
        return self.groups[USER_SPACE]

    def per_kib(self, count: float) -> float:
        """``count`` divided by the KiB received."""
        return count / (self.bytes / KIB)

    def per_packet(self, count: float) -> float:
        """``count`` divided by the packets received."""
        return count / self.packets


def functions_of(window: Window, symbols: Symbols) -> dict[Symbol, Count]:
    """A window's counts by function."""
    found: dict[Symbol, Count] = {}
    rows = zip(
        symbols.lookup(window.address),
        (window.insns * window.executed).tolist(),
        ((window.string_bytes > 0) * window.executed).tolist(),
        ((window.locked - window.barriers) * window.executed).tolist(),
        (window.barriers * window.executed).tolist(),
        (symbols.is_entry(window.address) * window.executed).tolist(),
        strict=True,
    )
    for symbol, *numbers in rows:
        count = Count(*map(int, numbers))
        found[symbol] = found.get(symbol, Count()) + count
    return found


@dataclass(frozen=True)
class PoolPaths:
    """Where the page pool took buffers from, in calls per packet.

    ``fast``: its cache. ``ring``: the cache was filled from the ptr_ring. ``slow``: from the page
    allocator or the memory provider.
    """

    fast: float
    ring: float
    slow: float

    @classmethod
    def of(cls, run: Run) -> PoolPaths:
        """As the calls of page_pool_alloc_netmems() (net/core/page_pool.c) and from it say."""
        calls: dict[str, int] = {}
        for symbol, count in run.functions.items():
            calls[symbol.name] = calls.get(symbol.name, 0) + count.calls
        allocations = calls.get("page_pool_alloc_netmems", 0)
        refills = calls.get("page_pool_refill_alloc_cache", 0)
        slow = sum(calls.get(name, 0) for name in _SLOW_PATHS)
        return cls(
            fast=run.per_packet(allocations - refills),
            ring=run.per_packet(refills - slow),
            slow=run.per_packet(slow),
        )


@dataclass(frozen=True)
class Summary:
    """Several values of one quantity: their median, and (largest - smallest) / median.

    One value has no spread: None.
    """

    median: float
    spread: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Of at least one value."""
        middle = median(values)
        if len(values) == 1:
            return cls(middle, None)
        width = max(values) - min(values)
        return cls(middle, width / middle if middle else 0.0)

    @property
    def spread_text(self) -> str:
        """``0.17 %``; ``-`` of one value."""
        return "-" if self.spread is None else f"{100 * self.spread:.2f} %"

    @property
    def bar_text(self) -> str:
        """Behind a bar: the median, and half the spread to either side."""
        if self.spread is None:
            return f"{self.median:.0f}"
        return f"{self.median:.0f}  ±{50 * self.spread:.2f} %"


@dataclass(frozen=True)
class Measurement:
    """All runs of one variant on one kernel; the run that warmed up is not among them."""

    label: str
    kernel: str
    runs: Sequence[Run]

    def summary(self, quantity: Callable[[Run], float]) -> Summary:
        """Over the runs."""
        return Summary.of([quantity(run) for run in self.runs])

    @property
    def cost(self) -> Summary:
        """Instructions per KiB."""
        return self.summary(lambda run: run.per_kib(run.total.instructions))

    @property
    def cost_without_repeats(self) -> Summary:
        """Instructions per KiB if a string instruction counts once, however often it repeats."""
        return self.summary(lambda run: run.per_kib(run.total.instructions - run.total.repeats))

    @property
    def atomics(self) -> Summary:
        """Atomic instructions per packet."""
        return self.summary(lambda run: run.per_packet(run.total.atomics))

    @property
    def typical(self) -> Run:
        """The run whose cost is the median, or next to it."""
        return sorted(self.runs, key=lambda run: run.per_kib(run.total.instructions))[
            len(self.runs) // 2
        ]

    def group(self, name: str, part: Callable[[Count], float]) -> Summary:
        """A group's part, per KiB."""
        return self.summary(lambda run: run.per_kib(part(run.groups[name])))
