# SPDX-License-Identifier: GPL-2.0-only
"""The ratios of a benchmark of the wire as a plot: a dot and its interval, the line at 1."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.bench.ratio import Estimate
from testbed.bench.wire.results import Comparison
from testbed.report.drawing import svg

COLOUR, UNSURE = "#1f5fa8", "#999999"


def drawing(comparisons: Sequence[Comparison], widest: float) -> str:
    """As SVG; what cannot be told has no dot, but words: at least on which side of 1 it is."""

    def figure() -> Figure:
        made = Figure(figsize=(11, 1.4 + 0.28 * len(comparisons)), layout="constrained")
        rate, cpu = made.subplots(1, 2, sharey=True)
        _ratios(rate, [one.rate for one in comparisons], widest)
        _ratios(cpu, [one.cpu for one in comparisons], widest)
        rate.set_yticks(range(len(comparisons)), [one.name for one in comparisons], fontsize=8)
        rate.invert_yaxis()
        rate.set_xlabel("bytes per second, ours : theirs")
        cpu.set_xlabel("CPU time per byte, theirs : ours")
        return made

    return svg(figure)


def _ratios(axes: Axes, estimates: Sequence[Estimate], widest: float) -> None:
    axes.axvline(1.0, color=UNSURE, linewidth=0.8)
    told = [one.high for one in estimates if not one.why_useless(widest)]
    axes.set_xlim(0.0, max(2.0, 1.05 * max(told, default=0.0)))
    for place, one in enumerate(estimates):
        if one.why_useless(widest):
            words = "cannot tell" if one.is_open else one.word
            axes.text(1.02, place, words, color=UNSURE, fontsize=8, va="center")
            continue
        axes.plot([one.low, one.high], [place, place], color=COLOUR)
        axes.plot([one.median], [place], "o", color=COLOUR)
    axes.spines[["top", "right"]].set_visible(False)
