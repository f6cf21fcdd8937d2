# SPDX-License-Identifier: GPL-2.0-only
"""Minimising: what is needed stays, nothing else does, in few runs, and never more than allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.fuzz.minimise import Minimised, ddmin, minimise
from testbed.fuzz.schedule import Companion, Packet, Schedule, check


def fault(number: int, **what: Any) -> dict[str, Any]:
    """A fault that differs from the others by its ordinal only."""
    return {
        "id": f"f{number}", "where": "cqe.write",
        "when": {"match": {"type": "RX_L2"}, "nth": number + 20, "every": 3},
        "what": what or {"action": "drop"}, "times": 50,
    }  # fmt: skip


LARGE = Schedule(
    workload="restart-storm", seed=99, card={"max_aggs": 4, "id_policy": "fresh"},
    faults=tuple(fault(number) for number in range(15)),
    companions=(Companion(kind="signal", what="KILL"), Companion(kind="failslab")),
    packets=tuple(Packet(after=number, data="00" * 60) for number in range(4)),
)  # fmt: skip


def nth(one: Mapping[str, Any]) -> int:
    """Ordinal of a fault."""
    return int(one.get("when", {}).get("nth", 1))


def has(*ids: str) -> Callable[[Schedule], bool]:
    """Shows wherever these faults are."""
    return lambda one: set(ids) <= {each["id"] for each in one.faults}


def test_two_of_fifteen_faults_in_about_25_runs() -> None:
    small = minimise(LARGE, has("f3", "f11"))
    (first, second) = small.schedule.faults
    assert (first["id"], second["id"]) == ("f3", "f11")
    assert first == {
        "id": "f3", "where": "cqe.write", "when": {"match": {"type": "RX_L2"}},
        "what": {"action": "drop"},
    }  # fmt: skip
    rest = replace(small.schedule, faults=())
    assert rest == Schedule(workload="idle", seed=1)
    assert small.runs <= 35


def test_faults_alone_take_about_fifteen_runs() -> None:
    def runs(needed: Sequence[int]) -> int:
        asked: set[tuple[int, ...]] = set()

        def shows(some: Sequence[int]) -> bool:
            asked.add(tuple(some))
            return set(needed) <= set(some)

        assert tuple(ddmin(range(15), shows)) == tuple(needed)
        return len(asked)

    assert mean(runs(two) for two in combinations(range(15), 2)) < 15.5
    assert mean(runs(three) for three in combinations(range(15), 3)) < 22


def test_what_shows_without_any_fault_has_none_left() -> None:
    small = minimise(LARGE, lambda one: True)
    assert small == Minimised(Schedule(workload="idle", seed=1), small.runs)
    assert small.runs <= 9


@pytest.mark.parametrize(("needed", "left"), [("scan", "scan"), ("", "off")])
def test_only_a_leak_is_searched_for_in_the_end(needed: str, left: str) -> None:
    scanned = Schedule(workload="idle", seed=1, kmemleak="scan")
    small = minimise(scanned, lambda one: one.kmemleak == needed or not needed)
    assert small.schedule == replace(scanned, kmemleak=left)


def test_what_is_needed_stays() -> None:
    def shows(one: Schedule) -> bool:
        return (
            one.workload == "restart-storm"
            and one.card.get("id_policy") == "fresh"
            and any(nth(each) > 27 for each in one.faults)
            and any(each.kind == "failslab" for each in one.companions)
            and len(one.packets) >= 2
            and one.seed == 99
        )

    kept = minimise(LARGE, shows, budget=200).schedule
    assert shows(kept)
    assert len(kept.faults) == 1
    assert kept.companions == (Companion(kind="failslab"),)
    assert len(kept.packets) == 2
    assert kept.card == {"id_policy": "fresh"}


def test_values_become_simple() -> None:
    what = {"action": "duplicate", "count": 40, "fields": {"len": 3, "opaque": 4}, "after_ns": 9}
    one = replace(LARGE, faults=(fault(0, **what),))
    left = minimise(one, lambda it: "len" in str(it.faults) and nth(it.faults[0]) > 4)
    assert left.schedule.faults == (
        {
            "id": "f0", "where": "cqe.write", "when": {"match": {"type": "RX_L2"}, "nth": 5},
            "what": {"action": "duplicate", "fields": {"len": 3}},
        },
    )  # fmt: skip


def test_attempts_become_the_one_that_shows_it() -> None:
    fails = Companion(kind="fail_nth", within="bnxt_open", every=1, times=10)
    one = Schedule(workload="open-nth", seed=1, companions=(fails,))

    def shows(it: Schedule) -> bool:
        return it.workload == one.workload and any(
            fails.every <= 7 < fails.every + fails.times for fails in it.companions
        )

    left = minimise(one, shows)
    assert left.schedule.companions == (replace(fails, every=7, times=1),)
    assert left.runs < 20


def test_attempts_from_the_last_become_fewer() -> None:
    fails = Companion(kind="fail_nth", within="bnxt_open", every=0, times=40)
    one = Schedule(workload="open-nth", seed=1, companions=(fails,))

    def shows(it: Schedule) -> bool:
        return any(not fails.every and fails.times > 7 for fails in it.companions)

    assert minimise(one, shows).schedule.companions == (replace(fails, times=10),)


@pytest.mark.parametrize(("needed", "kept"), [(0, 0), (1, 1), (2, 50)])
def test_no_more_fail_behind_it_than_have_to(needed: int, kept: int) -> None:
    fails = Companion(kind="fail_nth", within="bnxt_open", every=1, times=1, behind=50)
    one = Schedule(workload="open-nth", seed=1, companions=(fails,))
    left = minimise(one, lambda it: any(fails.behind >= needed for fails in it.companions))
    assert left.schedule.companions == (replace(fails, behind=kept),)


@settings(max_examples=15)
@given(st.sets(st.integers(0, 14), max_size=4), st.integers(0, 60))
def test_budget_is_kept_and_the_result_shows(needed: set[int], budget: int) -> None:
    shows = has(*(f"f{number}" for number in needed))
    asked: list[str] = []

    def counted(one: Schedule) -> bool:
        asked.append(one.name)
        check(one)
        return shows(one)

    small = minimise(LARGE, counted, budget=budget)
    assert len(asked) == small.runs <= budget
    assert len(set(asked)) == len(asked), "nothing is run twice"
    assert shows(small.schedule)


@settings(max_examples=8)
@given(st.integers(0, 1 << 32))
def test_any_answers_end_in_something_that_showed(noise: int) -> None:
    def shows(one: Schedule) -> bool:
        return (int(one.name, 16) ^ noise) % 3 == 0

    first = minimise(LARGE, shows)
    assert first == minimise(LARGE, shows)
    assert first.schedule == LARGE or shows(first.schedule)
