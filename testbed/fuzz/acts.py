# SPDX-License-Identifier: GPL-2.0-only
"""What the card does of its own in a sweep: its actions, and the events that it tells of."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.card.plans import CARD_ACTIONS, GRANTED, POINTS
from testbed.fuzz.going_wrong import Kind
from testbed.fuzz.grammar import STARTED, Fault, Grammar

EVENTS = frozenset(f"{number:#x}" for number in range(0x50))
"""ASYNC_EVENT_CMPL_EVENT_ID_*."""
GRANT = "grant"
ACTS = frozenset(CARD_ACTIONS) - {GRANT} | {f"{GRANT} {what}" for what in GRANTED}
"""Of each resource that is granted there are many, of which the driver gets along without some."""
_DATA = (0xFFFFFFFF, 0)
"""What an event says in its first turns; then anything."""


def act(
    grammar: Grammar, kind: Kind, name: str, seen: Mapping[str, int], turns: int
) -> Fault:  # fmt: skip
    """One of :data:`EVENTS` or :data:`ACTS` that had so many ``turns``, at some event of those that
    were ``seen``. What is granted counts from the next time the interface opens, and so from the
    first."""
    action, _, what = ("async_event" if kind is Kind.EVENT else name).partition(" ")
    passed = [one for one in POINTS if one not in STARTED and seen.get(one) and not what]
    where = grammar.random.choice(passed or ["now"])
    does: dict[str, object] = {"action": "card", "do": action}
    if params := grammar.parameters(action):
        does["params"] = params
    if what:
        params["what"] = what
    if kind is Kind.EVENT:
        params["event_id"] = int(name, 16)
        if turns < len(_DATA):  # an index, a size: believed, or not
            params |= dict.fromkeys(("data1", "data2"), _DATA[turns])
    when = {"nth": grammar.nth(where, {}, seen)} if passed else {}
    return {"where": where, "when": when, "what": does}
