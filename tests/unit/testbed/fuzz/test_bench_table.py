# SPDX-License-Identifier: GPL-2.0-only
"""The table of a bench: medians, ranges, intervals, and guest text that cannot break a cell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.fuzz.bench_table import interval, lines
from tests.unit.testbed.fuzz.test_bench import trial


def test_interval() -> None:
    """As in Wilson's formula by hand; none or all of few says little."""
    assert interval(5, 10) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert interval(0, 3) == (0, pytest.approx(0.5615, abs=1e-4))
    assert interval(3, 3) == (pytest.approx(0.4385, abs=1e-4), 1)


def test_rows_and_shares() -> None:
    several = [
        trial("a", seed=1, seconds=30), trial("a", seed=2, seconds=10), trial("a", seed=3),
        trial("a", "blind", seed=1),
    ]  # fmt: skip
    text = list(lines(several))
    assert text[2] == (
        "| a | guided | 2 of 3 | 20 (10-30) | 0 (0-0) | 20 (10-30) | 0 (0-0) | 1 "
        "| `memory: f` | 0 |"
    )
    assert text[3] == "| a | blind | 0 of 1 | over 60 | over 0 | over 0 | - | - | - | 0 |"
    assert text[-2:] == [
        "guided: 2 of 3 trials found their bug: 67% (95 %: 21% to 94%)",
        "blind: 0 of 1 trials found their bug: 0% (95 %: 0% to 79%)",
    ]


def test_guest_text_stays_in_its_cell() -> None:
    bad = replace(trial(seconds=1), signature="a|b`c\nd")
    assert "| `a/b'c d` |" in list(lines([bad]))[2]
