# SPDX-License-Identifier: GPL-2.0-only
"""The engine: matching, actions, deferral, determinism, counts, causes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.clock import Clock, Timing
from devmodel.errors import DmaFault
from devmodel.faults.engine import MAX_NESTED, FaultEngine
from devmodel.faults.plan import MAX_COPIES, parse_plan
from devmodel.faults.rule import MAX_ACTS
from devmodel.trace import Trace


class Bench:
    """An engine, and a point ``dma.write`` that writes down what happens."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = Clock(seed, Timing.SYNCHRONOUS)
        self.log = io.StringIO()
        self.trace = Trace(self.log)
        self.engine = FaultEngine(self.clock, self.trace, FAULTS)
        self.done: list[int] = []

    def arm(self, *faults: Mapping[str, Any], seed: int | None = None) -> int:
        plan: dict[str, Any] = {"version": 1, "fault": list(faults)}
        return self.engine.arm(parse_plan(plan if seed is None else {**plan, "seed": seed}, FAULTS))

    def write(self, *iovas: int, ring_id: int = 1) -> None:
        for iova in iovas:
            event = {"iova": iova, "length": 8, "ring_id": ring_id, "purpose": "payload"}
            self.engine.pass_on("dma.write", event, lambda e: self.done.append(e["iova"]), None)

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [
            r for line in self.log.getvalue().splitlines() if (r := json.loads(line))["k"] == kind
        ]

    def fault(self, name: str = "a") -> dict[str, Any]:
        found = [f for f in self.engine.status()["faults"] if f["id"] == name]
        assert len(found) == 1
        return dict(found[0])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fault(what: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "a", "where": "dma.write", "what": what, **more}


def test_unarmed_is_unarmed_and_a_plan_arms_its_points(bench: Bench) -> None:
    assert not bench.engine.armed
    handle = bench.arm(fault({"action": "drop"}))
    assert bench.engine.armed
    assert bench.engine.points == {"dma.write"}
    bench.engine.disarm(handle)
    assert not bench.engine.armed
    with pytest.raises(KeyError):
        bench.engine.disarm(handle)


def test_the_nth_event_and_so_many(bench: Bench) -> None:
    bench.arm(fault({"action": "drop"}, when={"nth": 2}, times=2))
    bench.write(*range(5))
    assert bench.done == [0, 3, 4]
    status = bench.fault()
    assert (status["considered"], status["matched"], status["fired"]) == (5, 4 - 1, 2)


def test_every_third_without_limit(bench: Bench) -> None:
    bench.arm(fault({"action": "drop"}, when={"nth": 2, "every": 3}, times=0))
    bench.write(*range(8))
    assert bench.done == [0, 2, 3, 5, 6]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        (3, [1, 2, 4, 5]),
        ([1, 5], [2, 3, 4]),
        ({"ne": 3}, [3]),
        ({"lt": 3}, [3, 4, 5]),
        ({"le": 3}, [4, 5]),
        ({"gt": 3}, [1, 2, 3]),
        ({"ge": 3}, [1, 2]),
        ({"eq": 2}, [1, 3, 4, 5]),
        ({"mask": 1}, [2, 4]),
    ],
)
def test_conditions(bench: Bench, condition: Any, kept: list[int]) -> None:
    bench.arm(fault({"action": "drop"}, when={"match": {"iova": condition}}, times=0))
    bench.write(*range(1, 6))
    assert bench.done == kept


@pytest.mark.parametrize(
    ("change", "becomes"),
    [
        (7, 7),
        ({"set": 8}, 8),
        ({"add": 2}, 12),
        ({"xor": 3}, 9),
        ({"and": 2}, 2),
        ({"or": 5}, 15),
        ({"field": "length"}, 8),
        ({"random": [5, 5]}, 5),
    ],
)
def test_mutations(bench: Bench, change: Any, becomes: int) -> None:
    bench.arm(fault({"action": "set", "fields": {"iova": change}}))
    bench.write(10)
    assert bench.done == [becomes]


def test_an_earlier_value_needs_an_earlier_event(bench: Bench) -> None:
    bench.arm(fault({"action": "set", "fields": {"iova": {"earlier": 2}}}))
    for i in range(4):
        bench.write(10 + i)
    assert bench.done == [10, 11, 10, 13]
    assert bench.fault()["fired"] == 1


def test_a_field_the_event_lacks_is_told(bench: Bench) -> None:
    bench.arm({"id": "a", "where": "cqe.write", "what": {"action": "set", "fields": {"colour": 1}}})
    bench.engine.pass_on("cqe.write", {"type": "RX_L2"}, lambda e: None, None)
    assert bench.fault()["missing_fields"] == ["colour"]


def test_a_field_the_earlier_event_lacks_is_told_and_stays(bench: Bench) -> None:
    """An answer that refuses has none of the others' fields."""
    what = {"action": "set", "fields": {"colour": {"earlier": 1}}}
    bench.arm({"id": "a", "where": "cqe.write", "what": what})
    done: list[Any] = []
    for more in ({}, {"colour": 3}):
        bench.engine.pass_on("cqe.write", {"type": "RX_L2", **more}, done.append, None)
    assert done[-1]["colour"] == 3
    assert bench.fault()["missing_fields"] == ["colour"]


