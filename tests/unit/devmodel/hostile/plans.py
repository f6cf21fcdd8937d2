# SPDX-License-Identifier: GPL-2.0-only
"""Fault plans of any content, drawn from the declarations of injection points and actions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.hwrm import COMMANDS, command_name
from devmodel.faults.points import Action, CardAction, Field, Point
from tests.unit.devmodel.hostile.steps import addresses, integers

ENTRY_POINTS = ("cqe.write", "nqe.write")
ENTRY_FIELDS = ("agg_id", "len", "agg_bufs", "opaque", "errors", "payload_offset")
WORDS = {
    "type": [kind.name for kind in CmplType],
    "cmd": [command_name(code) for code in COMMANDS],
    "purpose": ["payload", "header", "cqe", "nqe", "bd", "page_table", "stats", "hwrm"],
    "ring": ["RX", "RX_AGG", "TX", "CQ", "NQ"],
}
numbers = st.one_of(st.integers(-1, 4096), integers(32), addresses)


def values(field: Field) -> st.SearchStrategy[Any]:
    """What a fault may set a field to."""
    if field.type == "bool":
        return st.booleans()
    if field.type == "str":
        return st.sampled_from(WORDS.get(field.name, [""]))
    mutations = [
        st.builds(
            lambda how, n: {how: n}, st.sampled_from(("set", "add", "xor", "and", "or")), numbers
        ),
        st.builds(
            lambda a, b: {"random": [min(a, b), max(a, b)]},
            st.integers(0, 99),
            st.integers(0, 1 << 20),
        ),
        st.builds(lambda n: {"earlier": n}, st.integers(1, 4)),
    ]
    return st.one_of(numbers, *mutations)


def some(pairs: list[tuple[str, st.SearchStrategy[Any]]], least: int) -> st.SearchStrategy[Any]:
    """A table of some of these keys."""
    drawn = st.one_of([st.tuples(st.just(key), value) for key, value in pairs])
    return st.lists(drawn, min_size=least, max_size=3).map(dict)


def changes(point: Point, least: int) -> st.SearchStrategy[Any]:
    """Fields of the point's events, and what they become."""
    pairs = [(field.name, values(field)) for field in point.fields if field.settable]
    if point.name in ENTRY_POINTS:
        pairs += [(name, values(Field(name, "int", ""))) for name in ENTRY_FIELDS]
    return some(pairs, least) if pairs else st.just({})


def matches(point: Point) -> st.SearchStrategy[Any]:
    """Which events count."""
    pairs: list[tuple[str, st.SearchStrategy[Any]]] = []
    for field in point.fields:
        if field.type == "str" and field.name in WORDS:
            pairs.append((field.name, st.sampled_from(WORDS[field.name])))
        elif field.type == "int":
            pairs.append((field.name, st.builds(lambda n: {"ge": n}, st.integers(-1, 99))))
    return some(pairs, 0) if pairs else st.just({})


def parameters(action: CardAction) -> st.SearchStrategy[Any]:
    """Of something the card does by itself."""
    kinds: dict[str, st.SearchStrategy[Any]] = {"int": numbers, "bool": st.booleans()}
    pairs = [(name, kinds[one.type]) for name, one in action.params.items() if one.type in kinds]
    return some(pairs, 0) if pairs else st.just({})


later = st.one_of(
    st.just({}),
    st.builds(lambda ns: {"after_ns": ns}, st.integers(1, 10**7)),
    st.builds(
        lambda point, nth, before: {"until": {"where": point, "nth": nth, "before": before}},
        st.sampled_from(sorted(set(FAULTS.points) - {"now"})),
        st.integers(1, 5),
        st.booleans(),
    ),
)


def what(point: Point) -> st.SearchStrategy[Any]:
    """What happens to an event of the point."""
    kinds: dict[Action, st.SearchStrategy[Any]] = {
        Action.SET: st.builds(lambda f: {"action": "set", "fields": f}, changes(point, 1)),
        Action.DROP: st.just({"action": "drop"}),
        Action.DUPLICATE: st.builds(
            lambda n, f, w: {"action": "duplicate", "count": n, "fields": f, **w},
            st.integers(1, 40),
            changes(point, 0),
            later,
        ),
        Action.HOLD: st.builds(lambda w: {"action": "hold", **w}, later.filter(bool)),
        Action.CARD: st.sampled_from(sorted(FAULTS.actions)).flatmap(
            lambda name: st.builds(
                lambda p, w: {"action": "card", "do": name, "params": p, **w},
                parameters(FAULTS.actions[name]),
                later,
            )
        ),
    }
    return st.one_of([kinds[action] for action in point.actions])


def faults_at(point: Point) -> st.SearchStrategy[Any]:
    """A fault at one point."""
    when = st.builds(
        lambda match, nth, every: {"match": match, "nth": nth, "every": every},
        matches(point),
        st.integers(1, 6),
        st.integers(1, 3),
    )
    return st.builds(
        lambda when, what, times: {"where": point.name, "when": when, "what": what, "times": times},
        st.just({}) if point.name == "now" else when,
        what(point),
        st.integers(0, 5),
    )


faults = st.sampled_from(sorted(FAULTS.points)).flatmap(lambda name: faults_at(FAULTS.points[name]))
plans = st.lists(faults, min_size=1, max_size=3).map(
    lambda drawn: {
        "version": 1,
        "fault": [{"id": f"fault-{i}", **fault} for i, fault in enumerate(drawn)],
    }
)
