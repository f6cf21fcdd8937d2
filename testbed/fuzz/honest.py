# SPDX-License-Identifier: GPL-2.0-only
"""Could an honest card do it? What each fault of a schedule asks of the card, as data.

What is not listed is a lie: the answer errs on the side of the driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from testbed.findings.head import Needs, Trigger
from testbed.fuzz.schedule import Schedule


class Card(IntEnum):
    """What a card has to do, the worst last."""

    NOTHING = 0
    LINK = 1
    DELAY = 2
    OTHER = 3
    REFUSAL = 4
    LIE = 5


WORDS: Mapping[Card, str] = {
    Card.NOTHING: "no fault of the card",
    Card.LINK: "the link loses, damages or repeats frames, or goes down",
    Card.DELAY: "the card is late, or raises an interrupt too many",
    Card.OTHER: "another card: it advertises other capabilities or limits",
    Card.REFUSAL: "the firmware refuses, restarts or dies, or the card is pulled out",
    Card.LIE: "the card says or writes what cannot be",
}

_NEEDS = {
    Card.NOTHING: Needs.NOTHING, Card.LINK: Needs.NOTHING, Card.DELAY: Needs.NOTHING,
    Card.OTHER: Needs.NOTHING, Card.REFUSAL: Needs.REFUSING_FIRMWARE,
    Card.LIE: Needs.LYING_CARD,
}  # fmt: skip
_TRIGGERS = {
    Card.NOTHING: Trigger.ROOT, Card.LINK: Trigger.WIRE, Card.DELAY: Trigger.ROOT,
    Card.OTHER: Trigger.ROOT, Card.REFUSAL: Trigger.FIRMWARE, Card.LIE: Trigger.CARD,
}  # fmt: skip

# (injection point, action) -> what it asks for. A frame held or repeated is the link's doing; a
# completion held is written behind later ones, which no card does.
_PLAIN = {
    ("rx.frame", "set"): Card.LINK, ("rx.frame", "drop"): Card.LINK,
    ("rx.frame", "duplicate"): Card.LINK, ("rx.frame", "hold"): Card.LINK,
    ("tx.frame", "set"): Card.LINK, ("tx.frame", "drop"): Card.LINK,
    ("tx.frame", "duplicate"): Card.LINK, ("tx.frame", "hold"): Card.LINK,
    ("irq.raise", "hold"): Card.DELAY, ("irq.raise", "duplicate"): Card.DELAY,
    ("nqe.write", "hold"): Card.DELAY, ("doorbell.write", "hold"): Card.DELAY,
    ("hwrm.request", "hold"): Card.DELAY, ("hwrm.answer", "hold"): Card.DELAY,
    ("hwrm.request", "drop"): Card.REFUSAL, ("hwrm.answer", "drop"): Card.REFUSAL,
}  # fmt: skip
_OF_CARD = {
    "link": Card.LINK, "irq": Card.DELAY, "health": Card.REFUSAL, "fw_restart": Card.REFUSAL,
    "partner": Card.LINK, "unplug": Card.REFUSAL, "replug": Card.REFUSAL, "power": Card.REFUSAL,
    "grant": Card.REFUSAL,
}  # fmt: skip
_EVENTS = {
    0: Card.LINK, 1: Card.LINK, 2: Card.LINK, 6: Card.LINK, 7: Card.LINK,  # of the link, the port
    8: Card.REFUSAL, 9: Card.REFUSAL,  # RESET_NOTIFY, ERROR_RECOVERY
}  # fmt: skip
"""ASYNC_EVENT_CMPL_EVENT_ID_* that a card may send at any time."""
_ADVERTISING = ("_QCAPS", "FUNC_DRV_RGTR")
"""How commands end whose answers say what card and firmware can do."""
_REFUSING = frozenset({"refuse"})
"""The fields of ``hwrm.request`` that a refusal sets, and nothing else."""
_ALL_ONES = (0xFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""What is read of a card that is not there any more."""


@dataclass(frozen=True)
class Honesty:
    """The answer for one schedule.

    :ivar faults: id of each fault -> what it asks of the card.
    """

    faults: Mapping[str, Card]

    @property
    def worst(self) -> Card:
        """What all of it takes."""
        return max(self.faults.values(), default=Card.NOTHING)

    @property
    def honest(self) -> bool:
        """Whether a card that tells no lie can do it."""
        return self.worst is not Card.LIE

    @property
    def needs(self) -> Needs:
        """As the record of a finding has it."""
        return _NEEDS[self.worst]

    @property
    def trigger(self) -> Trigger:
        """Who can make it happen, as far as the schedule tells."""
        return _TRIGGERS[self.worst]

    @property
    def text(self) -> str:
        """One line for a person."""
        return f"{'yes' if self.honest else 'no'}: {WORDS[self.worst]}"


def honesty(schedule: Schedule) -> Honesty:
    """Judge each fault of ``schedule``. Companions and packets ask nothing of the card."""
    named = (
        (str(one.get("id", f"fault-{number}")), one)
        for number, one in enumerate(schedule.faults, 1)
    )
    return Honesty({name: asked(one) for name, one in named})


def asked(fault: Mapping[str, Any]) -> Card:
    """What one table ``[[fault]]`` of a plan asks of the card."""
    what = fault.get("what", {})
    where, action = fault.get("where"), what.get("action")
    if action == "card" and what.get("do") == "async_event":
        return _EVENTS.get(what.get("params", {}).get("event_id", 0), Card.LIE)
    if action == "card":
        return _OF_CARD.get(what.get("do"), Card.LIE)
    fields = what.get("fields", {})
    if action == "set" and where == "hwrm.request":
        return Card.REFUSAL if fields and fields.keys() <= _REFUSING else Card.LIE
    if action == "set" and where == "hwrm.answer":
        return Card.OTHER if _advertises(fault, fields) else Card.LIE
    if action == "set" and where in ("register.read", "config.read"):
        return Card.REFUSAL if _reads_all_ones(fields) else Card.LIE
    found = _PLAIN.get((str(where), str(action)), Card.LIE)
    changed = fields and (action == "duplicate" and found is not Card.LINK)
    return Card.LIE if changed else found


def _advertises(fault: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Whether only the answer to a query for capabilities is another one."""
    command = fault.get("when", {}).get("match", {}).get("cmd")
    of_answer = bool(fields) and all(name.startswith("out.") for name in fields)
    return of_answer and isinstance(command, str) and command.endswith(_ADVERTISING)


def _reads_all_ones(fields: Mapping[str, Any]) -> bool:
    return fields.keys() == {"value"} and fields["value"] in _ALL_ONES


def share_honest(schedules: Iterable[Schedule]) -> tuple[int, int]:
    """Of how many schedules an honest card can do it, and how many there are."""
    answers = [honesty(one).honest for one in schedules]
    return sum(answers), len(answers)
