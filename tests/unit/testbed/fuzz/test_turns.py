# SPDX-License-Identifier: GPL-2.0-only
"""Turns of an operation: other allocations, those behind, another card, each in some of them."""

from __future__ import annotations

from random import Random

from testbed.fuzz.turns import ATTEMPTS, BEHIND, OTHER_CARDS, turn


def test_turns_of_one_operation() -> None:
    made = [turn(Random(7), "bnxt_open", count, count) for count in range(12)]
    assert {(fails.within, fails.times) for fails, _ in made} == {("bnxt_open", ATTEMPTS)}
    assert [fails.behind in BEHIND for fails, _ in made] == [False, True] * 6
    assert [fails.every for fails, _ in made[:6]] == [1, 1, 11, 11, 4, 4]
    assert [bool(card) for _, card in made] == [False, False, True] * 4


def test_each_other_card_has_turns() -> None:
    cards = [turn(Random(seed), "bnxt_open", 2, 2)[1] for seed in range(40)]
    assert all(cards.count(one) > 5 for one in OTHER_CARDS)
