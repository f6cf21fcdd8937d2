# SPDX-License-Identifier: GPL-2.0-only
"""Points and hits put together: per function, per file, per line. Pure.

A point counts for the one function it is in, also where that was inlined. A line is covered by the
points on it; a line without any that calls an inlined function is known by that function's points.
Of other lines nothing is known by themselves: they run together with the point before them, or
have no code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from testbed.coverage.program import Function, Point
from testbed.engines.uml.hits import SATURATED


class State(StrEnum):
    """What is known of a line."""

    HIT = "hit"
    PARTLY = "partly"
    MISSED = "missed"


@dataclass
class Tally:
    """``hit`` of ``points``; ``count``: how often the most frequent one, of each guest at most
    SATURATED."""

    points: int = 0
    hit: int = 0
    count: int = 0

    def add(self, count: int) -> None:
        """Take in one point."""
        self.points += 1
        self.hit += count > 0
        self.count = max(self.count, count)

    @property
    def percent(self) -> float:
        """Of the points, how many were hit."""
        return 100 * self.hit / self.points if self.points else 0.0


@dataclass
class Line:
    """``own``: the points on this line; ``inlined``: those of functions inlined here."""

    own: Tally = field(default_factory=Tally)
    inlined: Tally = field(default_factory=Tally)

    @property
    def state(self) -> State:
        """A line on which only some points were hit is hit partly."""
        if not self.own.points:
            return State.HIT if self.inlined.hit else State.MISSED
        if self.own.hit == self.own.points:
            return State.HIT
        return State.PARTLY if self.own.hit else State.MISSED

    @property
    def count(self) -> int:
        """How often, as in Tally."""
        return (self.own if self.own.points else self.inlined).count


@dataclass
class FunctionCoverage:
    """One function. ``lines``: those of its own, in any file; ``inlined_into``: names of the
    functions whose copies of it were counted."""

    function: Function
    tally: Tally = field(default_factory=Tally)
    lines: dict[tuple[str, int], Line] = field(default_factory=dict)
    inlined_into: set[str] = field(default_factory=set)


@dataclass
class FileCoverage:
    """One file of the source. ``lines``: line number -> what is known of it."""

    name: str
    functions: list[FunctionCoverage] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)

    @property
    def tally(self) -> Tally:
        """Sum over its functions."""
        return total(function.tally for function in self.functions)

    @property
    def counted(self) -> list[FunctionCoverage]:
        """Functions that have points of their own."""
        return [known for known in self.functions if known.tally.points]

    @property
    def functions_hit(self) -> int:
        """Functions of which any point was hit."""
        return sum(function.tally.hit > 0 for function in self.functions)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum."""
    found = Tally()
    for tally in tallies:
        found.points += tally.points
        found.hit += tally.hit
        found.count = max(found.count, tally.count)
    return found


def account(points: Iterable[Point], counts: Mapping[int, int]) -> list[FileCoverage]:
    """Every file that has points, headers last; its functions by line."""
    functions: dict[Function, FunctionCoverage] = {}
    files: dict[str, FileCoverage] = {}
    for point in points:
        count = counts.get(point.place, 0)
        for depth, frame in enumerate(point.frames):
            known = functions.get(frame.function)
            if known is None:
                known = functions[frame.function] = FunctionCoverage(frame.function)
            file = files.setdefault(frame.file, FileCoverage(frame.file))
            for line in (
                known.lines.setdefault((frame.file, frame.line), Line()),
                file.lines.setdefault(frame.line, Line()),
            ):
                (line.inlined if depth else line.own).add(count)
        innermost = functions[point.frames[0].function]
        innermost.tally.add(count)
        if point.frames[-1].function != innermost.function:
            innermost.inlined_into.add(point.frames[-1].function.name)
    for known in functions.values():
        name = known.function.file
        files.setdefault(name, FileCoverage(name)).functions.append(known)
    for file in files.values():
        file.functions.sort(key=lambda known: (known.function.line, known.function.name))
    return sorted(files.values(), key=lambda file: (file.name.endswith(".h"), file.name))


def count_text(count: int) -> str:
    """``17``, or ``255+`` where one guest may have counted more."""
    return f"{count}+" if count >= SATURATED else str(count)
