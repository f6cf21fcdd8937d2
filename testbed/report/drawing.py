# SPDX-License-Identifier: GPL-2.0-only
"""Figures as SVG, the same text for the same numbers, and how a page shows them."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure


def svg(drawn: Callable[[], Figure], *, font_size: float = 10) -> str:
    """The figure that ``drawn`` makes; text stays text, of ``font_size`` points."""
    with mpl.rc_context(
        {"svg.hashsalt": "testbed", "svg.fonttype": "none", "font.size": font_size}
    ):
        file = io.StringIO()
        drawn().savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


@dataclass(frozen=True)
class Picture:
    """A drawing for a page; ``text`` says in words what it shows, for whoever cannot see it.

    It is an image by itself: several in the text of one page would share the ids in them.
    """

    drawing: str
    text: str

    @property
    def source(self) -> str:
        """What an ``img`` loads: nothing from elsewhere."""
        return f"data:image/svg+xml;base64,{b64encode(self.drawing.encode()).decode()}"
