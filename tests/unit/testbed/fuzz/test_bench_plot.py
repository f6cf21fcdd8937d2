# SPDX-License-Identifier: GPL-2.0-only
"""The plot of a bench: what it counts, and that it is one for the same trials."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from testbed.fuzz.bench_plot import drawing, points
from tests.unit.testbed.fuzz.test_bench import trial

SEVERAL = [trial("a", seconds=30), trial("b", seconds=12), trial("c"), trial("a", "blind")]


def test_points() -> None:
    """One more with each that was found, up to the end of the search."""
    assert points(SEVERAL[:3]) == [(0.0, 0), (0.2, 1), (0.5, 2), (1.0, 2)]


def test_a_run_that_ended_after_the_time_is_the_end() -> None:
    assert points([trial("a", seconds=66)]) == [(0.0, 0), (1.1, 1), (1.1, 1)]


def test_drawing() -> None:
    text = drawing(SEVERAL)
    ElementTree.fromstring(text)
    assert "guided, 3 trials" in text
    assert "blind, 1 trials" in text
    assert text == drawing(SEVERAL)
    assert "blind" not in drawing(SEVERAL[:3])
