# SPDX-License-Identifier: GPL-2.0-only
"""What each fault asks of the card: a lie is never taken for something that happens."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.card.plans import CARD_ACTIONS, POINTS
from testbed.faults.catalogue import load_catalogue
from testbed.findings.head import Needs, Trigger
from testbed.fuzz.honest import _OF_CARD, _PLAIN, Card, asked, honesty, share_honest
from testbed.fuzz.schedule import Companion, Schedule


def fault(where: str, action: str, **more: Any) -> dict[str, Any]:
    return {"id": f"{where}-{action}", "where": where, "what": {"action": action, **more}}


def answer(command: str, fields: dict[str, int]) -> dict[str, Any]:
    return {**fault("hwrm.answer", "set", fields=fields), "when": {"match": {"cmd": command}}}


def event(number: int) -> dict[str, Any]:
    return fault("now", "card", do="async_event", params={"event_id": number})


def schedule(*faults: dict[str, Any], **more: Any) -> Schedule:
    return Schedule(workload="stream", seed=1, faults=faults, **more)


@pytest.mark.parametrize(
    ("one", "card"),
    [
        (fault("rx.frame", "drop"), Card.LINK),
        (fault("tx.frame", "duplicate", fields={"xor_at": 3}), Card.LINK),
        (fault("now", "card", do="link"), Card.LINK),
        (fault("hwrm.answer", "hold", after_ns=5), Card.DELAY),
        (fault("irq.raise", "duplicate", count=3), Card.DELAY),
        (fault("irq.raise", "duplicate", fields={"vector": 9}), Card.LIE),
        (fault("irq.raise", "drop"), Card.LIE),
        (fault("hwrm.request", "set", fields={"refuse": 2}), Card.REFUSAL),
        (fault("hwrm.request", "set", fields={"refuse": 2, "req.ring_id": 9}), Card.LIE),
        (fault("hwrm.request", "set", fields={"skip": True}), Card.LIE),
        (fault("hwrm.request", "set"), Card.LIE),
        (fault("hwrm.answer", "drop"), Card.REFUSAL),
        (fault("hwrm.answer", "set", fields={"error_code": 2}), Card.LIE),
        (fault("register.read", "set", fields={"value": 0xFFFFFFFF}), Card.REFUSAL),
        (fault("register.read", "set", fields={"value": 17}), Card.LIE),
        (fault("cqe.write", "hold", after_ns=5), Card.LIE),
        (fault("cqe.write", "set", fields={"opaque": 7}), Card.LIE),
        (fault("cqe.write", "card", do="cqe"), Card.LIE),
        (fault("dma.write", "duplicate"), Card.LIE),
        (answer("FUNC_QCAPS", {"out.max_rsscos_ctx": 1}), Card.OTHER),
        (answer("FUNC_QCAPS", {"out.max_rsscos_ctx": 1, "seq_id": 3}), Card.LIE),
        (answer("RING_ALLOC", {"out.ring_id": 1}), Card.LIE),
        (event(0), Card.LINK),
        (event(8), Card.REFUSAL),
        (event(0x44), Card.LIE),
        ({}, Card.LIE),
    ],
)
def test_one_fault(one: dict[str, Any], card: Card) -> None:
    assert asked(one) is card


def test_the_worst_fault_decides() -> None:
    both = honesty(schedule(fault("rx.frame", "drop"), fault("hwrm.answer", "drop")))
    assert (both.worst, both.honest) == (Card.REFUSAL, True)
    assert (both.needs, both.trigger) == (Needs.REFUSING_FIRMWARE, Trigger.FIRMWARE)
    lie = honesty(schedule(fault("rx.frame", "drop"), fault("cqe.write", "drop")))
    assert (lie.needs, lie.honest) == (Needs.LYING_CARD, False)
    assert lie.text.startswith("no: ")


def test_companions_ask_nothing_of_the_card() -> None:
    found = honesty(schedule(companions=(Companion(kind="failslab"),)))
    assert (found.worst, found.needs, found.trigger) == (Card.NOTHING, Needs.NOTHING, Trigger.ROOT)
    assert share_honest([schedule(), schedule(fault("cqe.write", "drop"))]) == (1, 2)


def test_the_table_names_what_the_card_has() -> None:
    assert {where for where, _ in _PLAIN} <= set(POINTS)
    for where, action in _PLAIN:
        assert action in {str(one.value) for one in POINTS[where].actions}, (where, action)
    assert set(_OF_CARD) <= set(CARD_ACTIONS)


def test_a_refusal_of_the_catalogue_is_one() -> None:
    """The catalogue names what firmware may refuse; each of those plans is honest."""
    refused = [one for one in load_catalogue().values() if one.name.endswith("-refused")]
    assert len(refused) > 5
    for entry in refused:
        assert honesty(Schedule(workload="stream", seed=1, faults=entry.plan)).honest, entry.name
