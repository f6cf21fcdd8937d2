# SPDX-License-Identifier: GPL-2.0-only
"""The share of a bench's trials that have found their bug, over the time they took."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from testbed.fuzz.bench import MODES, Trial, share
from testbed.fuzz.bench_table import interval
from testbed.report.drawing import svg

_COLOURS = ("#1f5fa8", "#b3541e")  # 4.5:1 or more on white
_STYLES = ("-", "--")


def points(trials: Sequence[Trial]) -> list[tuple[float, int]]:
    """Minutes, and how many trials of those had found their bug by then."""
    found = sorted(one.seconds / 60 for one in trials if one.found)
    end = max([*found, max(one.limit_s for one in trials) / 60])  # a last run may end later
    counted = [(minute, number) for number, minute in enumerate(found, start=1)]
    return [(0.0, 0), *counted, (end, len(found))]


def drawing(trials: Sequence[Trial]) -> str:
    """One curve for each search, with its interval; the same text for the same trials."""
    return svg(lambda: _figure(trials))


def _figure(trials: Sequence[Trial]) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for mode, colour, style in zip(MODES, _COLOURS, _STYLES, strict=True):
        of_it = [one for one in trials if one.mode == mode]
        if not of_it:
            continue
        _, tried = share(of_it, mode)
        minutes, counts = zip(*points(of_it), strict=True)
        low, high = zip(*(interval(count, tried) for count in counts), strict=True)
        axes.step(
            minutes, [count / tried for count in counts], style, where="post", color=colour,
            label=f"{mode}, {tried} trials",
        )  # fmt: skip
        axes.fill_between(minutes, low, high, step="post", color=colour, alpha=0.15)
    axes.set_xlabel("minutes")
    axes.set_ylabel("share of trials that found their bug, 95 %")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