@pytest.mark.parametrize(("first", "order"), [(True, [9, 9, 1]), (False, [1, 9, 9])])
def test_copies(bench: Bench, first: bool, order: list[int]) -> None:
    what = {"action": "duplicate", "count": 2, "first": first, "fields": {"iova": 9}}
    bench.arm(fault(what))
    bench.write(1)
    assert bench.done == order


def test_copies_of_copies_have_a_limit(bench: Bench) -> None:
    bench.arm(*({**fault({"action": "duplicate", "count": 10}), "id": str(i)} for i in range(24)))
    bench.write(1)
    assert len(bench.done) == MAX_COPIES


@pytest.mark.parametrize(("before", "order"), [(False, [2, 3, 1, 4]), (True, [2, 1, 3, 4])])
def test_held_until_the_second_event_after_it(bench: Bench, before: bool, order: list[int]) -> None:
    until = {"where": "dma.write", "nth": 2, "before": before}
    bench.arm(fault({"action": "hold", "until": until}))
    bench.write(1)
    assert bench.fault()["waiting"] == 1
    bench.write(2, 3, 4)
    assert bench.done == order
    assert bench.fault()["waiting"] == 0


def test_held_until_an_event_of_the_same_kind(bench: Bench) -> None:
    until = {"where": "dma.write", "same": ["ring_id"]}
    bench.arm(fault({"action": "hold", "until": until}))
    bench.write(1, ring_id=8)
    bench.write(2, ring_id=4)
    bench.write(3, ring_id=8)
    assert bench.done == [2, 3, 1]


def test_held_for_a_time_outlasts_what_is_due_at_once(bench: Bench) -> None:
    bench.arm(fault({"action": "hold", "after_ns": 1000}))
    bench.write(1)
    bench.clock.call_later(500, lambda: bench.done.append(99))
    bench.clock.settle()
    assert bench.done == [99]
    bench.clock.advance_to(1000)
    assert bench.done == [99, 1]


def test_disarming_forgets_what_waits(bench: Bench) -> None:
    handle = bench.arm(
        fault({"action": "hold", "until": {"where": "doorbell.write"}}),
        {**fault({"action": "hold", "after_ns": 10}), "id": "b"},
    )
    bench.write(1)
    last = bench.engine.disarm(handle)
    assert [(f["id"], f["fired"], f["waiting"]) for f in last] == [("a", 1, 1), ("b", 1, 0)]
    bench.clock.advance_to(100)
    bench.engine.pass_on("doorbell.write", {}, lambda e: None, None)
    assert bench.done == []


def test_plans_compose(bench: Bench) -> None:
    bench.arm(fault({"action": "set", "fields": {"iova": {"add": 1}}}, times=0))
    second = bench.arm(
        {**fault({"action": "duplicate", "fields": {"iova": {"add": 10}}}, times=0), "id": "b"}
    )
    bench.write(0)
    bench.engine.disarm(second)
    bench.write(0)
    assert bench.done == [1, 11, 1]


def draw(bench: Bench, count: int = 200) -> list[int]:
    bench.write(*range(count))
    return bench.done


def chance(name: str, probability: float = 0.3) -> dict[str, Any]:
    return {**fault({"action": "drop"}, when={"probability": probability}, times=0), "id": name}


def test_one_seed_is_one_sequence() -> None:
    first, again, other = Bench(seed=3), Bench(seed=3), Bench(seed=4)
    for bench in (first, again, other):
        bench.arm(chance("a"))
    assert draw(first) == draw(again)
    assert first.log.getvalue() == again.log.getvalue()
    assert draw(other) != first.done


def test_the_seed_of_the_plan_counts_before_that_of_the_run() -> None:
    first, second = Bench(seed=3), Bench(seed=4)
    for bench in (first, second):
        bench.arm(chance("a"), seed=9)
    assert draw(first) == draw(second)


def test_one_more_fault_shifts_no_other() -> None:
    alone, both = Bench(), Bench()
    alone.arm(chance("a"))
    both.arm({**chance("b"), "where": "dma.read"}, chance("a"))
    for i in range(200):
        alone.write(i)
        both.write(i)
        both.engine.pass_on("dma.read", {"iova": i}, lambda e: None, None)
    assert alone.done == both.done


def test_every_injection_is_in_the_trace(bench: Bench) -> None:
    bench.arm(fault({"action": "set", "fields": {"iova": 5}}))
    bench.write(1)
    (record,) = bench.records("fault")
    assert (record["injection"], record["id"], record["point"]) == (1, "a", "dma.write")
    assert (record["event"]["iova"], record["changed"]) == (1, {"iova": 5})
    assert bench.engine.status()["kept"][0]["id"] == "a"


