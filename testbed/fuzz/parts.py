# SPDX-License-Identifier: GPL-2.0-only
"""What a campaign wants of those who make up its schedules and of those who run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from testbed.engines.uml.hits import CoveredKernel
from testbed.errors import TestbedError
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.outcome import Outcome
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.store import Store

RUN_S = 30.0
"""What a run may take, if nothing else is said, and a third of it of a CPU. Of 6119 runs of an hour
(seed 40, uml-san) 4 took more than 10 s of a CPU and ended, and 27 did not in 15 s, which took a
thirteenth of the CPU time of all."""


@dataclass(frozen=True)
class Made:
    """A schedule to run, and where it comes from: columns of the store's table."""

    schedule: Schedule
    parent: str
    mutation: str


class Search(Protocol):
    """Makes up schedules of the seed, the run's number, and what the corpus holds then."""

    @property
    def mode(self) -> str:
        """As the store has it."""

    def prefers_seed(self, number: int, corpus: Corpus) -> bool:
        """Whether run ``number`` is better a seed that waits than made up."""

    def make(self, number: int, corpus: Corpus, store: Store) -> Made:
        """The schedule of run ``number``."""

    def read(self, text: str) -> Schedule:
        """A schedule's text. Raises UsageProblem."""


@dataclass(frozen=True)
class Job:
    """Run ``number`` of the campaign, in a guest that serves at ``most`` so many schedules, and
    lost when it has taken ``limit_s`` of real time."""

    number: int
    schedule: Schedule
    most: int = 1
    limit_s: float = RUN_S


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A run that ended. ``program``: the kernel whose edges were counted. ``error``: what every
    worker would run into, such as a kernel that is not to be had."""

    number: int
    outcome: Outcome
    worker: str
    program: CoveredKernel | None = None
    error: TestbedError | None = None


@dataclass(frozen=True)
class Lost:
    """A run that nobody has the end of. ``fatal``: each of the workers that tried is gone."""

    number: int
    reason: str
    fatal: bool = False


class Pool(Protocol):
    """Runs jobs, some at a time."""

    def size(self) -> int:
        """How many it runs at a time, now."""

    def give(self, job: Job) -> None:
        """Have it run."""

    def collect(self, wait_s: float) -> list[Reply | Lost]:
        """What has ended; waits at most that long. Raises TestbedError."""

    def doing(self) -> dict[str, tuple[int, ...]]:
        """Worker -> numbers of the runs it has been given."""
