# SPDX-License-Identifier: GPL-2.0-only
"""From complaints to bugs: variants merged, schedules minimised, each confirmed k of n.

Two signatures are one bug only if one never comes without the other, and is what the other leaves
behind: corrupted memory shows anywhere, and after a kernel's complaint traffic need not flow.
Two complaints of the kernel about different places are two bugs as long as either comes alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from testbed.errors import EnvironmentProblem
from testbed.fuzz.minimise import minimise
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.reading import ComplaintRow, RunRow, TriageRow
from testbed.fuzz.schedule import Schedule, schedule_of
from testbed.fuzz.signature import MEMORY
from testbed.fuzz.store import Store

KERNEL = "kernel"
"""The oracle that names a place in the code; what the others say may follow from it."""
TIMES = 5
TRIES = 3
"""Runs of a schedule, before it is said not to show what it did."""
LEAST_TOGETHER = 3
"""Runs that showed both, before one complaint of the kernel is taken for what another left."""

RunOne = Callable[[Schedule], Outcome]


@dataclass(frozen=True)
class Bug:
    """Complaints that are one bug.

    :ivar first: the complaint it is named by; ``variants``: signatures of the others.
    """

    first: ComplaintRow
    variants: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it is a finding on record."""
        return bool(self.first.finding)


@dataclass(frozen=True)
class Confirmed:
    """Runs of one schedule.

    :ivar shown: of ``tried`` runs that say something; ``hashes``: event hashes of all, counted.
    :ivar finding: id of the finding that it is by now; empty if it is on record nowhere.
    """

    shown: int
    tried: int
    hashes: Counter[str]
    finding: str = ""

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], signature: str) -> Confirmed:
        """How many of these showed it."""
        told = [one for one in outcomes if one.ended not in (Ended.ENVIRONMENT, Ended.ILLEGAL)]
        seen = (
            complaint.finding for one in told for complaint in one.complaints
            if complaint.signature == signature
        )  # fmt: skip
        shown = sum(signature in one.signatures for one in told)
        return cls(shown, len(told), Counter(one.event_hash for one in told), next(seen, ""))

    @property
    def always(self) -> bool:
        """Whether each run showed it."""
        return self.tried > 0 and self.shown == self.tried

    def __str__(self) -> str:
        return f"{self.shown} of {self.tried}"


def variants(complaints: Sequence[ComplaintRow], runs: Iterable[RunRow]) -> dict[str, str]:
    """Signature -> signature of what it follows from; only of those that follow from another."""
    alone: dict[str, set[str]] = {}
    together: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for signature in run.signatures:
            others = set(run.signatures) - {signature}
            alone[signature] = alone.get(signature, others) & others
            together.update((signature, other) for other in others)
    by_name = {one.signature: one for one in complaints}
    found: dict[str, str] = {}
    for one in complaints:
        causes = [
            by_name[other]
            for other in sorted(alone.get(one.signature, ()))
            if other in by_name and _may_follow(one, by_name[other], together[one.signature, other])
        ]
        if causes:
            found[one.signature] = min(
                causes, key=lambda cause: (-cause.count, cause.signature)
            ).signature
    return {name: _end_of(name, found) for name in found}


def _may_follow(one: ComplaintRow, cause: ComplaintRow, together: int) -> bool:
    """Whether ``one`` may be what ``cause`` leaves behind; both came ``together`` so often."""
    if cause.oracle != KERNEL or bool(one.finding) != bool(cause.finding):
        return False
    if one.oracle != KERNEL:
        return True
    corrupts = f"{MEMORY}: " in cause.signature
    return corrupts and together >= LEAST_TOGETHER and cause.count > one.count


def _end_of(name: str, following: dict[str, str]) -> str:
    """The last cause; of causes that follow from each other the one that stands first."""
    seen = [name]
    while seen[-1] in following and following[seen[-1]] not in seen:
        seen.append(following[seen[-1]])
    return seen[-1]


