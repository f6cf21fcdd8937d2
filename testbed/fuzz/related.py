# SPDX-License-Identifier: GPL-2.0-only
"""How much what a run injected is like what a finding on record needs.

Findings that need a misbehaving card explain nothing elsewhere (testbed.findings.head); a campaign
asks for those whose reproducer does to the card what this run did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from functools import cache
from typing import Any

from testbed.faults.catalogue import load_catalogue
from testbed.findings.head import Needs
from testbed.findings.load import Finding
from testbed.fuzz.schedule import Schedule, read_schedule
from testbed.fuzz.trust import STATE_LOST

_KEYS = ("cmd", "type")
"""What makes two events of one point two kinds of events."""


class Likeness(IntEnum):
    """How much of what a finding needs a run has done: nothing, the same act at the same point or
    by the card itself, to the same kind of event."""

    NONE = 0
    POINT = 1
    EVENT = 2


REFUSED: Mapping[str, Any] = {"point": "hwrm.request", "action": "set", "event": {}}
"""A command that was refused, or not answered: nobody knows which."""


def refusals(trace: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What the firmware refused once faults were armed, as if each had been injected: a card that
    has lost its state, or has no more of something, refuses by itself."""
    armed = False
    for record in trace:
        armed = armed or record["k"] == "faults_armed"
        if armed and record["k"] == "hwrm" and record["error"] != "SUCCESS":
            yield {**REFUSED, "event": {"cmd": record["cmd"]}}


def likeness(
    finding: Finding, injections: Sequence[Mapping[str, Any]], schedule: Schedule | None = None
) -> Likeness:
    """Of ``injections``, records of the trace of a run of ``schedule``, and the plan of the
    finding's reproducer.

    A finding that needs no misbehaving card is always as like as it can be; one that looks as much
    else does only where its own schedule is run, on whatever kernel.
    """
    if finding.needs not in (Needs.REFUSING_FIRMWARE, Needs.LYING_CARD):
        like = not finding.only_marked or _is_its_own(finding, schedule)
        return Likeness.EVENT if like else Likeness.NONE
    plan = _plan_of(finding.reproducer.fault or "") or _scheduled(finding) or _ANY_REFUSAL
    both = ((fault, record) for fault in plan for record in injections)
    return max((_likeness(fault, record) for fault, record in both), default=Likeness.NONE)


_ANY_REFUSAL = ({"where": "hwrm.request", "what": {"action": "set"}},)
"""What a finding needs whose reproducer is a test: those are refused by a fault of the test."""


@cache
def _plan_of(name: str) -> tuple[Mapping[str, Any], ...]:
    entry = load_catalogue().get(name)
    return () if entry is None else tuple(entry.plan)


def _scheduled(finding: Finding) -> tuple[Mapping[str, Any], ...]:
    """The faults of the schedule that is its reproducer, if one is."""
    its = _schedule_of(finding)
    return () if its is None else its.faults


def _is_its_own(finding: Finding, schedule: Schedule | None) -> bool:
    its = _schedule_of(finding)
    if schedule is None or its is None:
        return False
    return replace(its, kernel=schedule.kernel) == schedule


@cache
def _schedule_of(finding: Finding) -> Schedule | None:
    name = finding.reproducer.schedule
    return None if name is None else read_schedule(finding.folder / name)


def _likeness(fault: Mapping[str, Any], record: Mapping[str, Any]) -> Likeness:
    if fault["what"].get("do") == record["action"]:
        return Likeness.EVENT
    if _family(fault["where"]) != _family(record["point"]):
        refuses = record["action"] in STATE_LOST and _family(fault["where"]) == REFUSED["point"]
        return Likeness.POINT if refuses else Likeness.NONE
    wanted = fault.get("when", {}).get("match", {})
    same = all(_fits(wanted[key], record["event"].get(key)) for key in _KEYS if key in wanted)
    return Likeness.EVENT if same else Likeness.POINT


def _family(point: str) -> str:
    """A firmware says no by its answer as well as by not carrying out what was asked, and what is
    wrong in a completion may be wrong where the packet was placed."""
    return "cqe.write" if point == "rx.place" else point.replace("hwrm.answer", "hwrm.request")


def _fits(wanted: object, value: object) -> bool:
    allowed: Iterable[object] = wanted if isinstance(wanted, list) else [wanted]
    return value in allowed
