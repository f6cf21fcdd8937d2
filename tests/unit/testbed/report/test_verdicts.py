# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts as text."""

from __future__ import annotations

from typing import Any

from testbed.report.verdicts import MAX_SHOWN, describe, describe_all

VERDICT: dict[str, Any] = {
    "rule": "posted_twice", "t": 1_500_000_000, "ring": "RX_AGG", "address": 0xFFFF_0000,
    "culprit": "driver", "cause": "recycled twice", "unseen": "early recycling",
    "history": ["1.0 s posted"], "events": [f"event {i}" for i in range(30)],
}  # fmt: skip


def test_verdict_says_who_where_and_why() -> None:
    lines = describe(VERDICT).splitlines()
    assert lines[:4] == [
        "posted_twice at 1.500000 s: driver",
        "  where: ring RX_AGG, address 0xffff0000",
        "  likely cause: recycled twice",
        "  not visible here: early recycling",
    ]
    assert "    1.0 s posted" in lines
    assert lines[-1] == "    event 29"
    assert "    event 0" not in lines


def test_fault_is_named() -> None:
    text = describe({"rule": "x", "t": 0, "culprit": "injected fault", "caused_by": "stray"})
    assert text == "x at 0.000000 s: injected fault\n  caused by: injected fault stray"


def test_violation_without_an_oracle_is_one_line_and_its_fields() -> None:
    assert describe({"rule": "x", "t": 0, "id": 3}) == "x at 0.000000 s\n  where: id 3"


def test_a_flood_is_cut() -> None:
    text = describe_all([VERDICT] * (MAX_SHOWN + 5))
    assert text.count("posted_twice at") == MAX_SHOWN
    assert text.endswith("... and 5 more, see trace.jsonl")
