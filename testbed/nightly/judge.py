# SPDX-License-Identifier: GPL-2.0-only
"""What a night says that earlier nights did not: new, fixed, flaky, slower. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import pairwise
from statistics import median

from testbed.nightly.config import KnownTable, SlowerTable
from testbed.nightly.reading import Result
from testbed.nightly.store import StoredAttempt, StoredResult, StoredValue
from testbed.report.blamed import BlamedOutcome

MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution: its standard deviation in median absolute deviations."""

LATELY = 10
"""Runs of a test in which it may not go back and forth."""

SECONDS = "s"


class State(StrEnum):
    """What is said of a test or a value tonight; the first page shows them in this order."""

    NEW = "new"
    EXPIRED = "expired"
    FLAKY = "flaky"
    SLOWER = "slower"
    FIXED = "fixed"
    STILL = "still failing"
    RECORDED = "on record"
    KNOWN = "known"
    FASTER = "faster"
    NOT_OFFERED = "no longer offered"
    NO_RESULT = "no result"

    @property
    def fails(self) -> bool:
        """Whether a night with one of these fails."""
        return self in (State.NEW, State.EXPIRED, State.SLOWER)


MEANING = {
    State.NEW: "fails in every try, and did not fail when it last ran",
    State.EXPIRED: "fails, and the day is over until which that was excused",
    State.FLAKY: "fails and passes, on the same kernel",
    State.SLOWER: "costs more than in the nights before",
    State.FIXED: "failed when it last ran, and passes",
    State.STILL: "fails, as when it last ran",
    State.RECORDED: "shows a bug on record, and did not when it last ran",
    State.KNOWN: "fails, which is excused until a day",
    State.FASTER: "costs less than in the nights before",
    State.NOT_OFFERED: "is skipped, and was not when it last ran",
    State.NO_RESULT: "could not be run, or gave no result",
}


@dataclass
class Ran:
    """One test at one place in one night: its tries, in order."""

    night: int
    tries: list[Result] = field(default_factory=list)
    attempts: list[StoredAttempt] = field(default_factory=list)

    @property
    def flaky(self) -> bool:
        """Whether one try failed and another did not."""
        return any(one.outcome.is_bad for one in self.tries) and any(
            one.outcome.says_something and not one.outcome.is_bad for one in self.tries
        )

    @property
    def deciding(self) -> int:
        """Number of the try that counts: the last that said something, else the last."""
        said = [n for n, one in enumerate(self.tries) if one.outcome.says_something]
        return said[-1] if said else len(self.tries) - 1

    @property
    def result(self) -> Result:
        """The try that counts."""
        return self.tries[self.deciding]

    @property
    def worst(self) -> tuple[Result, StoredAttempt]:
        """The first try that failed, and its attempt; else the one that counts."""
        number = next((n for n, one in enumerate(self.tries) if one.outcome.is_bad), self.deciding)
        return self.tries[number], self.attempts[number]

    @property
    def bad(self) -> bool:
        """Whether it failed whenever it was tried."""
        return self.result.outcome.is_bad and not self.flaky

    @property
    def made_of(self) -> tuple[str, str, str]:
        """Kernel and testbed: with the same, a test has to end the same."""
        last = self.attempts[self.deciding]
        return last.release, last.key, last.testbed

    @property
    def seconds(self) -> float | None:
        """How long it took when it passed."""
        good = [one.seconds for one in self.tries if one.outcome.is_good]
        return good[0] if good else None


@dataclass(frozen=True)
class Series:
    """One test at one place over the nights; those it did not run in are left out."""

    place: str
    test: str
    ran: tuple[Ran, ...]

    def before(self, night: int) -> Ran | None:
        """The last time before that it said something."""
        found = [one for one in self.ran if one.night < night and _says(one)]
        return found[-1] if found else None

    def at(self, night: int) -> Ran | None:
        """That night."""
        return next((one for one in self.ran if one.night == night), None)


def _says(one: Ran) -> bool:
    return one.result.outcome.says_something


@dataclass(frozen=True)
class Curve:
    """One measurement at one place over the nights."""

    place: str
    name: str
    unit: str
    less: bool
    points: tuple[tuple[int, float, StoredAttempt], ...]


@dataclass(frozen=True, kw_only=True)
class Told:
    """One line of the first page. ``test`` is what it is about, ``why`` one line more of it."""

    state: State
    place: str
    test: str
    title: str = ""
    why: str = ""
    reason: str = ""


def series_of(results: Iterable[StoredResult]) -> list[Series]:
    """By place and test, in the order of their first appearance."""
    found: dict[tuple[str, str], dict[int, Ran]] = {}
    for one in results:
        nights = found.setdefault((one.place, one.result.test), {})
        ran = nights.setdefault(one.night, Ran(one.night))
        ran.tries.append(one.result)
        ran.attempts.append(one.attempt)
    return [
        Series(place, test, tuple(nights[number] for number in sorted(nights)))
        for (place, test), nights in found.items()
    ]


def curves_of(values: Iterable[StoredValue]) -> list[Curve]:
    """By place and name; of a night the last value."""
    found: dict[tuple[str, str, str, bool], dict[int, tuple[int, float, StoredAttempt]]] = {}
    for one in values:
        key = (one.place, one.value.name, one.value.unit, one.value.less)
        found.setdefault(key, {})[one.night] = (one.night, one.value.value, one.attempt)
    return [
        Curve(*key, tuple(points[number] for number in sorted(points)))
        for key, points in found.items()
    ]


