# SPDX-License-Identifier: GPL-2.0-only
"""The null fault: an entry's plan in which each action is one that changes nothing.

Place, trigger and ordinals stay. An entry that still passes says nothing about its fault: it is
blind. One that says so itself (:attr:`testbed.faults.entry.Fault.unobservable`) has to pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from testbed.card.plans import POINTS
from testbed.faults.entry import PLAN_VERSION, Fault, FaultClass
from testbed.faults.judge import TrialVerdict
from testbed.faults.run import Trial

_NO_INTERRUPT = {"action": "card", "do": "irq", "params": {"count": 0}}


class NullVerdict(StrEnum):
    """What the trial of the null fault says of an entry.

    Misdeclared: unobservable, but tells. Lost: nothing was injected, and the machine was lost; that
    says nothing of the entry.
    """

    TELLS = "tells"
    UNOBSERVABLE = "unobservable"
    BLIND = "blind"
    MISDECLARED = "misdeclared"
    LOST = "lost"


GOOD = frozenset({NullVerdict.TELLS, NullVerdict.UNOBSERVABLE})


def null_plan(fault: Fault) -> dict[str, Any]:
    """The plan of ``fault`` with actions that change nothing, as a document of the file format."""
    return {
        "version": PLAN_VERSION,
        "fault": [{**one, "what": _nothing_at(str(one["where"]))} for one in fault.plan],
    }


def _nothing_at(point: str) -> Mapping[str, Any]:
    """Add 0 to a number that every event of the point has; ``now`` has none."""
    number = next((f for f in POINTS[point].fields if f.settable and f.type == "int"), None)
    if number is None:
        return _NO_INTERRUPT
    return {"action": "set", "fields": {number.name: {"add": 0}}}


def null_verdict(trial: Trial) -> NullVerdict:
    """What a trial of :func:`null_plan` says of its entry.

    A null fault that could not be injected as it is says nothing, so the entry counts as blind.
    """
    if trial.lost is not None:
        return NullVerdict.LOST
    passed = trial.verdict in (TrialVerdict.PASS, TrialVerdict.FINDING, TrialVerdict.GONE)
    if passed or any(one["missing_fields"] for one in trial.status):
        return NullVerdict.UNOBSERVABLE if trial.fault.unobservable else NullVerdict.BLIND
    return NullVerdict.MISDECLARED if trial.fault.unobservable else NullVerdict.TELLS


def null_table(results: Iterable[tuple[FaultClass, NullVerdict]]) -> list[str]:
    """Counts per class and of all, as lines of one table."""
    count = Counter(results)
    rows = [["class", "tried", *(verdict.value for verdict in NullVerdict)]]
    for fault_class in FaultClass:
        numbers = [count[fault_class, verdict] for verdict in NullVerdict]
        if any(numbers):
            rows.append([fault_class.value, *map(str, (sum(numbers), *numbers))])
    totals = [sum(int(row[i]) for row in rows[1:]) for i in range(1, len(rows[0]))]
    rows.append(["all", *map(str, totals)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
