# SPDX-License-Identifier: GPL-2.0-only
"""Figures: the same text for the same numbers, and nothing that a page would have to load."""

from __future__ import annotations

from base64 import b64decode
from xml.etree import ElementTree

from matplotlib.figure import Figure

from testbed.report.drawing import Picture, svg


def figure() -> Figure:
    made = Figure()
    axes = made.subplots()
    axes.plot([0, 1], [1, 3])
    axes.set_title("frames <b>&amp;</b>")
    return made


def test_the_same_figure_is_the_same_text() -> None:
    assert svg(figure) == svg(figure)
    assert svg(figure) != svg(figure, font_size=14)


def test_text_stays_text_and_no_markup() -> None:
    texts = [one.text for one in ElementTree.fromstring(svg(figure)).iter() if one.text]
    assert "frames <b>&amp;</b>" in texts


def test_a_picture_carries_its_drawing() -> None:
    found = Picture(svg(figure), "two points").source
    kind, _, code = found.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(code).decode() == svg(figure)
