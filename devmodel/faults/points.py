# SPDX-License-Identifier: GPL-2.0-only
"""What injection points and card actions are, and the registry in which a card lists its own.

A point is one place of the card that every event of its kind passes. Adding one takes an entry in
the card's :class:`FaultRegistry` and a call of
:meth:`devmodel.faults.engine.FaultEngine.pass_on` (or ``consult``) at that place.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEX = re.compile(r"([0-9a-fA-F]{2})*")


class Action(enum.StrEnum):
    """What a fault does with the event it fires on."""

    SET = "set"
    """Change fields of it."""
    DROP = "drop"
    """It does not happen."""
    DUPLICATE = "duplicate"
    """It happens more often, at once or later, the copies with fields changed if asked."""
    HOLD = "hold"
    """It happens later."""
    CARD = "card"
    """It happens as it is, and the card does something of its own."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event: ``type`` is ``int``, ``str`` or ``bool``."""

    name: str
    type: str
    doc: str
    settable: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """An injection point.

    :ivar more_fields: what further fields its events have (those of a wire structure), in words;
        empty if ``fields`` is all.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    actions: tuple[Action, ...]
    more_fields: str = ""

    def field(self, name: str) -> Field | None:
        """The declared field of that name."""
        return next((f for f in self.fields if f.name == name), None)


ALL = tuple(Action)
CHANGE = (Action.SET, Action.DROP, Action.CARD)

NOW = Point("now", "Once, when the plan is armed, or ``after_ns`` later.", (), (Action.CARD,))
"""Every registry has it."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a card action.

    :ivar type: ``int``, ``str``, ``bool``, ``table``, or ``hex``: bytes as hexadecimal digits.
    :ivar allowed: all values that it can have; empty if any of its type will do.
    """

    type: str
    doc: str
    default: object
    allowed: tuple[str, ...] = ()

    @property
    def allows(self) -> str:
        """What it can be, in words."""
        if self.type == "hex":
            return "bytes as hexadecimal digits, two for each"
        return ", ".join(map(repr, self.allowed)) or f"a value of type {self.type}"

    def fits(self, value: object) -> bool:
        """Whether it can be that."""
        match self.type:
            case "int":
                return isinstance(value, int) and not isinstance(value, bool)
            case "bool":
                return isinstance(value, bool)
            case "table":
                return isinstance(value, Mapping)
            case "hex":
                return isinstance(value, str) and HEX.fullmatch(value) is not None
        return isinstance(value, str) and (not self.allowed or value in self.allowed)


@dataclass(frozen=True, slots=True)
class CardAction:
    """Something the card does of its own; ``params`` by name."""

    name: str
    doc: str
    params: Mapping[str, Param]


class FaultRegistry:
    """What the fault plans of one card can name: its injection points and its card actions.

    :ivar points: by name, ``now`` first.
    :ivar actions: by name.
    """

    def __init__(self, points: Sequence[Point] = (), actions: Sequence[CardAction] = ()) -> None:
        self.points: Mapping[str, Point] = {point.name: point for point in (NOW, *points)}
        self.actions: Mapping[str, CardAction] = {action.name: action for action in actions}
