# SPDX-License-Identifier: GPL-2.0-only
"""Children: valid, tame, other than their parents, each mutation reachable, one seed one child."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.card.plans import POINTS
from testbed.fuzz.generate import CPU_S, PERSONALITIES, Environment, Generator, canonical
from testbed.fuzz.grammar import numbered
from testbed.fuzz.mutate import MOST_KEPT, WEIGHTS, Mutator
from testbed.fuzz.schedule import Companion, Schedule, check
from testbed.fuzz.seeds import seeds
from testbed.fuzz.wild import is_wild
from testbed.workloads.table import WORKLOADS

UML = Environment()
SEEN = {"hwrm.request": 90, "hwrm.answer": 90, "cqe.write": 300, "rx.frame": 250}
CORPUS = [one for _, one in seeds("uml-san", None)]
ILL = [one for one in CORPUS if one.faults]
PARENT = next(one for one in ILL if len(one.faults) == 1)
numbers = st.integers(0, 1 << 31)


@settings(max_examples=20)
@given(numbers, st.sampled_from(CORPUS), st.sampled_from([None, *CORPUS]), st.booleans())
def test_child_is_valid_tame_and_another(
    seed: int, parent: Schedule, other: Schedule | None, known: bool
) -> None:
    child, names = Mutator(Random(seed), UML, CORPUS).mutate(parent, other, SEEN if known else {})
    check(child)
    assert canonical(child) == child
    assert child.name != parent.name
    assert set(names.split(" + ")) <= set(WEIGHTS)
    assert not any(map(is_wild, child.faults))


@settings(max_examples=8)
@given(numbers)
def test_children_of_children_stay_valid_and_small(seed: int) -> None:
    mutator = Mutator(Random(seed), UML, CORPUS)
    one = Generator(Random(seed), UML).blind()
    for _ in range(12):
        one, _ = mutator.mutate(one, PARENT, SEEN)
    check(one)
    assert len(one.faults) <= MOST_KEPT


def test_one_seed_is_one_child() -> None:
    def names() -> list[str]:
        mutator = Mutator(Random(9), UML, CORPUS)
        return [mutator.mutate(PARENT, None, SEEN)[0].name for _ in range(30)]

    assert names() == names()
    assert len(set(names())) > 25


def test_every_mutation_is_drawn_about_as_often_as_it_weighs() -> None:
    mutator = Mutator(Random(1), UML, CORPUS)
    late = {"where": "rx.frame", "what": {"action": "hold", "after_ns": 5000}}
    some = [one.faults[0] for one in ILL[:6]]
    parent = replace(ILL[0], faults=numbered([*some, late, late]))
    drawn = Counter(
        name for _ in range(400) for name in mutator.mutate(parent, ILL[40], SEEN)[1].split(" + ")
    )
    assert set(drawn) == set(WEIGHTS)
    assert drawn["move"] > 2 * drawn["personality"]


@pytest.mark.parametrize("name", ["drop", "move", "retarget", "value", "repeat"])
def test_schedule_without_a_fault_has_none_to_edit(name: str) -> None:
    bare = Schedule(workload="ping", seed=1)
    assert Mutator(Random(1), UML).apply(name, bare, None, {}) is None


def test_what_a_mutation_leaves_alone() -> None:
    mutator = Mutator(Random(2), UML, CORPUS)
    parent = canonical(replace(PARENT, faults=numbered(PARENT.faults)))
    parts = {"move": "faults", "workload": "workload", "personality": "card", "seed": "seed",
             "companion": "companions", "packet": "packets"}  # fmt: skip
    names = [one.name for one in fields(parent)]
    for name, part in parts.items():
        child = next(filter(None, (mutator.apply(name, parent, None, SEEN) for _ in range(30))))
        changed = {key for key in names if getattr(child, key) != getattr(parent, key)}
        assert changed == {part}


def test_faults_are_added_where_events_pass() -> None:
    mutator = Mutator(Random(6), UML)
    bare = Schedule(workload="ping", seed=1)
    seen = dict.fromkeys(POINTS, 0) | {"hwrm.request": 9, "irq.raise": 9}
    added = [mutator.apply("add", bare, None, seen) for _ in range(60)]
    points = Counter(str(one.faults[0]["where"]) for one in added if one and one.faults)
    assert set(points) == {"hwrm.request", "irq.raise"}
    assert points["hwrm.request"] > 2 * points["irq.raise"]


def test_cheap_workloads_are_drawn_more_often() -> None:
    mutator = Mutator(Random(8), UML)
    drawn = [mutator.apply("workload", PARENT, None, SEEN) for _ in range(1500)]
    names = Counter(one.workload for one in drawn if one)
    assert names["idle"] + names["ping"] > 2 * (names["function-reset"] + names["zcrx-pieces"])
    assert set(CPU_S) <= set(WORKLOADS)


def test_crossing_over_takes_of_both_and_combining_adds() -> None:
    mutator = Mutator(Random(3), UML)
    other = replace(PARENT, faults=ILL[5].faults, workload="ping")
    points = [PARENT.faults[0]["what"], other.faults[0]["what"]]
    combined = mutator.apply("combine", PARENT, other, SEEN)
    assert combined is not None
    assert [one["what"] for one in combined.faults] == points
    crossed = [mutator.apply("cross over", PARENT, other, SEEN) for _ in range(40)]
    found = {(one.workload, len(one.faults)) for one in crossed if one is not None}
    assert {(PARENT.workload, 2), ("ping", 2), (PARENT.workload, 0)} <= found


def test_child_is_kept_small() -> None:
    many = replace(PARENT, faults=numbered([PARENT.faults[0]] * 20))
    mutator = Mutator(Random(7), UML)
    combined = [mutator.apply("combine", many, many, SEEN) for _ in range(9)]
    assert {len(one.faults) for one in combined if one} == {21, MOST_KEPT}


def test_personality_is_of_another_card_and_back() -> None:
    mutator = Mutator(Random(4), UML)
    cards = [mutator.apply("personality", PARENT, None, {}) for _ in range(80)]
    found = [dict(one.card) for one in cards if one is not None]
    assert all(card in found for card in PERSONALITIES)
    other = replace(PARENT, card={"max_aggs": 1})
    back = [mutator.apply("personality", other, None, {}) for _ in range(80)]
    assert {} in [one.card for one in back if one is not None]


def test_ordinals_follow_what_passed() -> None:
    mutator = Mutator(Random(5), UML)
    one = replace(PARENT, faults=({"id": "1", "where": "tx.frame", "what": {"action": "drop"}},))
    moved = [mutator.apply("move", one, None, {"tx.frame": 7}) for _ in range(60)]
    drawn = {child.faults[0].get("when", {}).get("nth", 1) for child in moved if child}
    assert drawn <= set(range(1, 8))
    assert {2, 7} <= drawn


def test_what_only_an_operation_can_have_goes_with_it() -> None:
    fails = Companion(kind="fail_nth", within="bnxt_open", every=1, times=10)
    parent = Schedule(workload="open-nth", seed=1, companions=(fails,))
    children = [
        child
        for seed in range(200)
        if (child := Mutator(Random(seed), UML).apply("workload", parent, None, {})) is not None
    ]
    assert children
    for child in children:
        assert bool(child.companions) == WORKLOADS[child.workload].nth
    assert any(child.companions for child in children)