def test_what_never_fired_is_told(bench: Bench) -> None:
    handle = bench.arm(fault({"action": "drop"}, when={"match": {"iova": 77}}))
    bench.write(1)
    assert bench.engine.status()["never_fired"] == ["a"]
    bench.engine.disarm(handle)
    assert bench.engine.status()["never_fired"] == ["a"]


def test_what_a_fault_causes_is_not_the_guests_violation(bench: Bench) -> None:
    bench.arm(fault({"action": "set", "fields": {"iova": 5}}))

    def perform(event: dict[str, Any]) -> None:
        bench.trace.violation("bad")
        raise DmaFault(event["iova"], 8, is_write=True, reason="unmapped")

    bench.engine.pass_on("dma.write", {"iova": 1}, perform, None)
    assert not bench.trace.violation_counts
    assert bench.trace.caused_counts == {"bad": 1}
    assert bench.records("violation")[0]["caused_by"] == "a"
    assert "unmapped" in bench.records("fault_effect")[0]["detail"]
    with pytest.raises(DmaFault):
        bench.engine.pass_on("dma.write", {"iova": 1}, perform, None)
    assert bench.trace.violation_counts == {"bad": 1}


def test_the_card_acts(bench: Bench) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    bench.engine.card_actor = lambda name, params: asked.append((name, dict(params)))
    card = {"action": "card", "do": "irq", "params": {"vector": 3}}
    now = {"id": "now", "where": "now"}
    bench.arm(fault(card), {**now, "what": card})
    assert asked == [("irq", {"vector": 3, "count": 1})]
    bench.write(1)
    assert len(asked) == 2
    assert bench.done == [1]
    later = {**now, "what": card, "when": {"after_ns": 50}}
    bench.arm(later)
    assert len(asked) == 2
    bench.clock.advance_to(50)
    assert len(asked) == 3


def test_an_act_that_is_its_own_event_ends(bench: Bench) -> None:
    acts: list[str] = []

    def act(name: str, params: Mapping[str, Any]) -> None:
        acts.append(name)
        bench.write(7)

    bench.engine.card_actor = act
    bench.arm(fault({"action": "card", "do": "irq"}, times=0))
    bench.write(1)
    assert len(acts) == MAX_NESTED
    bench.write(1)
    assert len(acts) == 2 * MAX_NESTED


def test_a_guest_that_answers_each_act_by_its_event_comes_to_the_next_instant(
    bench: Bench,
) -> None:
    acts: list[str] = []
    bench.engine.card_actor = lambda name, params: acts.append(name)
    bench.arm(fault({"action": "card", "do": "irq"}, times=0))
    bench.write(*[1] * (MAX_ACTS + 50))
    assert (len(acts), bench.fault()["fired"]) == (MAX_ACTS, MAX_ACTS + 50)
    bench.clock.advance_to(1)
    bench.write(*[1] * 50)
    assert len(acts) == MAX_ACTS + 50


def test_consulted(bench: Bench) -> None:
    bench.arm({"id": "a", "where": "rx.steer", "what": {"action": "drop"}})
    assert bench.engine.consult("rx.steer", {"queue": 1}) is None
    assert bench.engine.consult("rx.steer", {"queue": 1}) == {"queue": 1}


def test_who_was_injected_where(bench: Bench) -> None:
    change = {"action": "set", "fields": {"length": 4}}
    bench.arm(fault(change, times=0), {**fault(change), "id": "b", "where": "rx.frame"})
    assert bench.engine.injected_at(["dma.write"], {}) == ""
    bench.write(0x1000, ring_id=7)
    at = bench.engine.injected_at
    assert at(["dma.write"], {"ring_id": 7}) == "a"
    assert at(["dma.write"], {"queue": 3}) == "a", "the event has no such field"
    assert at(["dma.write"], {"ring_id": 8}) == ""
    assert at(["rx.frame"], {}) == ""
    bench.engine.disarm(1)
    assert at(["dma.write"], {}) == ""


def test_the_next_cards_engine_takes_over_what_is_armed() -> None:
    earlier, later = Bench(seed=5), Bench(seed=5)
    drop = {"where": "dma.write", "what": {"action": "drop"}}
    earlier.arm({"id": "gone", **drop})
    earlier.engine.disarm(1)
    second = earlier.arm({"id": "a", "when": {"nth": 2}, **drop}, seed=9)
    third = earlier.arm({"id": "b", "when": {"nth": 9}, **drop})
    earlier.write(1, 2)
    later.engine.take_over(earlier.engine)
    assert later.engine.armed
    later.write(3, 4, 5)
    assert later.done == [3, 5], "it counts from the beginning"
    counts = [(f["handle"], f["armed"], f["fired"]) for f in later.engine.status()["faults"]]
    assert counts == [
        (1, False, 0), (second, False, 1), (third, False, 0), (second, True, 1), (third, True, 0),
    ]  # fmt: skip
    assert later.engine.injections == 2
    assert later.engine.status()["kept"][0]["event"]["iova"] == 2
    assert later.arm({"id": "c", **drop}) == third + 1
    later.engine.disarm(second)
    later.engine.disarm(third)
    assert later.engine.armed, "the last one"
