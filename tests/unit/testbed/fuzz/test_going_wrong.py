# SPDX-License-Identifier: GPL-2.0-only
"""How much goes wrong in one run, and in which round."""

from __future__ import annotations

from random import Random

from testbed.fuzz.going_wrong import AT_ONCE, Kind, at_once, in_rounds, rounds
from testbed.fuzz.grammar import Fault

OFTEN = "bind-often"
MOST = rounds(OFTEN)


def test_a_workload_with_rounds_takes_more() -> None:
    assert rounds("zcrx") == 1
    assert [at_once(Kind.ANSWER, one) for one in ("zcrx", OFTEN)] == [AT_ONCE[Kind.ANSWER], 20]
    assert [at_once(Kind.REFUSE, one) for one in ("zcrx", OFTEN)] == [1, 10]
    assert at_once(Kind.EVENT, OFTEN) == AT_ONCE[Kind.EVENT], "which comes when it comes"


def _asked(command: str, where: str = "hwrm.request") -> Fault:
    return {
        "where": where, "when": {"match": {"cmd": command}, "nth": 700, "every": 3}, "what": {},
        "times": 0,
    }  # fmt: skip


def test_one_is_in_each_round_whatever_it_was_before() -> None:
    seen = {"hwrm.request:RING_ALLOC": 30 * (MOST + 1)}
    for seed in range(20):
        faults = [_asked("RING_ALLOC")] * MOST
        made = list(in_rounds(Random(seed), Kind.REFUSE, OFTEN, faults, seen))
        assert {(one["when"]["nth"] - 1) // 30 for one in made} == set(range(MOST))
        assert {one["times"] for one in made} <= {1, 2}
        assert not any("every" in one["when"] for one in made)


def test_a_refusal_in_a_round_may_meet_the_second_try_too() -> None:
    """A driver that may do without what was refused asks once more for less."""
    refused, lost = (
        [one["times"] for seed in range(20) for one in in_rounds(
            Random(seed), kind, OFTEN, [_asked("CFA_L2_SET_RX_MASK")] * MOST, {}
        )]
        for kind in (Kind.REFUSE, Kind.LOSE)
    )  # fmt: skip
    assert 0.15 < refused.count(2) / len(refused) < 0.35
    assert set(lost) == {1}


def test_all_answers_of_a_round_say_the_same() -> None:
    seen = {"hwrm.answer:FUNC_QCFG": 3 * (MOST + 1)}
    faults = [_asked("FUNC_QCFG", "hwrm.answer")] * MOST
    made = list(in_rounds(Random(1), Kind.ANSWER, OFTEN, faults, seen))
    assert {one["when"]["nth"] for one in made} == set(range(1, 3 * MOST, 3))
    assert {one["times"] for one in made} == {3}


def test_what_was_not_counted_is_taken_to_come_once_in_a_round() -> None:
    made = list(in_rounds(Random(1), Kind.LOSE, OFTEN, [_asked("VER_GET")] * MOST, {}))
    assert {one["when"]["nth"] for one in made} == set(range(1, MOST + 1))
