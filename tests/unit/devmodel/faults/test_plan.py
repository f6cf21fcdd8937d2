# SPDX-License-Identifier: GPL-2.0-only
"""Plans: what is accepted, what is refused and how, and that a document survives the round trip."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.faults.plan import PlanError, parse_plan, plan_document
from devmodel.faults.points import Action

PLAN = """
version = 1
seed = 7
[[fault]]
id = "late"
where = "cqe.write"
when = { match = { type = "RX_L2", agg_bufs = { ge = 1 } }, nth = 3, every = 2, probability = 0.5 }
what = { action = "hold", until = { where = "doorbell.write", match = { type = "SRQ" }, nth = 2 } }
times = 4
[[fault]]
id = "short"
where = "dma.write"
what = { action = "set", fields = { length = 7, iova = { add = 4096 } } }
[[fault]]
id = "flap"
where = "now"
what = { action = "card", do = "link", params = { up = true }, after_ns = 1000 }
"""


def document() -> dict[str, Any]:
    return tomllib.loads(PLAN)


def test_a_plan_is_read_whole() -> None:
    plan = parse_plan(document(), FAULTS)
    late, short, flap = plan.faults
    assert (plan.seed, late.times, short.times) == (7, 4, 1)
    assert late.what.action is Action.HOLD
    assert late.what.until is not None
    assert (late.what.until.where, late.what.until.nth) == ("doorbell.write", 2)
    assert (late.when.nth, late.when.every, late.when.probability) == (3, 2, 0.5)
    assert short.what.fields == {"length": 7, "iova": {"add": 4096}}
    assert flap.what.params == {"up": True}


def test_a_document_survives_the_round_trip() -> None:
    plan = parse_plan(document(), FAULTS)
    assert parse_plan(plan_document(plan), FAULTS) == plan


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "f.toml: version is 2; allowed: 1"),
        ({"fault": []}, "f.toml: fault is no array of tables; allowed: 1 to 256 tables"),
        ({"colour": 1}, "f.toml: colour is unknown here; allowed: fault, seed, version"),
        ({"seed": -1}, "f.toml: seed is -1; allowed: an integer from 0"),
    ],
)
def test_a_bad_plan_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(document() | change, FAULTS, "f.toml")
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": ""}, "fault[0].id is ''; allowed: text"),
        ({"where": "cqe"}, "fault[0].where is 'cqe'; allowed: now, dma.read,"),
        ({"times": 1.5}, "fault[0].times is 1.5"),
        ({"when": {"nth": 0}}, "fault[0].when.nth is 0; allowed: an integer from 1"),
        ({"when": {"match": {"x": 1}}}, "fault[0].when.match.x is no field of dma.write; allowed"),
        ({"when": {"match": {"iova": {"over": 1}}}}, "fault[0].when.match.iova is no comparison"),
        ({"when": {"match": {"iova": []}}}, "fault[0].when.match.iova is []"),
        ({"when": {"probability": 0}}, "fault[0].when.probability is 0"),
        ({"what": {"action": "melt"}}, "fault[0].what.action is 'melt'; allowed: set, drop"),
        ({"what": {"action": "set"}}, "fault[0].what.fields is missing"),
        ({"what": {"action": "set", "fields": {"ring": "x"}}}, "fault[0].what.fields.ring cannot"),
        (
            {"what": {"action": "set", "fields": {"iova": {"random": [3, 1]}}}},
            "fault[0].what.fields.iova random is [3, 1]",
        ),
        (
            {"what": {"action": "hold"}},
            "fault[0].what.until is missing; allowed: until or after_ns",
        ),
        ({"what": {"action": "drop", "count": 2}}, "fault[0].what.count is unknown here"),
        ({"what": {"action": "card", "do": "burn"}}, "fault[0].what.do is 'burn'; allowed: link,"),
        (
            {"what": {"action": "card", "do": "link", "params": {"up": 3}}},
            "fault[0].what.params.up is 3; allowed: a value of type bool",
        ),
        (
            {"what": {"action": "card", "do": "grant", "params": {"what": "rx"}}},
            "fault[0].what.params.what is 'rx'; allowed: '', ",
        ),
        (
            {"what": {"action": "card", "do": "partner", "params": {"speed": "1G"}}},
            "fault[0].what.params.speed is '1G'; allowed: '', '10G', ",
        ),
        (
            {"what": {"action": "card", "do": "frame", "params": {"data": "RX_L2"}}},
            "fault[0].what.params.data is 'RX_L2'; allowed: bytes as hexadecimal digits",
        ),
    ],
)
def test_a_bad_fault_is_named(change: dict[str, Any], says: str) -> None:
    fault = {"id": "a", "where": "dma.write", "what": {"action": "drop"}} | change
    with pytest.raises(PlanError) as caught:
        parse_plan({"version": 1, "fault": [fault]}, FAULTS, "f.toml")
    assert str(caught.value).startswith("f.toml: " + says)


def test_ids_are_unique() -> None:
    fault = {"id": "a", "where": "dma.write", "what": {"action": "drop"}}
    with pytest.raises(PlanError, match="id 'a' twice"):
        parse_plan({"version": 1, "fault": [fault, dict(fault)]}, FAULTS)
