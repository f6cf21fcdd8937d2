# SPDX-License-Identifier: GPL-2.0-only
"""Turns of an operation: other allocations, those behind, another card, each in some of them.
And of sites: what few workloads do has its turn, too."""

from __future__ import annotations

from collections import Counter
from random import Random

from testbed.fuzz.generate import NAMED_CARDS, Environment
from testbed.fuzz.going_wrong import Kind
from testbed.fuzz.met import counted
from testbed.fuzz.sweep import Sweep
from testbed.fuzz.turns import ATTEMPTS, BEHIND, turn


def test_turns_of_one_operation() -> None:
    made = [turn(Random(7), "bnxt_open", count, count) for count in range(12)]
    assert {(fails.within, fails.times) for fails, _ in made} == {("bnxt_open", ATTEMPTS)}
    assert [fails.behind in BEHIND for fails, _ in made] == [False, True] * 6
    assert [fails.every for fails, _ in made[:6]] == [1, 0, 0, 1, 26, 26]
    assert [bool(card) for _, card in made] == [False, False, True] * 4


def test_each_other_card_has_turns() -> None:
    cards = [turn(Random(seed), "bnxt_open", 2, 2)[1] for seed in range(40)]
    assert all(cards.count(one) > 5 for one in NAMED_CARDS)


def test_what_few_workloads_do_has_its_turn() -> None:
    """A command that all send comes first, and is no longer ahead once some of them have tried."""
    often, tried = Counter[str](), Counter[str]()
    workloads = Environment().workloads
    for seed in range(60):
        drawn = Sweep(Random(seed), Environment())
        drawn._workloads["CFG"].update(workloads)
        drawn._workloads["FLOW_ALLOC"].add("steered")
        name = drawn._least(Kind.REFUSE, ["CFG", "FLOW_ALLOC"], tried)
        where = workloads[seed] if name == "CFG" else "steered"
        tried.update(counted({f"sweep: refuse: {name} {where}": 1}))
        often[name] += 1
    assert often["CFG"] > often["FLOW_ALLOC"] > 3
