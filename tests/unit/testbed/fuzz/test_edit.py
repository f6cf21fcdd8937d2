# SPDX-License-Identifier: GPL-2.0-only
"""One fault changed: its ordinal, its target, its value, its action, how often."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest

from testbed.card.plans import check_plan
from testbed.fuzz.edit import EDITS, MANY, edited
from testbed.fuzz.generate import Draws, Environment

RX: dict[str, Any] = {
    "id": "1", "where": "cqe.write", "when": {"match": {"type": "RX_L2"}, "nth": 5},
    "what": {"action": "set", "fields": {"len": 8}},
}  # fmt: skip
NOW: dict[str, Any] = {
    "id": "1", "where": "now", "what": {"action": "card", "do": "link", "params": {"up": False}},
}  # fmt: skip
DRAWS = Draws(Random(1), Environment())


def changed(name: str, fault: dict[str, Any], times: int = 60) -> list[dict[str, Any]]:
    """What the edit makes of the fault, as often as it can."""
    made = []
    for _ in range(times):
        faults = edited(DRAWS, name, [deepcopy(fault)], {"cqe.write": 40})
        made += faults or []
    return made


@pytest.mark.parametrize("name", sorted(set(EDITS) - {"drop"}))
@pytest.mark.parametrize("fault", [RX, NOW])
def test_what_is_edited_stays_valid(name: str, fault: dict[str, Any]) -> None:
    for one in changed(name, fault):
        check_plan({"version": 1, "fault": [one]})


def test_move_changes_the_ordinal_only() -> None:
    moved = changed("move", RX)
    assert {4, 6, 10} <= {one["when"]["nth"] for one in moved}
    assert all(one["what"] == RX["what"] for one in moved)
    assert all(one["when"]["match"] == RX["when"]["match"] for one in moved)
    assert changed("move", NOW) == []


def test_retarget_keeps_fields_that_the_other_kind_has() -> None:
    kinds = {}
    for one in changed("retarget", RX, 200):
        kinds[one["when"]["match"].get("type", "")] = one["what"]["fields"]
    assert {"", "RX_AGG", "RX_TPA_END", "TX_L2"} <= set(kinds)
    assert kinds["RX_TPA_END"] == {"len": 8}
    assert "len" not in kinds["TX_L2"], "a transmit completion has no length"
    assert kinds["TX_L2"]


def test_value_is_another_of_the_same_field_or_of_one_more() -> None:
    values = [one["what"]["fields"] for one in changed("value", RX)]
    assert sum(list(one) == ["len"] for one in values) > 30
    assert any(len(one) == 2 for one in values)
    assert {"up": True} in [one["what"]["params"] for one in changed("value", NOW)]


def test_action_and_delay() -> None:
    assert {one["what"]["action"] for one in changed("action", RX)} == {
        "set", "drop", "duplicate", "hold", "card",
    }  # fmt: skip
    assert changed("defer", RX) == []
    assert any({"until", "after_ns"} & set(one["what"]) for one in changed("defer", NOW))


def test_repeat_is_hundreds_of_times_on_one_ring() -> None:
    drawn = changed("repeat", RX)
    assert set(MANY) <= {one["times"] for one in drawn}
    rings = [one["when"]["match"].get("ring_id") for one in drawn]
    assert 10 < rings.count(None) < 50
    assert all(one["when"]["match"]["type"] == "RX_L2" for one in drawn)


def test_drop_leaves_the_others() -> None:
    assert edited(DRAWS, "drop", [deepcopy(RX)], {}) == []
    left = edited(DRAWS, "drop", [deepcopy(RX), deepcopy(NOW)], {})
    assert left in ([RX], [NOW])
