# SPDX-License-Identifier: GPL-2.0-only
"""Figures in documents: a count is right today, a measurement has its day and its command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.figures import COUNT, COUNTED, DOCUMENTS, corrected, undated


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_counts_are_right_and_measurements_have_a_day_and_a_command(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert text == corrected(text), "run: python -P -m tests.figures --write"
    assert list(undated(text)) == []


def test_some_figures_are_counted() -> None:
    found = [one["what"] for text in DOCUMENTS for one in COUNT.finditer(text.read_text())]
    assert len(set(found)) >= 4


def test_wrong_count_is_corrected() -> None:
    faults = COUNTED["faults of the catalogue"]()
    text = "All 3<!-- count: faults of the catalogue --> of 17 faults."
    assert corrected(text) == text.replace("3<", f"{faults}<")


def test_what_cannot_be_counted_is_refused_with_what_can() -> None:
    with pytest.raises(ValueError, match="count: loaves: allowed: faults of the catalogue, "):
        corrected("5<!-- count: loaves -->")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# A\n126 tests ran.\n", ["# A: 126 tests"]),
        ("# A\n2026-11-20: 126 tests ran.\n", ["# A: 126 tests"]),
        ("# A\n`./tb test`: 126 tests ran.\n", ["# A: 126 tests"]),
        ("# A\n2026-11-20, `./tb test`: 126 tests ran.\n", []),
        ("# A\n20 November 2026, `./tb test`.\n## B\n61 passed\n", ["## B: 61 passed"]),
        ("# A\n34<!-- count: tests/suite --> tests.\n", []),
        ("# A\n34<!-- count: tests/suite --> tests, 5 tests\n", ["# A: 5 tests"]),
    ],
)
def test_figure_needs_its_day_and_its_command(text: str, found: list[str]) -> None:
    assert list(undated(text)) == found
