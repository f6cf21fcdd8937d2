# SPDX-License-Identifier: GPL-2.0-only
"""Curves of campaigns as SVG: what was found over runs and minutes, and how fast runs were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.fuzz.outcome import Ended
from testbed.fuzz.reading import RunRow
from testbed.report.drawing import Picture, svg

_COLOURS = ("#1f5fa8", "#b3541e", "#3a7d44", "#7a4f9a")  # 4.5:1 or more on white
_STYLES = ("-", "--", "-.", ":")
_BINS = 60
Points = tuple[Sequence[float], Sequence[float]]
CHECK = "check"
"""Mode of a run that is one done again: it searches nothing."""


@dataclass(frozen=True)
class Curve:
    """One campaign's search: a point for each run, in the order in which they came in.

    :ivar minutes: of the campaign; ``edges`` and ``states`` are all found so far.
    :ivar findings: minutes at which a signature showed for the first time.
    """

    label: str
    minutes: Sequence[float]
    edges: Sequence[int]
    states: Sequence[int]
    findings: Sequence[float] = field(default_factory=tuple)

    @classmethod
    def of(cls, label: str, runs: Iterable[RunRow]) -> Curve:
        """Of all runs but those that say nothing, and those done again."""
        counted = sorted(
            (one for one in runs if one.ended is not Ended.ENVIRONMENT and one.mode != CHECK),
            key=lambda one: (one.at, one.number),
        )
        seen: set[str] = set()
        found: list[float] = []
        for one in counted:
            found += [one.at / 60] * len(set(one.signatures) - seen)
            seen.update(one.signatures)
        return cls(
            label,
            [one.at / 60 for one in counted],
            list(accumulate(one.edges_new for one in counted)),
            list(accumulate(one.states_new for one in counted)),
            found,
        )

    @property
    def numbers(self) -> Sequence[int]:
        """Of its runs."""
        return range(1, len(self.minutes) + 1)

    @property
    def signatures(self) -> Points:
        """How many there were, up to the end of the campaign."""
        last = self.minutes[-1:]
        counts = [*range(1, len(self.findings) + 1), *[len(self.findings)] * len(last)]
        return [*self.findings, *last], counts

    @property
    def speed(self) -> Points:
        """Minutes, and runs a second around each, in at most 60 stretches of the campaign."""
        if len(self.minutes) < 2 or not self.minutes[-1]:
            return [], []
        width = self.minutes[-1] / min(_BINS, max(1, len(self.minutes) // 4))
        counts: dict[int, int] = {}
        for minute in self.minutes:
            place = min(int(minute / width), round(self.minutes[-1] / width) - 1)
            counts[place] = counts.get(place, 0) + 1
        places = range(round(self.minutes[-1] / width))
        return (
            [(place + 0.5) * width for place in places],
            [counts.get(place, 0) / (60 * width) for place in places],
        )


@dataclass(frozen=True)
class Plot:
    """A picture under its title."""

    title: str
    picture: Picture


def plots(curves: Sequence[Curve]) -> list[Plot]:
    """All pictures of these campaigns; the first is the one the page is about."""
    return [
        _grown("Edges over runs", "runs", curves, lambda one: (one.numbers, one.edges)),
        _grown("Edges over time", "minutes", curves, lambda one: (one.minutes, one.edges)),
        _grown("States of the card over runs", "runs", curves,
               lambda one: (one.numbers, one.states)),
        _grown("States of the card over time", "minutes", curves,
               lambda one: (one.minutes, one.states)),
        _grown("Signatures over time", "minutes", curves, lambda one: one.signatures),
        _speed(curves),
    ]  # fmt: skip


def _grown(
    title: str, unit: str, curves: Sequence[Curve], points: Callable[[Curve], Points]
) -> Plot:
    drawn = [(one, *points(one)) for one in curves]

    def draw(axes: Axes) -> None:
        for number, (one, across, up) in enumerate(drawn):
            axes.step([0, *across], [0, *up], where="post", **_look(number, one))
        axes.set_xlabel(unit)

    ends = ", ".join(f"{one.label}: {max(up, default=0)}" for one, _, up in drawn)
    text = f"{title}. At the end {ends}."
    return Plot(title, Picture(drawing(draw, legend=len(curves) > 1), text))


def _speed(curves: Sequence[Curve]) -> Plot:
    def draw(axes: Axes) -> None:
        for number, one in enumerate(curves):
            axes.plot(*one.speed, **_look(number, one))
        axes.set_xlabel("minutes")
        axes.set_ylim(bottom=0)

    timed = [one for one in curves if one.minutes and one.minutes[-1]]
    means = ", ".join(
        f"{one.label}: {len(one.minutes) / (60 * one.minutes[-1]):.2f}" for one in timed
    )
    title = "Runs a second over time"
    text = f"{title}. On average {means}."
    return Plot(title, Picture(drawing(draw, legend=len(curves) > 1), text))


def _look(number: int, curve: Curve) -> dict[str, Any]:
    place = number % len(_COLOURS)
    return {"color": _COLOURS[place], "linestyle": _STYLES[place], "label": curve.label}


def drawing(draw: Callable[[Axes], None], *, legend: bool) -> str:
    """What ``draw`` draws, as SVG of the size that pages have."""

    def figure() -> Figure:
        made = Figure(figsize=(5.6, 3.2), layout="constrained")
        axes = made.subplots()
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        if legend:
            axes.legend(frameon=False, fontsize=10)
        return made

    return svg(figure, font_size=11)
