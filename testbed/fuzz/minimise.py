# SPDX-License-Identifier: GPL-2.0-only
"""A schedule made as small as it can be while it still shows what it showed.

Faults first, by delta debugging (ddmin); then companions and packets, then card and workload, then
the values of what is left. Each candidate is run, so each step holds whatever the guest is like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from testbed.fuzz.generate import canonical
from testbed.fuzz.schedule import FAIL_NTH, SCANNED, UNTRACKED, Schedule
from testbed.workloads.table import WORKLOADS

T = TypeVar("T")
SIMPLE = (
    "idle",
    "ping",
    "stream",
    "up-down",
    "restart",
    "gro-stream",
    "split-stream",
    "zcrx-plain",
)
"""Workloads that are easy to follow, the easiest first; one in the place of any that is not."""
SIMPLE_NTH = (1, 2, 3, 5, 10)


@dataclass(frozen=True)
class Minimised:
    """What is left, and how many runs it took."""

    schedule: Schedule
    runs: int


class _Spent(Exception):
    """No run is left."""


class _Judge:
    """Asks whether candidates show it, each once, as long as runs are left."""

    def __init__(self, best: Schedule, shows: Callable[[Schedule], bool], budget: int) -> None:
        self.best = best
        self.runs = 0
        self._shows = shows
        self._budget = budget
        self._known = {best.name: True}

    def accepts(self, candidate: Schedule) -> bool:
        """Whether it shows; it is then the best. Raises _Spent."""
        candidate = canonical(candidate)
        if candidate.name not in self._known:
            if self.runs >= self._budget:
                raise _Spent
            self.runs += 1
            self._known[candidate.name] = self._shows(candidate)
        if self._known[candidate.name]:
            self.best = candidate
        return self._known[candidate.name]


def minimise(schedule: Schedule, shows: Callable[[Schedule], bool], budget: int = 60) -> Minimised:
    """The smallest schedule found in ``budget`` runs that ``shows`` is true of.

    ``shows`` is taken to be true of ``schedule`` itself, which is not run again.
    """
    judge = _Judge(canonical(schedule), shows, budget)
    try:
        for part in ("faults", "companions", "packets"):
            _fewer(judge, part)
        for simpler in (_workloads, _cards, _attempts, _details):
            _each(judge, simpler)
    except _Spent:
        pass
    return Minimised(judge.best, judge.runs)


def ddmin(items: Sequence[T], shows: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """A subset that ``shows`` is true of, and of none that lacks one item of it.

    ``shows`` is taken to be true of all ``items``; it is asked of subsets in their order.
    """
    if items and shows(()):
        return ()
    parts = 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        cuts = [items[at : at + size] for at in range(0, len(items), size)]
        rests = [
            [one for cut in cuts[:at] + cuts[at + 1 :] for one in cut] for at in range(len(cuts))
        ]
        tried = cuts if parts == 2 else rests
        smaller = next((one for one in tried if shows(one)), None)
        if smaller is not None:
            parts = 2 if parts == 2 else max(parts - 1, 2)
            items = smaller
        elif size == 1:
            break
        else:
            parts = min(parts * 2, len(items))
    return items


def _fewer(judge: _Judge, part: str) -> None:
    """As few faults, companions or packets as it takes."""
    items: tuple[Any, ...] = getattr(judge.best, part)

    def shows(some: Sequence[Any]) -> bool:
        return judge.accepts(replace(judge.best, **{part: tuple(some)}))  # type: ignore[arg-type]

    ddmin(items, shows)


def _each(judge: _Judge, simpler: Callable[[Schedule], Iterator[Schedule]]) -> None:
    """Take the first that still shows it of what is simpler, until there is none."""
    while any(judge.accepts(one) for one in simpler(judge.best)):
        pass


def _workloads(schedule: Schedule) -> Iterator[Schedule]:
    known = schedule.workload in SIMPLE
    for name in SIMPLE[: SIMPLE.index(schedule.workload)] if known else SIMPLE:
        if WORKLOADS[name].needs <= WORKLOADS[schedule.workload].needs:
            yield replace(schedule, workload=name)


def _cards(schedule: Schedule) -> Iterator[Schedule]:
    for key in schedule.card:
        yield replace(schedule, card={k: v for k, v in schedule.card.items() if k != key})
    if schedule.kmemleak == SCANNED:
        yield replace(schedule, kmemleak=UNTRACKED)
    if schedule.seed != 1:
        yield replace(schedule, seed=1)


def _attempts(schedule: Schedule) -> Iterator[Schedule]:
    """At an operation half as many, the first or the last; none fails behind the first, or one.

    Attempts that look for the last allocation begin with no number: only fewer of them are tried.
    """
    for at, one in enumerate(schedule.companions):
        if one.kind != FAIL_NTH:
            continue
        fewer = [replace(one, behind=count) for count in (0, 1) if count < one.behind]
        if half := one.times // 2:
            fewer.append(replace(one, times=half))
            if one.every:
                later = replace(one, every=one.every + half, times=one.times - half)
                fewer.append(later)
        for less in fewer:
            rest = schedule.companions[at + 1 :]
            yield replace(schedule, companions=(*schedule.companions[:at], less, *rest))


def _details(schedule: Schedule) -> Iterator[Schedule]:
    """Each with one detail of one fault made simple, or left out."""
    for at, fault in enumerate(schedule.faults):
        for one in _simpler(fault):
            yield replace(schedule, faults=(*schedule.faults[:at], one, *schedule.faults[at + 1 :]))


def _simpler(fault: Any) -> Iterator[dict[str, Any]]:
    when, what = fault.get("when", {}), fault["what"]
    fields, nth = what.get("fields", {}), when.get("nth", 1)
    if fault.get("times", 1) != 1:
        yield _changed(fault, times=1)
    for key in ("every", "probability", "after_ns"):
        if key in when:
            yield _changed(fault, when={k: v for k, v in when.items() if k != key})
    for simple in SIMPLE_NTH:
        if simple < nth:
            yield _changed(fault, when={**when, "nth": simple})
    for key in fields if len(fields) > 1 else ():
        yield _changed(fault, what={**what, "fields": {k: fields[k] for k in fields if k != key}})
    if what.get("count", 1) != 1:
        yield _changed(fault, what={**what, "count": 1})
    for key in what.get("params", {}):
        rest = {k: v for k, v in what["params"].items() if k != key}
        yield _changed(fault, what={**what, "params": rest})
    if what["action"] in ("duplicate", "card"):
        for key in ("until", "after_ns"):
            if key in what:
                yield _changed(fault, what={k: v for k, v in what.items() if k != key})


def _changed(fault: Any, **changes: Any) -> dict[str, Any]:
    return deepcopy({**fault, **changes})
