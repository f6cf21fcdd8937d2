# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: schedules that each showed something first, as few of them as show all of it.

A feature is an edge of the kernel with the bucket of its count, or a transition of the card's
state. An entry all of whose features others show is retired; which one goes is a matter of the
entries alone, not of time. All of it can be built again from the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import fsum
from random import Random

from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.reading import CorpusRow, Feature
from testbed.fuzz.shares import Shares
from testbed.fuzz.store import Store

COMMON = 64
"""A feature that so many runs have shown is common: it is counted no further."""
_BASE = 0.01
"""Energy of an entry that shows nothing rare: it is taken now and then."""
_SHARES = [0.0, *(1.0 / count for count in range(1, COMMON + 1))]
_STALE_RUNS, _STALE_SHARE = 16, 8
"""Energies are reckoned anew after so many runs, or after one for each so many entries."""


@dataclass
class Entry:
    """``size``: characters of its text, by which the smaller of two is preferred. ``alone``: the
    features that no other entry shows. ``rare``: those not common when last looked at."""

    schedule: str
    size: int
    features: frozenset[Feature]
    events: Mapping[str, int]
    alone: frozenset[Feature] = frozenset()
    rare: frozenset[Feature] = frozenset()


@dataclass(frozen=True)
class Novelty:
    """What a run was the first to show."""

    edges: int = 0
    states: int = 0

    def __bool__(self) -> bool:
        return bool(self.edges or self.states)


def features_of(outcome: Outcome) -> frozenset[Feature]:
    """All that a run showed."""
    return frozenset(outcome.edges.items()) | outcome.states


class Corpus:
    """The entries in use, what each shows, and how rare that is.

    :ivar shares: what runs bring, by where their schedules came from.
    """

    def __init__(self) -> None:
        self.shares = Shares()
        self.entries: dict[str, Entry] = {}
        self._counts: dict[Feature, int] = {}
        self._common: set[Feature] = set()
        self._covered: Counter[Feature] = Counter()
        self._weights: tuple[list[str], list[float]] | None = None
        self._energies: dict[str, float] = {}
        self._stale = 0
        self._only_used: set[Feature] = set()

    @classmethod
    def of(cls, store: Store) -> Corpus:
        """As the store has it."""
        corpus = cls()
        corpus._counts = store.feature_counts()
        corpus._common = {one for one, count in corpus._counts.items() if count >= COMMON}
        for row in store.corpus():
            size = len(store.schedule(row.schedule).text)
            corpus._add(Entry(row.schedule, size, row.features, row.events))
        return corpus

    def take(self, store: Store, number: int, outcome: Outcome, size: int) -> Novelty:
        """Count run ``number``, keep its schedule of ``size`` characters if it shows something
        new, and retire what is superfluous then; in ``store``, in the caller's batch."""
        if outcome.ended in (Ended.TIMED_OUT, Ended.ILLEGAL, Ended.ENVIRONMENT):
            return Novelty()
        shown = features_of(outcome)
        new = shown.difference(self._counts)
        self._count(store, number, shown - self._common)
        if new and outcome.schedule not in self.entries:
            self._keep(store, number, outcome, size, shown)
        states = sum(isinstance(one, str) for one in new)
        return Novelty(len(new) - states, states)

    def _count(self, store: Store, number: int, shown: frozenset[Feature]) -> None:
        for one in shown:
            count = self._counts[one] = self._counts.get(one, 0) + 1
            if count >= COMMON:
                self._common.add(one)
        store.count_features(number, shown)
        self._stale += 1

    def take_used(self, store: Store, number: int, outcome: Outcome) -> bool:
        """Count run ``number`` in a used guest, as far as it shows what is known; whether it shows
        anything else that no fresh run of its schedule has failed to show before."""
        shown = features_of(outcome)
        known = shown.intersection(self._counts)
        self._count(store, number, known - self._common)
        return bool(shown - known - self._only_used)

    def note_only_used(self, used: Outcome, fresh: Outcome) -> None:
        """What a used guest showed and the fresh run of the same schedule did not is no news."""
        self._only_used |= features_of(used) - features_of(fresh)

    def _keep(
        self, store: Store, number: int, outcome: Outcome, size: int, shown: frozenset[Feature]
    ) -> None:
        entry = Entry(outcome.schedule, size, shown, dict(outcome.events))
        row = CorpusRow(
            schedule=entry.schedule, run=number, retired=None, features=shown, events=entry.events
        )
        store.keep(row)
        self._add(entry)
        for name in self._retire():
            store.retire(name, number)

    def _add(self, entry: Entry) -> None:
        for other in self.entries.values():
            other.alone -= entry.features
        entry.alone = entry.features.difference(self._covered)
        entry.rare = entry.features
        self._covered.update(entry.features)
        self.entries[entry.schedule] = entry
        self._weights = None

    def _remove(self, name: str) -> None:
        gone = self.entries.pop(name)
        self._covered.subtract(gone.features)
        single = {one for one in gone.features if self._covered[one] == 1}
        for one in gone.features:
            if not self._covered[one]:
                del self._covered[one]
        for entry in self.entries.values():
            entry.alone |= single & entry.features
        self._weights = None

    def _retire(self) -> list[str]:
        """Take out entries that alone show nothing, the longest first; their names."""
        gone = []
        candidates = [entry for entry in self.entries.values() if not entry.alone]
        for entry in sorted(candidates, key=lambda one: (-one.size, one.schedule)):
            if not entry.alone:
                self._remove(entry.schedule)
                gone.append(entry.schedule)
        return gone

    def pick(self, random: Random) -> Entry:
        """One of the entries, of which there are some: the rarer what it shows, the likelier."""
        if self._stale >= max(_STALE_RUNS, len(self.entries) // _STALE_SHARE):
            self._stale = 0
            self._energies.clear()
            self._weights = None
        if self._weights is None:
            names = sorted(self.entries)
            self._weights = names, list(accumulate(map(self._energy, names)))
        names, weights = self._weights
        return self.entries[random.choices(names, cum_weights=weights)[0]]

    def _energy(self, name: str) -> float:
        if name not in self._energies:
            entry = self.entries[name]
            entry.rare -= self._common
            # fsum: another sum of floats depends on their order, and that of a set on the process
            rare = map(_SHARES.__getitem__, map(self._counts.__getitem__, entry.rare))
            self._energies[name] = _BASE + fsum(rare)
        return self._energies[name]


def minimise(store: Store) -> tuple[int, int]:
    """Use the fewest of all schedules ever kept that show all of it, found greedily: each time the
    one that adds most for its size. How many there were and are; in the caller's batch."""
    rows = list(store.corpus(retired=True))
    before = sum(row.retired is None for row in rows)
    sizes = {row.schedule: len(store.schedule(row.schedule).text) for row in rows}
    left: set[Feature] = {one for row in rows for one in row.features}
    chosen: set[str] = set()
    while left:
        best = min(rows, key=lambda row: _merit(row, sizes[row.schedule], left))
        chosen.add(best.schedule)
        left -= best.features
    if len(chosen) >= before:
        return before, before
    last = max(row.run for row in rows)
    for row in rows:
        if (row.schedule in chosen) != (row.retired is None):
            store.retire(row.schedule, None if row.schedule in chosen else last)
    return before, len(chosen)


def _merit(row: CorpusRow, size: int, left: set[Feature]) -> tuple[float, str]:
    return -len(row.features & left) / size, row.schedule
