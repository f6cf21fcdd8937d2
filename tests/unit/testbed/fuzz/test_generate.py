# SPDX-License-Identifier: GPL-2.0-only
"""Blind schedules: valid, of one seed, and for what the machine is able to do."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from testbed.dut.protocols import Capability
from testbed.fuzz.generate import MOST_BLIND, Environment, Generator, able, canonical
from testbed.fuzz.schedule import Schedule, check
from testbed.workloads.table import WORKLOADS

UML = Environment()


@given(st.integers(0, 1 << 31))
def test_blind_schedule_is_valid_and_canonical(seed: int) -> None:
    drawn = Generator(Random(seed), UML).blind()
    check(drawn)
    assert canonical(drawn) == drawn
    assert 1 <= len(drawn.faults) <= MOST_BLIND


def test_one_seed_is_one_campaign() -> None:
    def names(seed: int) -> list[str]:
        generator = Generator(Random(seed), UML)
        return [generator.blind().name for _ in range(20)]

    assert names(1) == names(1)
    assert names(1) != names(2)


def test_every_part_is_drawn() -> None:
    generator = Generator(Random(2), UML)
    drawn = [generator.blind() for _ in range(1200)]
    assert {one.workload for one in drawn} == set(UML.workloads)
    assert {len(one.faults) for one in drawn} == set(range(1, MOST_BLIND + 1))
    for part in ("card", "companions", "packets"):
        assert 195 < sum(bool(getattr(one, part)) for one in drawn) < 405
    kinds = {companion.kind for one in drawn for companion in one.companions}
    assert kinds == {
        "failslab", "failslab_sleeping", "fail_page_alloc", "fail_page_alloc_sleeping", "signal",
    }  # fmt: skip


def test_machine_that_lacks_something() -> None:
    assert "slab-fails" in UML.workloads
    assert "zcrx-send" not in UML.workloads, "it needs a series of ours"
    plain = Environment(flavour="uml")
    assert "slab-fails" not in plain.workloads
    assert plain.companions == ("signal",)
    able = UML.able | {Capability.FAILING_FUNCTIONS}
    assert "fail_function" in Environment(capabilities=able).companions
    bare = Environment(capabilities=frozenset({Capability.LINK_CYCLE}))
    assert set(bare.workloads) == {
        name for name, one in WORKLOADS.items() if one.needs <= {Capability.LINK_CYCLE}
    }


def test_schedules_are_for_the_environment() -> None:
    drawn = Generator(Random(1), Environment(flavour="uml", kernel="7.3.4")).blind()
    assert (drawn.engine, drawn.flavour, drawn.kernel) == ("uml", "uml", "7.3.4")


def test_what_aggregates_is_drawn_for_no_card_without_aggregations() -> None:
    aggregates = [name for name, one in WORKLOADS.items() if Capability.HW_GRO in one.needs]
    assert "gro-stream" in aggregates
    for workload in aggregates:
        for_none = Schedule(workload=workload, seed=1, card={"max_aggs": 0, "id_policy": "fresh"})
        assert able(for_none).card == {"id_policy": "fresh"}
        assert able(replace(for_none, card={"max_aggs": 1})).card == {"max_aggs": 1}
    without = Schedule(workload="stream", seed=1, card={"max_aggs": 0})
    assert able(without) == without


def test_several_queues_are_not_asked_of_a_card_that_has_one_of_something() -> None:
    one = Schedule(workload="restart", seed=1, card={"limits": {"vnics": 1}, "id_policy": "fresh"})
    assert able(one).card == {"id_policy": "fresh"}
    assert able(replace(one, workload="gro-stream")).card == {"id_policy": "fresh"}
    two = replace(one, card={"limits": {"vnics": 2}})
    for possible in (two, replace(one, workload="settings-drawn"), replace(one, workload="ping")):
        assert able(possible) == possible


def test_no_search_asks_a_card_without_aggregations_for_them() -> None:
    for seed in range(2000):
        one = Generator(Random(seed), Environment()).blind()
        aggregates = Capability.HW_GRO in WORKLOADS[one.workload].needs
        assert not (aggregates and one.card.get("max_aggs") == 0)
