# SPDX-License-Identifier: GPL-2.0-only
"""Acts of the card in a sweep: each is an action of its own, and valid."""

from __future__ import annotations

from random import Random

import pytest

from testbed.card.plans import CARD_ACTIONS, GRANTED, check_plan
from testbed.fuzz.acts import ACTS, EVENTS, act
from testbed.fuzz.going_wrong import Kind
from testbed.fuzz.grammar import Fault, Grammar, numbered

SEEN = {"rx.frame": 200, "hwrm.request": 90}


def drawn(kind: Kind, name: str, seed: int = 1, turns: int = 9) -> Fault:
    return act(Grammar(Random(seed)), kind, name, SEEN, turns)


@pytest.mark.parametrize(("kind", "names"), [(Kind.ACT, ACTS), (Kind.EVENT, EVENTS)])
def test_each_is_a_fault_that_the_card_knows(kind: Kind, names: frozenset[str]) -> None:
    for name in names:
        check_plan({"version": 1, "fault": list(numbered([drawn(kind, name)]))})


def test_every_action_is_one_and_every_resource_is_granted() -> None:
    drawn_ones = [drawn(Kind.ACT, name)["what"] for name in ACTS]
    assert {one["do"] for one in drawn_ones} == set(CARD_ACTIONS)
    granted = [one["params"]["what"] for one in drawn_ones if one["do"] == "grant"]
    assert sorted(granted) == sorted(GRANTED)


def test_what_is_granted_counts_from_the_first_time_the_interface_opens() -> None:
    assert drawn(Kind.ACT, "grant vnics")["where"] == "now"
    assert {drawn(Kind.ACT, "link", seed)["where"] for seed in range(9)} == set(SEEN)
    most = {drawn(Kind.ACT, "grant vnics", seed)["what"]["params"]["most"] for seed in range(99)}
    assert most == {-1, 0, 1, 2, 3, 4, 8}


def test_an_event_is_believed_or_not_in_its_first_turns() -> None:
    said = [drawn(Kind.EVENT, "0x4c", turns=turns)["what"]["params"] for turns in (0, 1)]
    assert [(one["event_id"], one["data1"], one["data2"]) for one in said] == [
        (0x4C, 0xFFFFFFFF, 0xFFFFFFFF), (0x4C, 0, 0),
    ]  # fmt: skip