def bugs(complaints: Sequence[ComplaintRow], runs: Iterable[RunRow]) -> list[Bug]:
    """All bugs that are not on record, by their first run, then those that are."""
    follows = variants(complaints, runs)
    of_it: dict[str, list[str]] = {}
    for name, cause in follows.items():
        of_it.setdefault(cause, []).append(name)
    first = [one for one in complaints if one.signature not in follows]
    found = [Bug(one, tuple(sorted(of_it.get(one.signature, ())))) for one in first]
    return sorted(found, key=lambda bug: (bug.known, bug.first.first_run))


def confirm(schedule: Schedule, signature: str, run: RunOne, times: int = TIMES) -> Confirmed:
    """Run ``schedule`` so many ``times``. Raises EnvironmentProblem, Interrupted."""
    return Confirmed.of([run(schedule) for _ in range(times)], signature)


class Triage:
    """Works on the complaints of one campaign; each step is stored when it is done.

    :param run: runs a schedule in a fresh guest (:meth:`testbed.fuzz.execute.Executor.run`).
    """

    def __init__(self, store: Store, run: RunOne, say: Callable[[str], None]) -> None:
        self._store = store
        self._run = run
        self._say = say

    def merge(self) -> list[Bug]:
        """The bugs of the campaign as it is now; variants are stored as such."""
        found = bugs(self._store.complaints(), self._store.runs())
        kept = self._store.triage()
        follows = {name: bug.first.signature for bug in found for name in bug.variants}
        with self._store.batch():
            for name in follows.keys() | kept.keys():
                row = kept.get(name, TriageRow(signature=name))
                if row.same_as != follows.get(name, ""):
                    self._store.triaged(replace(row, same_as=follows.get(name, "")))
        return found

    def work(self, bug: Bug, times: int = TIMES, budget: int = 60) -> TriageRow:
        """Minimise and confirm, unless that is done. Raises EnvironmentProblem, Interrupted."""
        name = bug.first.signature
        row = self._store.triage().get(name, TriageRow(signature=name))
        if row.minimal and row.tried >= times:
            return row
        if not row.minimal:
            row = self._minimised(row, bug, budget)
        done = confirm(self.schedule(row.minimal), name, self._run, times)
        if not done.tried:
            raise EnvironmentProblem(f"no run of {row.minimal} said anything")
        self._say(f"{name}: {row.minimal}: shown in {done} runs, {len(done.hashes)} event hashes")
        row = replace(
            row, shown=done.shown, tried=done.tried, filed=row.filed or done.finding
        )  # fmt: skip
        with self._store.batch():
            self._store.triaged(row)
        return row

    def _minimised(self, row: TriageRow, bug: Bug, budget: int) -> TriageRow:
        name = bug.first.signature
        start = self.schedule(bug.first.schedule)
        if not any(name in self._run(start).signatures for _ in range(TRIES)):
            self._say(f"{name}: {start.name} does not show it, so there is nothing to minimise")
            return self._as_small(row, start, start)
        done = minimise(start, lambda one: name in self._run(one).signatures, budget)
        smallest = done.schedule
        # by the signature once more: a schedule that showed it once by chance is not smaller
        if smallest.name != start.name and name not in self._run(smallest).signatures:
            smallest = start
        self._say(
            f"{name}: {len(start.faults)} faults, {len(start.text)} bytes ->"
            f" {len(smallest.faults)} faults, {len(smallest.text)} bytes in {done.runs} runs"
        )
        return self._as_small(row, smallest, start)

    def _as_small(self, row: TriageRow, smallest: Schedule, start: Schedule) -> TriageRow:
        row = replace(row, minimal=smallest.name)
        with self._store.batch():
            self._store.add_schedule(smallest, start.name, "minimise")
            self._store.triaged(row)
        return row

    def schedule(self, name: str) -> Schedule:
        """The schedule of that name. Raises UsageProblem."""
        found = self._store.schedule(name)
        return schedule_of(json.loads(found.text), found.name)
