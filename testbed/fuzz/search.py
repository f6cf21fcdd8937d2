# SPDX-License-Identifier: GPL-2.0-only
"""Where a campaign's schedules come from: seeds, mutations of what the corpus holds, one thing that
goes wrong in its turn, or drawn blindly. One in so many ends with a search for leaked memory.

What is drawn for a run is drawn from the campaign's seed and the run's number, not from what was
drawn before: a campaign that goes on needs no state but its store. How many runs each of them
gets it learns anew (:mod:`testbed.fuzz.shares`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from testbed.errors import UsageProblem
from testbed.fuzz.allocating import allocating
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.covered_kernel import kernel_of
from testbed.fuzz.generate import Environment, Generator, canonical
from testbed.fuzz.met import Places, Shown, counted
from testbed.fuzz.mutate import Mutator
from testbed.fuzz.parts import Made
from testbed.fuzz.schedule import FAIL_NTH, SCANNED, UNTRACKED, Schedule, schedule_of
from testbed.fuzz.shares import DRAWN, MUTATION, SEED, SWEEP
from testbed.fuzz.store import Store
from testbed.fuzz.sweep import Sites, Sweep
from testbed.workloads.table import WORKLOADS

GUIDED, BLIND = "guided", "blind"
MOST_TRIES = 8
"""To make one that was not run before."""
LEAKS = "leaks"
"""What made a schedule that is another one, but for the search for leaked memory at its end."""
LEAKS_EVERY = 9
"""One run in so many, which takes a third longer, is one of these. No divisor of how many runs
there are to one that is done again (``--check-every``): else half of those would be of these."""
WELL, WRONG, IN_TURN = 1, 4, 16
"""How likely one is taken in which nothing goes wrong, one in which something does, and one in
which many allocations fail, each in its turn: what leaks is mostly what is given up."""


def read_text(text: str, source: str = "a schedule of the store") -> Schedule:
    """A schedule's text. Raises UsageProblem."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageProblem(f"{source} is no JSON: {error}") from error
    return schedule_of(document, source)


class BlindSearch:
    """Draws each schedule as if it were the first."""

    mode = BLIND

    def __init__(self, seed: int, environment: Environment) -> None:
        self._seed = seed
        self._environment = environment

    def prefers_seed(self, number: int, corpus: Corpus) -> bool:
        """A seed that somebody has put there comes before what is made up."""
        return True

    def make(self, number: int, corpus: Corpus, store: Store) -> Made:
        """The schedule of run ``number``."""
        made = self._drawn(Random(f"{self._seed}/{number}"))
        if not self._is_for_leaks(number):
            return made
        return replace(made, schedule=replace(made.schedule, kmemleak=SCANNED))

    def read(self, text: str) -> Schedule:
        """A schedule's text. Raises UsageProblem."""
        return read_text(text)

    def _is_for_leaks(self, number: int) -> bool:
        return number % LEAKS_EVERY == 0 and self._environment.kmemleak == UNTRACKED

    def _drawn(self, random: Random) -> Made:
        return Made(Generator(random, self._environment).blind(), "", BLIND)


class GuidedSearch(BlindSearch):
    """Mutates what the corpus holds, what shows rare things more often; and has one thing go wrong
    of each that the corpus has met."""

    mode = GUIDED

    def __init__(self, seed: int, environment: Environment) -> None:
        super().__init__(seed, environment)
        self._read: dict[str, Schedule] = {}
        self._places: Places | None = None
        self._shown: dict[str, Shown] = {}
        self._sites: Sites = {}
        self._tried = Counter[str]()
        self._counted = 0

    def prefers_seed(self, number: int, corpus: Corpus) -> bool:
        """As often as seeds bring something, beside what is made up; but first each workload, since
        what they meet is what sweeps let go wrong."""
        if number <= len(WORKLOADS):
            return True
        return self._kind(Random(f"{self._seed}/{number}/kind"), corpus, SEED) == SEED

    @staticmethod
    def _kind(random: Random, corpus: Corpus, *also: str) -> str:
        kinds = [*also, DRAWN, *([MUTATION, SWEEP] if corpus.entries else [])]
        return random.choices(kinds, corpus.shares.of(kinds))[0]

    def make(self, number: int, corpus: Corpus, store: Store) -> Made:
        """The schedule of run ``number``: one that was not run before, if that is easy."""
        if self._is_for_leaks(number) and (made := self._for_leaks(number, store)) is not None:
            return made
        random = Random(f"{self._seed}/{number}")
        kind = self._kind(random, corpus)
        if kind == DRAWN:
            return self._drawn(random)
        if kind == SWEEP and (made := self._swept(random, corpus, store)) is not None:
            return made
        mutator = Mutator(random, self._environment)
        for _ in range(MOST_TRIES):
            parent, other = corpus.pick(random), corpus.pick(random)
            child, mutation = mutator.mutate(
                self._of(parent.schedule, store), self._of(other.schedule, store), parent.events
            )
            if not store.number("SELECT count(*) FROM schedules WHERE name = ?", child.name):
                return Made(child, parent.schedule, mutation)
        return self._drawn(random)

    def _swept(self, random: Random, corpus: Corpus, store: Store) -> Made | None:
        if self._places is None and (kernel := kernel_of(store.facts())):
            self._places = Places(allocating(Path(kernel.image)))
        if self._places is None:  # no run has ended yet
            return None
        places = self._places
        self._shown = {
            name: self._shown.get(name) or places.shown(corpus.entries[name])
            for name in sorted(corpus.entries)
        }
        entries = list(self._shown.values())
        more = islice(store.mutations, self._counted, None)
        labels = Counter(one for one in more if one.startswith(f"{SWEEP}:"))
        self._counted = len(store.mutations)
        self._tried.update(counted(labels))
        sweep = Sweep(random, self._environment, self._sites)
        return sweep.made(entries, lambda name: self._of(name, store), self._tried)

    def _for_leaks(self, number: int, store: Store) -> Made | None:
        """A schedule of the corpus that was not yet searched for leaks; None if all were."""
        several = [(name, self._of(name, store)) for name in store.not_made_into(LEAKS)]
        if not several:
            return None
        weights = [_leaks(one) for _, one in several]
        random = Random(f"{self._seed}/{number}/{LEAKS}")
        name, one = random.choices(several, weights)[0]
        return Made(canonical(replace(one, kmemleak=SCANNED)), name, LEAKS)

    def _of(self, name: str, store: Store) -> Schedule:
        if name not in self._read:
            self._read[name] = read_text(store.schedule(name).text)
        return self._read[name]


def _leaks(schedule: Schedule) -> int:
    if any(one.kind == FAIL_NTH for one in schedule.companions):
        return IN_TURN
    return WRONG if schedule.faults or schedule.companions else WELL
