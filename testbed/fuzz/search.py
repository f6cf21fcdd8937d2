# SPDX-License-Identifier: GPL-2.0-only
"""Where a campaign's schedules come from: seeds, mutations of what the corpus holds, or drawn
blindly.

What is drawn for a run is drawn from the campaign's seed and the run's number, not from what was
drawn before: a campaign that goes on needs no state but its store. How many runs each of the three
gets it learns anew (:mod:`testbed.fuzz.shares`).
"""

from __future__ import annotations

import json
from random import Random

from testbed.errors import UsageProblem
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.generate import Environment, Generator
from testbed.fuzz.mutate import Mutator
from testbed.fuzz.parts import Made
from testbed.fuzz.schedule import Schedule, schedule_of
from testbed.fuzz.shares import DRAWN, MUTATION, SEED
from testbed.fuzz.store import Store

GUIDED, BLIND = "guided", "blind"
MOST_TRIES = 8
"""To make one that was not run before."""


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
        return self._drawn(Random(f"{self._seed}/{number}"))

    def read(self, text: str) -> Schedule:
        """A schedule's text. Raises UsageProblem."""
        return read_text(text)

    def _drawn(self, random: Random) -> Made:
        return Made(Generator(random, self._environment).blind(), "", BLIND)


class GuidedSearch(BlindSearch):
    """Mutates what the corpus holds, what shows rare things more often."""

    mode = GUIDED

    def __init__(self, seed: int, environment: Environment) -> None:
        super().__init__(seed, environment)
        self._read: dict[str, Schedule] = {}

    def prefers_seed(self, number: int, corpus: Corpus) -> bool:
        """As often as seeds bring something, beside what is made up."""
        return self._kind(Random(f"{self._seed}/{number}/kind"), corpus, SEED) == SEED

    @staticmethod
    def _kind(random: Random, corpus: Corpus, *also: str) -> str:
        kinds = [*also, DRAWN, *([MUTATION] if corpus.entries else [])]
        return random.choices(kinds, corpus.shares.of(kinds))[0]

    def make(self, number: int, corpus: Corpus, store: Store) -> Made:
        """The schedule of run ``number``: one that was not run before, if that is easy."""
        random = Random(f"{self._seed}/{number}")
        if self._kind(random, corpus) == DRAWN:
            return self._drawn(random)
        mutator = Mutator(random, self._environment)
        for _ in range(MOST_TRIES):
            parent, other = corpus.pick(random), corpus.pick(random)
            child, mutation = mutator.mutate(
                self._of(parent.schedule, store), self._of(other.schedule, store), parent.events
            )
            if not store.number("SELECT count(*) FROM schedules WHERE name = ?", child.name):
                return Made(child, parent.schedule, mutation)
        return self._drawn(random)

    def _of(self, name: str, store: Store) -> Schedule:
        if name not in self._read:
            self._read[name] = read_text(store.schedule(name).text)
        return self._read[name]
