# SPDX-License-Identifier: GPL-2.0-only
"""compare.html: the plot, the tables and what they mean, on one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from testbed.compare.groups import GROUPS
from testbed.compare.published import COVER_LETTER, SOURCE, STATEMENT
from testbed.compare.results import Measurement
from testbed.compare.tables import kernel_share
from testbed.report.pages import templates

FILE_NAME = "compare.html"


def render(measurements: Sequence[Measurement], plot: str, facts: Sequence[str]) -> str:
    """The page; ``plot`` is the SVG, ``facts`` go under the title."""
    return (
        templates("testbed.compare")
        .get_template("compare.html.j2")
        .render(
            measurements=measurements,
            first=measurements[0],
            groups=GROUPS,
            kernel_share=kernel_share,
            instructions=lambda count: count.instructions,
            plot=Markup(plot[plot.index("<svg") :]),  # made by us of numbers and escaped labels
            facts=facts,
            published=COVER_LETTER,
            source=SOURCE,
            statement=STATEMENT,
        )
    )