def judge(
    series: Sequence[Series], curves: Sequence[Curve], night: int, day: date,
    known: Sequence[KnownTable], slower: SlowerTable,
) -> list[Told]:  # fmt: skip
    """Everything there is to say of a night, in the order of :class:`State`."""
    found = [_judge_test(one, night, day, known) for one in series]
    found += [_judge_time(one, night, slower) for one in series]
    found += [_judge_value(one, night, slower) for one in curves]
    order = list(State)
    return sorted((one for one in found if one is not None), key=lambda one: order.index(one.state))


def _judge_test(series: Series, night: int, day: date, known: Sequence[KnownTable]) -> Told | None:
    now, before = series.at(night), series.before(night)
    if now is None:
        return None
    state, why = _state_of(series, now, before, day, known)
    if state is None:
        return None
    result, _ = now.worst
    return Told(
        state=state, place=series.place, test=series.test, title=result.title, why=why,
        reason=result.reason,
    )  # fmt: skip


def _state_of(
    series: Series, now: Ran, before: Ran | None, day: date, known: Sequence[KnownTable]
) -> tuple[State | None, str]:
    outcome = now.result.outcome
    was_bad = before is not None and before.bad
    last = f"night {before.night}: {before.result.outcome.value}" if before else "never ran before"
    if now.flaky:
        bad = sum(one.outcome.is_bad for one in now.tries)
        return State.FLAKY, f"failed {bad} of {len(now.tries)} tries tonight"
    if now.bad:
        entries = [one for one in known if one.covers(series.place, series.test)]
        excuse = next((one for one in entries if one.excuses(day)), None)
        if excuse is not None:
            return State.KNOWN, f"since {excuse.since}, until {excuse.until}: {excuse.reason}"
        if entries:
            return State.EXPIRED, f"excused until {entries[0].until}: {entries[0].reason}"
    turns = _turns(series, now)
    if turns > 1 and (now.bad or was_bad):
        return State.FLAKY, f"turned {turns} times in its last runs of the same kernel"
    if now.bad:
        return (State.STILL, _since(series, now)) if was_bad else (State.NEW, last)
    if outcome.says_something and was_bad:
        excused = any(one.covers(series.place, series.test) for one in known)
        return State.FIXED, f"{last}{'; its [[known]] entry may go' if excused else ''}"
    if before is not None and before.result.outcome.is_good and outcome is BlamedOutcome.FINDING:
        return State.RECORDED, ", ".join(now.result.findings)
    if outcome is BlamedOutcome.SKIP and before is not None and not before.bad:
        return _not_offered(series, now, last)
    return None, ""


def _not_offered(series: Series, now: Ran, last: str) -> tuple[State | None, str]:
    """The first night of it only: a skip that stays says nothing new."""
    earlier = [one for one in series.ran if one.night < now.night]
    skipped = earlier[-1].result.outcome is BlamedOutcome.SKIP
    return (None, "") if skipped else (State.NOT_OFFERED, last)


def _turns(series: Series, now: Ran) -> int:
    """How often it went from good to bad or back lately, kernel and testbed being the same."""
    same = [
        one for one in series.ran
        if one.night <= now.night and _says(one) and one.made_of == now.made_of
    ]  # fmt: skip
    verdicts = [one.bad for one in same[-LATELY:] if not one.flaky]
    return sum(a != b for a, b in pairwise(verdicts))


def _since(series: Series, now: Ran) -> str:
    first = now.night
    for one in reversed(series.ran):
        if one.night <= now.night and _says(one):
            if not one.bad:
                break
            first = one.night
    return f"since night {first}"


def _judge_time(series: Series, night: int, slower: SlowerTable) -> Told | None:
    now = series.at(night)
    if now is None or now.seconds is None:
        return None
    past = [one.seconds for one in series.ran if one.night < night and one.seconds is not None]
    usual = _usual(past, slower, slower.percent_of_time)
    if usual is None or now.seconds <= usual.most or now.seconds - usual.median < slower.seconds:
        return None
    return Told(
        state=State.SLOWER, place=series.place, test=series.test, title=now.result.title,
        why=usual.against(now.seconds, SECONDS),
    )  # fmt: skip


def _judge_value(curve: Curve, night: int, slower: SlowerTable) -> Told | None:
    now = next((value for number, value, _ in curve.points if number == night), None)
    past = [value for number, value, _ in curve.points if number < night]
    usual = _usual(past, slower, slower.percent)
    if now is None or usual is None or usual.least <= now <= usual.most:
        return None
    worse = (now > usual.most) is curve.less
    return Told(
        state=State.SLOWER if worse else State.FASTER, place=curve.place, test=curve.name,
        why=usual.against(now, curve.unit),
    )  # fmt: skip


@dataclass(frozen=True)
class Usual:
    """What a value usually is: between ``least`` and ``most``."""

    median: float
    least: float
    most: float

    def against(self, value: float, unit: str) -> str:
        """Both in words."""
        change = f" ({(value - self.median) / self.median:+.1%})" if self.median else ""
        return f"{value:.4g} {unit}, usually {self.median:.4g} {unit}{change}"


def _usual(past: Sequence[float], slower: SlowerTable, percent: float) -> Usual | None:
    """By median and median absolute deviation, which one odd night does not move."""
    lately = past[-slower.nights :]
    if len(lately) < slower.at_least:
        return None
    middle = median(lately)
    deviation = MAD_TO_DEVIATION * median(abs(value - middle) for value in lately)
    margin = max(slower.deviations * deviation, abs(middle) * percent / 100)
    return Usual(middle, middle - margin, middle + margin)
