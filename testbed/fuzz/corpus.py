# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: schedules that each showed something first, as few of them as show all of it.

A feature is an edge of the kernel with the bucket of its count, or a transition of the card's
state. An entry all of whose features others show is retired; which one goes is a matter of the
entries alone, not of time. All of it can be built again from the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, chain
from math import fsum
from random import Random

from testbed.fuzz.feature_sets import FeatureSet, Numbers
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
    """``size``: characters of its text, by which the smaller of two is preferred."""

    schedule: str
    size: int
    features: FeatureSet
    events: Mapping[str, int]


@dataclass(frozen=True)
class Novelty:
    """What a run was the first to show."""

    edges: int = 0
    states: int = 0

    def __bool__(self) -> bool:
        return bool(self.edges or self.states)


def features_of(outcome: Outcome) -> Iterable[Feature]:
    """All that a run showed."""
    return chain(outcome.edges.items(), outcome.states)


class Corpus:
    """The entries in use, what each shows, and how rare that is.

    :ivar shares: what runs bring, by where their schedules came from.
    """

    def __init__(self) -> None:
        self.shares = Shares()
        self.entries: dict[str, Entry] = {}
        self._numbers = Numbers()
        self._counts: dict[Feature, int] = {}
        self._known = self._common = self._only_used = self._numbers.of()
        self._covered = self._several = self._numbers.of()  # by entries, by more than one of them
        self._weights: tuple[list[str], list[float]] | None = None
        self._energies: dict[str, float] = {}
        self._stale = 0

    @classmethod
    def of(cls, store: Store) -> Corpus:
        """As the store has it."""
        corpus = cls()
        corpus._counts = store.feature_counts()
        corpus._known = corpus._numbers.of(corpus._counts)
        corpus._note_common(corpus._counts)
        for row in store.corpus():
            size = len(store.schedule(row.schedule).text)
            shown = corpus._numbers.of(row.features)
            corpus._add(Entry(row.schedule, size, shown, row.events))
        return corpus

    def take(self, store: Store, number: int, outcome: Outcome, size: int) -> Novelty:
        """Count run ``number``, keep its schedule of ``size`` characters if it shows something
        new, and retire what is superfluous then; in ``store``, in the caller's batch."""
        if outcome.ended in (Ended.TIMED_OUT, Ended.ILLEGAL, Ended.ENVIRONMENT):
            return Novelty()
        shown = self._numbers.of(features_of(outcome))
        new = shown - self._known
        self._count(store, number, shown)
        if new and outcome.schedule not in self.entries:
            self._keep(store, number, outcome, size, shown)
        states = sum(isinstance(one, str) for one in new)
        return Novelty(len(new) - states, states)

    def _count(self, store: Store, number: int, shown: FeatureSet) -> None:
        rare = list(shown - self._common)
        for one in rare:
            self._counts[one] = self._counts.get(one, 0) + 1
        self._known |= shown
        self._note_common(rare)
        store.count_features(number, rare)
        self._stale += 1

    def _note_common(self, features: Iterable[Feature]) -> None:
        self._common |= self._numbers.of(one for one in features if self._counts[one] >= COMMON)

    def take_used(self, store: Store, number: int, outcome: Outcome) -> bool:
        """Count run ``number`` in a used guest, as far as it shows what is known; whether it shows
        anything else that no fresh run of its schedule has failed to show before."""
        shown = self._numbers.of(features_of(outcome))
        known = shown & self._known
        self._count(store, number, known)
        return bool(shown - known - self._only_used)

    def note_only_used(self, used: Outcome, fresh: Outcome) -> None:
        """What a used guest showed and the fresh run of the same schedule did not is no news."""
        shown, decided = map(self._numbers.of, map(features_of, (used, fresh)))
        self._only_used |= shown - decided

    def _keep(
        self, store: Store, number: int, outcome: Outcome, size: int, shown: FeatureSet
    ) -> None:
        entry = Entry(outcome.schedule, size, shown, dict(outcome.events))
        row = CorpusRow(
            schedule=entry.schedule, run=number, retired=None, features=frozenset(shown),
            events=entry.events,
        )  # fmt: skip
        store.keep(row)
        self._add(entry)
        for name in self._retire():
            store.retire(name, number)

    def _add(self, entry: Entry) -> None:
        self.entries[entry.schedule] = entry
        self._cover(entry)
        self._weights = None

    def _cover(self, entry: Entry) -> None:
        self._several |= self._covered & entry.features
        self._covered |= entry.features

    def _remove(self, name: str) -> None:
        del self.entries[name]
        self._covered = self._several = self._numbers.of()
        for entry in self.entries.values():
            self._cover(entry)
        self._weights = None

    def _alone(self, entry: Entry) -> FeatureSet:
        """What no other entry shows."""
        return entry.features - self._several

    def _retire(self) -> list[str]:
        """Take out entries that alone show nothing, the longest first; their names."""
        gone = []
        candidates = [entry for entry in self.entries.values() if not self._alone(entry)]
        for entry in sorted(candidates, key=lambda one: (-one.size, one.schedule)):
            if not self._alone(entry):
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
            rare = self.entries[name].features - self._common
            # fsum: another sum of floats depends on their order, and that of a set on the process
            shares = map(_SHARES.__getitem__, map(self._counts.__getitem__, rare))
            self._energies[name] = _BASE + fsum(shares)
        return self._energies[name]


def minimise(store: Store) -> tuple[int, int]:
    """Use the fewest of all schedules ever kept that show all of it, found greedily: each time the
    one that adds most for its size. How many there were and are; in the caller's batch."""
    numbers = Numbers()
    rows: dict[str, FeatureSet] = {}
    used: set[str] = set()
    last = 0
    for row in store.corpus(retired=True):
        rows[row.schedule] = numbers.of(row.features)
        if row.retired is None:
            used.add(row.schedule)
        last = max(last, row.run)
    sizes = {name: len(store.schedule(name).text) for name in rows}
    left = numbers.of(numbers.features)
    chosen: set[str] = set()
    while left:
        best = min(rows, key=lambda name: (-len(rows[name] & left) / sizes[name], name))
        chosen.add(best)
        left -= rows[best]
    if len(chosen) >= len(used):
        return len(used), len(used)
    for name in sorted(chosen ^ used):
        store.retire(name, None if name in chosen else last)
    return len(used), len(chosen)
