# SPDX-License-Identifier: GPL-2.0-only
"""What is drawn is valid, of the declared layouts, and nothing that no driver can survive."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from testbed.card.plans import POINTS, check_plan, members
from testbed.fuzz.grammar import Grammar, expected, numbered
from testbed.fuzz.wild import is_wild

seeds = st.integers(0, 1 << 31)


@given(seeds)
def test_any_fault_is_valid_and_tame(seed: int) -> None:
    faults = numbered([Grammar(Random(seed)).fault({}) for _ in range(4)])
    check_plan({"version": 1, "fault": list(faults)})
    assert not any(map(is_wild, faults))


def test_every_point_and_action_is_drawn() -> None:
    grammar = Grammar(Random(1), wild=True)
    drawn = [grammar.fault({}) for _ in range(3000)]
    assert {(one["where"], one["what"]["action"]) for one in drawn} == {
        (point.name, action.value) for point in POINTS.values() for action in point.actions
    }
    assert any(map(is_wild, drawn))


def test_every_field_of_a_completion_is_drawn() -> None:
    grammar = Grammar(Random(2))
    names = {
        name for _ in range(1500) for name in grammar.fields("cqe.write", {"type": "RX_TPA_START"})
    }
    assert set(members("cqe.write", "RX_TPA_START")) <= names
    assert {"agg_id", "opaque", "flip_phase", "ring_id", "type"} <= names


def test_values_are_boundaries_neighbours_and_what_was_seen() -> None:
    grammar = Grammar(Random(3))
    drawn = [grammar.number(16, ("len", "opaque"), is_id=True) for _ in range(400)]
    plain = {one for one in drawn if not isinstance(one, dict)}
    assert {0, 1, 0xFFFF, 0xFFFE, 0x8000, 0x7FFF} <= plain
    assert all(0 <= one <= 0xFFFF for one in plain)
    ways = Counter(next(iter(one)) for one in drawn if isinstance(one, dict))
    assert set(ways) == {"add", "xor", "earlier", "field"}
    assert ways["earlier"] > ways["xor"], "an id is more often another's"


@given(seeds, st.integers(1, 64))
def test_a_number_fits_its_bits(seed: int, bits: int) -> None:
    drawn = Grammar(Random(seed)).number(bits)
    if isinstance(drawn, dict):
        assert drawn.get("xor", 0) < 1 << bits
    else:
        assert 0 <= drawn < 1 << min(bits, 63)


@given(seeds, st.integers(1, 5000))
def test_an_ordinal_is_one_of_those_that_pass(seed: int, passed: int) -> None:
    grammar = Grammar(Random(seed))
    assert all(1 <= grammar.ordinal(passed) <= passed for _ in range(20))


def test_first_and_last_ordinals_are_drawn_often() -> None:
    grammar = Grammar(Random(4))
    drawn = Counter(grammar.ordinal(500) for _ in range(1000))
    assert drawn[1] > 40
    assert drawn[500] > 15


def test_how_many_events_are_expected() -> None:
    alloc = {"cmd": "RING_ALLOC"}
    assert expected("rx.frame", {}, {"rx.frame": 40}) == 40
    assert expected("hwrm.request", alloc, {"hwrm.request": 400}) == 12
    assert expected("hwrm.request", alloc, {"hwrm.request:RING_ALLOC": 3}) == 3
    assert expected("cqe.write", {"type": "RX_L2"}, {"cqe.write": 30}) == 10
    assert expected("dma.read", {}, {"rx.frame": 30, "tx.frame": 9}) == 39
    assert expected("dma.read", {}, {}) == 1000


def test_numbered_faults_have_ids_of_their_place() -> None:
    one = {"id": "x", "where": "rx.frame", "what": {"action": "drop"}}
    assert [f["id"] for f in numbered([one, one])] == ["1-rx.frame", "2-rx.frame"]


def test_kinds_that_come_are_drawn_more_often_than_those_that_never_do() -> None:
    grammar = Grammar(Random(5))
    drawn = Counter(grammar.kind("doorbell.write")["type"] for _ in range(300))
    assert drawn["SRQ"] + drawn["NQ_ARM"] > 5 * (drawn["RQ"] + drawn["CQ_CUTOFF_ACK"])
    assert drawn["NULL"], "but some of those, too"
    rings = {one.get("ring") for _ in range(99) if (one := grammar.kind("dma.write"))
             and one["purpose"] == "cqe"}  # fmt: skip
    assert rings == {None, "CQ"}


def test_ordinals_that_are_a_guess_are_small() -> None:
    grammar = Grammar(Random(6))
    match = {"type": "RX_L2"}
    guessed = [grammar.nth("cqe.write", match, {"cqe.write": 600}) for _ in range(300)]
    known = [grammar.nth("cqe.write", {}, {"cqe.write": 600}) for _ in range(300)]
    assert sorted(guessed)[150] < 30 < sorted(known)[150]
    assert max(guessed) <= 200
