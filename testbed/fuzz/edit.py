# SPDX-License-Identifier: GPL-2.0-only
"""Mutations of one fault among those of a schedule: when it fires, on what, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from testbed.card.plans import POINTS, kinds
from testbed.fuzz.generate import Draws
from testbed.fuzz.grammar import Fault

Seen = Mapping[str, int]
MANY = (50, 100, 200, 400)
"""Faults that accumulate."""


def edited(draws: Draws, name: str, faults: list[Fault], seen: Seen) -> list[Fault] | None:
    """``faults`` with one of them changed by ``name``, of :data:`EDITS`; None if it cannot be."""
    at = draws.random.randrange(len(faults))
    if name == "drop":
        return faults[:at] + faults[at + 1 :]
    return faults if EDITS[name](draws, faults[at], seen) else None


def _when(fault: Fault) -> dict[str, Any]:
    when: dict[str, Any] = fault.setdefault("when", {})
    return when


def _match(fault: Fault) -> dict[str, Any]:
    match: dict[str, Any] = _when(fault).get("match", {})
    return match


def _kind(fault: Fault) -> str:
    return str(_match(fault).get(kinds(fault["where"])[0], ""))


def _move(draws: Draws, fault: Fault, seen: Seen) -> bool:
    """Another ordinal: one of those that pass, the next, twice as far."""
    where, when = fault["where"], _when(fault)
    if where == "now":
        return False
    nth = int(when.get("nth", 1))
    drawn = draws.grammar.nth(where, _match(fault), seen)
    when["nth"] = draws.random.choice((drawn, drawn, drawn, nth + 1, max(nth - 1, 1), nth * 2))
    return True


def _retarget(draws: Draws, fault: Fault, seen: Seen) -> bool:
    """Events of another kind, or of any; fields that those do not have are drawn anew."""
    where = fault["where"]
    match = draws.grammar.kind(where) if draws.random.random() < 0.85 else {}
    when = _when(fault)
    if match == when.get("match", {}) or where == "now":
        return False
    when["match"] = match
    fields = fault["what"].get("fields")
    if fields:
        known = draws.grammar.settable(where, _kind(fault))
        kept = {name: value for name, value in fields.items() if name in known}
        fault["what"]["fields"] = kept or draws.grammar.fields(where, match)
    return True


def _value(draws: Draws, fault: Fault, seen: Seen) -> bool:
    """Another value of a field, one field more, or other parameters of what the card does."""
    what = fault["what"]
    if what["action"] == "card":
        return _parameters(draws, what)
    fields, known = what.get("fields"), draws.grammar.settable(fault["where"], _kind(fault))
    changeable = sorted(set(known) & set(fields or {}))
    if not fields or not changeable:
        return False
    name = draws.random.choice(changeable)
    if draws.random.random() < 0.2:
        name = draws.random.choice(sorted(known))
    fields[name] = draws.grammar.change(fault["where"], _kind(fault), name)
    return True


def _parameters(draws: Draws, what: dict[str, Any]) -> bool:
    drawn = draws.grammar.parameters(what["do"])
    if not drawn:
        return False
    what["params"] = drawn
    return True


def _action(draws: Draws, fault: Fault, seen: Seen) -> bool:
    """Something else happens to the same events."""
    fault["what"] = draws.grammar.what(fault["where"], _match(fault))
    return True


def _defer(draws: Draws, fault: Fault, seen: Seen) -> bool:
    """The effect comes later, or at another time."""
    what = fault["what"]
    if what["action"] not in ("hold", "duplicate", "card"):
        return False
    for key in ("after_ns", "until"):
        what.pop(key, None)
    if what["action"] == "hold" or draws.random.random() < 0.8:
        what |= draws.grammar.later()
    return True


def _repeat(draws: Draws, fault: Fault, seen: Seen) -> bool:
    """It comes again and again, in half of all cases on one ring."""
    if fault["where"] == "now":
        return False
    when = _when(fault)
    fault["times"] = draws.random.choice((2, 5, *MANY, 0))
    when["every"] = draws.random.choice((0, 0, 2, 3, 8))
    if draws.random.random() < 0.5 and POINTS[fault["where"]].field("ring_id"):
        when["match"] = {**_match(fault), "ring_id": draws.random.randrange(12)}
    return True


EDITS: Mapping[str, Callable[[Draws, Fault, Seen], bool]] = {
    "drop": lambda draws, fault, seen: True, "move": _move, "retarget": _retarget,
    "value": _value, "action": _action, "defer": _defer, "repeat": _repeat,
}  # fmt: skip
"""Name -> what changes a fault in place; False if it cannot."""
