# SPDX-License-Identifier: GPL-2.0-only
"""A night as checks of a report: they decide the exit code, and what CI shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from testbed.errors import EnvironmentProblem
from testbed.nightly.cell import Cell
from testbed.nightly.config import NightlyConfig
from testbed.nightly.judge import MEANING, Series, State, Told, curves_of, judge, series_of
from testbed.nightly.store import Night, Store, StoredAttempt
from testbed.report.results import Check, Outcome, RunReport

CELLS = "cells"


def judge_night(store: Store, night: Night, config: NightlyConfig, report: RunReport) -> None:
    """Add to ``report`` what became of each cell, and whatever fails the night. Raises
    TestbedError."""
    since = first_shown(night, config)
    series, curves = series_of(store.results(since)), curves_of(store.values(since))
    day = date.fromisoformat(night.started_at[:10])
    told = judge(series, curves, night.number, day, config.known, config.slower)
    attempts: dict[str, list[StoredAttempt]] = {}
    for one in store.attempts(night.number):
        if one.night == night.number:
            attempts.setdefault(one.cell, []).append(one)
    cells = store.cells(night.number)
    report.checks += [_cell_check(cell, attempts.get(cell.name, [])) for cell in cells]
    report.checks += [_told_check(one) for one in told if one.state in SHOWN]
    if not any(one.reached for tries in attempts.values() for one in tries):
        report.end_with(EnvironmentProblem("no cell gave a result"))


SHOWN = (State.NEW, State.EXPIRED, State.SLOWER, State.FLAKY, State.FIXED, State.KNOWN)
"""What a report has a check for."""

_OUTCOMES = {State.FLAKY: Outcome.SKIP, State.KNOWN: Outcome.SKIP, State.FIXED: Outcome.PASS}


def first_shown(night: Night, config: NightlyConfig) -> int:
    """The first night that counts: what was longer ago neither is compared nor shown."""
    return night.number - max(config.slower.nights, config.keep_nights)


def ran_at(series: Sequence[Series], night: int) -> int:
    """How many tests said something that night."""
    found = (one.at(night) for one in series)
    return sum(one is not None and one.result.outcome.says_something for one in found)


def _cell_check(cell: Cell, attempts: Sequence[StoredAttempt]) -> Check:
    reached = any(one.reached for one in attempts)
    if not attempts:
        reason = "no time was left"
    else:
        reason = "" if reached else f"{attempts[-1].verdict}: {attempts[-1].reason}"
    return Check(
        name=cell.name, title=cell.name, group=CELLS, reason=reason,
        outcome=Outcome.PASS if reached else Outcome.SKIP,
        seconds=sum(one.seconds for one in attempts),
        measured=attempts[-1].release if reached else "",
    )  # fmt: skip


def _told_check(told: Told) -> Check:
    why = f"{told.why}; {told.reason}" if told.reason else told.why
    return Check(
        name=f"{told.test} ({told.place})", title=told.title or told.test, group=told.state.value,
        outcome=_OUTCOMES.get(told.state, Outcome.FAIL), reason=why,
        detail=f"{told.state.value}: {MEANING[told.state]}",
    )  # fmt: skip
