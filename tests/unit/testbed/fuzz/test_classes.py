# SPDX-License-Identifier: GPL-2.0-only
"""The review's classes: each brings its workload and the fault that belongs to it."""

from __future__ import annotations

from random import Random

import pytest

from testbed.fuzz import classes
from testbed.fuzz.classes import (
    COMPOUND,
    DRAWN,
    LIMITED,
    PRESSURE,
    PRODUCTS,
    STREAMS,
    WEIGHTS,
    WITHOUT_MEMORY,
)
from testbed.fuzz.edit import MANY
from testbed.fuzz.generate import SLABS, Draws, Environment
from testbed.fuzz.grammar import CHANGING
from testbed.fuzz.schedule import Companion, Schedule
from testbed.workloads.table import WORKLOADS

IDLE = Schedule(workload="idle", seed=1)
BUSY = Schedule(workload="restart", seed=1)
SEEN = {"hwrm.request": 200}


def drawn(name: str, parent: Schedule = IDLE, times: int = 80) -> list[Schedule]:
    """Children of the class."""
    draws = Draws(Random(1), Environment())
    made = [classes.drawn(draws, name, parent, SEEN) for _ in range(times)]
    return [one for one in made if one is not None]


@pytest.mark.parametrize(
    ("name", "workloads"),
    [("product", PRODUCTS), ("refill pressure", PRESSURE), ("refuse a step", COMPOUND),
     ("accumulate", STREAMS), ("limit", LIMITED), ("steps", DRAWN)],
)  # fmt: skip
def test_each_class_has_its_workloads(name: str, workloads: tuple[str, ...]) -> None:
    able = set(workloads) & set(Environment().workloads)
    assert {one.workload for one in drawn(name, times=200)} == able
    assert able


def test_every_class_names_workloads_that_there_are() -> None:
    assert {*PRODUCTS, *PRESSURE, *COMPOUND, *STREAMS, *LIMITED, *DRAWN} <= set(WORKLOADS)
    assert len(WEIGHTS) == 7


def test_any_step_of_an_operation_is_refused_the_last_ones_too() -> None:
    faults = [one.faults[-1] for one in drawn("refuse a step", BUSY, 400)]
    assert all(one["where"] == "hwrm.request" for one in faults)
    assert all({"refuse", "skip"} & set(one["what"]["fields"]) for one in faults)
    of_any = [one["when"]["nth"] for one in faults if isinstance(one["when"]["match"]["cmd"], list)]
    assert max(of_any) > 150
    of_one = {one["when"]["match"]["cmd"] for one in faults if one["when"]["nth"] <= 6
              if isinstance(one["when"]["match"]["cmd"], str)}  # fmt: skip
    assert of_one == set(CHANGING)
    assert {one["times"] for one in faults} == {0, 1, 2, 3}
    again_and_again = [one["when"] for one in faults if "every" in one["when"]]
    assert 50 < len(again_and_again) < 150
    assert all(one["every"] == one["nth"] for one in again_and_again)


def test_memory_fails_where_an_operation_or_a_packet_needs_it() -> None:
    made = drawn("no memory", times=900)
    failing = [one.companions[-1] for one in made]
    for kind, workloads in WITHOUT_MEMORY.items():
        alike = [one for one in made if one.companions[-1].kind == kind]
        assert {one.workload for one in alike} == set(workloads) & set(Environment().workloads)
    assert {one.what for one in failing if one.kind.startswith("fail_page_alloc")} == {""}
    assert {one.what for one in failing if one.kind.startswith("failslab")} == set(SLABS)
    often = sorted(one.every for one in failing)
    assert (often[0], often[-1] > 300) == (1, True)
    assert often[len(often) // 2] < 40  # a step of an operation is seldom the hundredth


def test_what_was_wrong_before_stays_or_goes() -> None:
    ill = Schedule(workload="restart", seed=1, companions=(Companion(kind="signal", what="STOP"),))
    kept = [len(one.companions) for one in drawn("no memory", ill, 200)]
    assert set(kept) == {1, 2}
    assert 60 < kept.count(1) < 140


def test_what_accumulates_comes_hundreds_of_times() -> None:
    faults = [one.faults[-1] for one in drawn("accumulate")]
    assert {one["times"] for one in faults} == set(MANY)


def test_limits_are_small() -> None:
    cards = [one.card for one in drawn("limit")]
    assert {"max_aggs": 1} in cards
    assert {"limits": {"vnics": 4}} in cards


def test_steps_are_others_each_time_half_of_them_without_a_fault() -> None:
    faulty = Schedule(workload="restart", seed=1, faults=tuple(drawn("accumulate")[0].faults))
    made = drawn("steps", faulty)
    assert len({one.seed for one in made}) == len(made) == 80
    assert 20 < sum(not one.faults for one in made) < 60


def test_machine_that_can_do_none_of_it() -> None:
    bare = Draws(Random(1), Environment(capabilities=frozenset()))
    assert classes.drawn(bare, "refuse a step", IDLE, {}) is None
    assert classes.drawn(bare, "no memory", IDLE, {}) is None
    assert classes.drawn(bare, "refill pressure", IDLE, {}) is not None  # a stopped reader
