# SPDX-License-Identifier: GPL-2.0-only
"""Buffers that a ring had once, and what is under way."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.fuzz import rings as module
from testbed.fuzz.rings import BufferRing, at_rest, buffer_rings, lets_buffers_be


def row(kind: str, prod: int, most: int = 200, cons: int = 0, number: int = 6) -> dict[str, Any]:
    return {"kind": kind, "id": number, "prod": prod, "cons": cons, "entries": 256, "most": most}


def state(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"card": {"rings": rows}}


WHOLE = [row("RX", 44, cons=100), row("TX", 0, most=40), row("RX_AGG", 200)]
SHORT = BufferRing("RX_AGG", 8, 190, 200)


def with_short(posted: int, cons: int = 0) -> dict[str, Any]:
    return state(*WHOLE, row("RX_AGG", (posted + cons) % 256, cons=cons, number=8))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(module, "pause", lambda _dut, length: seconds.append(length))
    return seconds


def session(answers: Sequence[dict[str, Any]]) -> Any:
    left = iter(answers)
    return SimpleNamespace(dut=None, card=SimpleNamespace(state=lambda: next(left)))


def test_what_is_posted_is_counted_around_the_end_of_the_ring() -> None:
    found = buffer_rings(state(*WHOLE))
    assert [(one.kind, one.posted, one.lost) for one in found] == [
        ("RX", 200, False), ("RX_AGG", 200, False)
    ]  # fmt: skip
    assert buffer_rings(with_short(190, cons=250))[-1] == SHORT
    assert str(SHORT) == "RX_AGG ring 8 has 190 buffers, and had 200"


@pytest.mark.parametrize(
    ("point", "action", "changed", "wanted"),
    [
        ("rx.frame", "drop", {}, True),
        ("rx.frame", "card", {}, False),
        ("cqe.write", "set", {"crc_error": 1, "error": 1}, True),
        ("cqe.write", "set", {"buffer_error": 7, "agg_bufs": 1}, False),
        ("cqe.write", "set", {"payload_offset": 255, "len": 1, "gro_ts": 1}, True),
        ("cqe.write", "set", {"opaque": 4}, False),
        ("cqe.write", "set", {"start_opaque": 4}, False),
        ("cqe.write", "set", {"agg_id": 4}, False),
        ("cqe.write", "drop", {}, False),
        ("irq.raise", "drop", {}, False),
        ("hwrm.request", "set", {"refuse": 4}, False),
    ],
)
def test_an_error_takes_no_buffer_away(
    point: str, action: str, changed: dict[str, int], wanted: bool
) -> None:
    what = {"action": action, **({"fields": changed} if changed else {})}
    assert lets_buffers_be({"where": point, "what": what}) is wanted


def test_the_end_of_an_aggregation_only_repeats_how_many_there_are() -> None:
    what = {"action": "set", "fields": {"agg_bufs": 1}}
    for kind, wanted in (("RX_TPA_END", True), ("RX_L2", False), (["RX_TPA_END", "RX_L2"], False)):
        fault = {"where": "cqe.write", "when": {"match": {"type": kind}}, "what": what}
        assert lets_buffers_be(fault) is wanted
    assert not lets_buffers_be({"where": "cqe.write", "what": what})


def test_nobody_waits_where_nothing_is_lost(pauses: list[float]) -> None:
    assert at_rest(session([]), state(*WHOLE)) == ()
    assert not pauses


def test_what_stays_lost_is(pauses: list[float]) -> None:
    answers = [with_short(190), with_short(190, cons=7)]
    assert at_rest(session(answers), with_short(190)) == (SHORT,)
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "later", [[200, 200], [190, 200], [190, 189], [191, 190]], ids=lambda later: str(later[0])
)
def test_a_packet_under_way_is_not(later: list[int], pauses: list[float]) -> None:
    """Nor is a stream that goes on, of which never the same number is."""
    assert at_rest(session([with_short(one) for one in later]), with_short(190)) == ()
    assert pauses


def test_a_ring_that_was_freed_meanwhile_says_nothing(pauses: list[float]) -> None:
    assert at_rest(session([state(*WHOLE)]), with_short(190)) == ()
    assert len(pauses) == 1
