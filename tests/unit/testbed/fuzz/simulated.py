# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is a few lines of Python, who runs schedules on it, and who makes them up."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Self

from testbed.engines.uml.hits import CoveredKernel
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.parts import Job, Lost, Made, Reply
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.store import Store

KERNEL = CoveredKernel("key", "7.2.12", "/linux", "/source")
PLACES = 40


def schedule(seed: int, workload: str = "stream") -> Schedule:
    """A schedule of which only seed and workload count here."""
    return Schedule(workload=workload, seed=seed)


def outcome_of(made: Schedule, *, common: int = 0) -> Outcome:
    """What the simulated kernel does: all of it is of the schedule's content.

    ``common``: so many edges are shown by every schedule.
    """
    random = Random(made.seed)
    shown = {random.randrange(PLACES): random.randrange(1, 9) for _ in range(12)}
    shown |= dict.fromkeys(range(PLACES, PLACES + common), 3)
    complaints = ()
    if made.seed % 7 == 3:
        signature = f"kernel:KASAN:f{made.seed % 3}"
        finding = "known-bug" if made.seed % 3 == 0 else ""
        complaints = (Complaint(signature=signature, oracle="kernel", text="t", finding=finding),)
    return Outcome(
        schedule=made.name, ended=Ended.CRASHED if complaints else Ended.DONE, edges=shown,
        states=frozenset({f"hwrm:{made.seed % 5}"}), complaints=complaints,
        event_hash=f"{made.name}{made.name}", events={"cqe.write": made.seed % 9}, wall_s=0.01,
    )  # fmt: skip


@dataclass
class SimulatedExecutor:
    """As ``testbed.fuzz.execute.Executor``; ``takes_s``: a run."""

    folder: Path
    flavour: str
    kernel: str | None
    coverage: bool = True
    takes_s: float = 0.0
    common: int = 0
    program: CoveredKernel = KERNEL
    release: str = KERNEL.release
    say: object = None

    def append(self, words: str) -> None:
        """There is no command line."""

    def __enter__(self) -> Self:
        assert self.folder.is_dir()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, made: Schedule, most: int = 1, limit_s: float = 0.0) -> Outcome:
        """A run. One of workload ``die`` takes its worker along."""
        if made.workload == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if made.workload == "die-once" and not (mark := self.folder.parents[3] / "died").exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if made.workload == "raise":
            raise RuntimeError("a bug of ours")
        time.sleep(self.takes_s)
        return outcome_of(made, common=self.common)

    def close(self) -> None:
        """Nothing is open."""


def slow(takes_s: float, common: int = 0) -> partial[SimulatedExecutor]:
    """A factory of executors whose runs take a while."""
    return partial(SimulatedExecutor, takes_s=takes_s, common=common)


@dataclass
class SimulatedSearch:
    """The seed of a schedule is drawn of the campaign's seed and the run's number."""

    seed: int = 1
    mode: str = "guided"
    workload: str = "stream"

    def prefers_seed(self, number: int, corpus: Corpus) -> bool:
        """Seeds come first."""
        return True

    def make(self, number: int, corpus: Corpus, store: Store) -> Made:
        """Of a parent, if there is one."""
        random = Random(f"{self.seed}/{number}")
        drawn = schedule(random.randrange(1000), self.workload)
        return Made(drawn, corpus.pick(random).schedule if corpus.entries else "", "reseed")

    def read(self, text: str) -> Schedule:
        """Seed and workload of it."""
        found = json.loads(text)
        return schedule(found["seed"], found["workload"])


@dataclass
class InlinePool:
    """Runs each job when it is asked for what has ended; ``ends`` replaces what came of some."""

    ends: dict[int, list[Reply | Lost]] = field(default_factory=dict)
    jobs: deque[Job] = field(default_factory=deque)
    given: list[int] = field(default_factory=list)
    workers: int = 2
    idle: int = 0

    def size(self) -> int:
        """As set."""
        return self.workers

    def give(self, job: Job) -> None:
        """Not yet run."""
        self.given.append(job.number)
        self.jobs.append(job)

    def collect(self, wait_s: float) -> list[Reply | Lost]:
        """The next one."""
        if not self.jobs:
            self.idle += 1
            assert self.idle < 100, "it waits for runs that nobody has"
            return []
        job = self.jobs.popleft()
        if self.ends.get(job.number):
            return [self.ends[job.number].pop(0)]
        return [Reply(number=job.number, outcome=self._run(job), worker="w", program=KERNEL)]

    def _run(self, job: Job) -> Outcome:
        return outcome_of(job.schedule)

    def doing(self) -> dict[str, tuple[int, ...]]:
        """One worker has it all."""
        return {"w": tuple(job.number for job in self.jobs)}


@dataclass
class UsedPool(InlinePool):
    """Guests serve as many schedules as they may; a used one shows ``more`` than there is."""

    more: tuple[Complaint, ...] = ()
    more_edges: frozenset[int] = frozenset()
    guest: int = 0
    served: int = 0
    fresh: list[int] = field(default_factory=list)

    def _run(self, job: Job) -> Outcome:
        if self.served >= job.most or job.most == 1:
            self.guest, self.served = self.guest + 1, 0
        served, self.served = self.served, self.served + 1
        outcome = outcome_of(job.schedule)
        if not served:
            self.fresh.append(job.number)
            return replace(outcome, guest=f"g{self.guest}")
        return replace(
            outcome, guest=f"g{self.guest}", served=served,
            complaints=(*outcome.complaints, *self.more),
            edges={**outcome.edges, **dict.fromkeys(self.more_edges, 1)},
        )  # fmt: skip
