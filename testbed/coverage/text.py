# SPDX-License-Identifier: GPL-2.0-only
"""The report as text: a table of files and functions, and the lines of single functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby

from testbed.coverage.account import (
    FileCoverage,
    FunctionCoverage,
    Line,
    State,
    Tally,
    count_text,
    total,
)
from testbed.coverage.source import SourceText
from testbed.engines.uml.hits import Hits
from testbed.errors import UsageProblem

_MARKS = {State.HIT: "+", State.PARTLY: "~", State.MISSED: "-"}
LEGEND = "+ hit, ~ some points of the line hit, - instrumented but not hit, blank: no point"
_GAP = 3


def share(tally: Tally) -> str:
    """``12/34  35 %``."""
    return f"{tally.hit:>5}/{tally.points:<5}{tally.percent:5.0f} %"


def headline(hits: Hits, files: Sequence[FileCoverage]) -> str:
    """What was covered, in one line."""
    tally = total(file.tally for file in files)
    functions = sum(len(file.counted) for file in files)
    hit = sum(file.functions_hit for file in files)
    return (
        f"{hits.kernel.release}, {hits.guests} guests: {tally.hit} of {tally.points} points "
        f"({tally.percent:.0f} %), {hit} of {functions} functions"
    )


def overview(files: Sequence[FileCoverage]) -> Iterator[str]:
    """All files, each followed by its functions that have points of their own."""
    for file in files:
        tally = file.tally
        if not tally.points:
            continue
        yield f"{share(tally)}  {file.name}"
        for known in file.counted:
            yield f"{share(known.tally)}    {known.function.line:>6} {known.function.name}"


def named(files: Sequence[FileCoverage], patterns: Sequence[str]) -> list[FunctionCoverage]:
    """The functions whose names match. Raises UsageProblem for a pattern that none does."""
    functions = [known for file in files for known in file.functions]
    found: list[FunctionCoverage] = []
    for pattern in patterns:
        matching = [known for known in functions if fnmatchcase(known.function.name, pattern)]
        if not matching:
            raise UsageProblem(
                f"no instrumented function is called {pattern}",
                remedy="the report without --function lists them",
            )
        found += [known for known in matching if known not in found]
    return found


def listing(known: FunctionCoverage, source: SourceText) -> Iterator[str]:
    """One function: its lines with marks and counts; long stretches without points are cut."""
    function = known.function
    own = "no point of its own" if not known.tally.points else share(known.tally).strip()
    into = f", inlined into {', '.join(sorted(known.inlined_into))}" if known.inlined_into else ""
    yield f"{function.name} ({function.file}:{function.line}): {own}{into}"
    if source.changed_since(function.file):
        yield "this file was changed after the kernel was built"
    numbers = {number for file, number in known.lines if file == function.file}
    numbers.add(function.line)
    near = {line for number in numbers for line in range(number - _GAP, number + _GAP + 1)}
    for shown, group in groupby(range(min(numbers), max(numbers) + 1), near.__contains__):
        stretch = list(group)
        if not shown and len(stretch) > _GAP:
            yield f"{'...':>15}"
            continue
        for number in stretch:
            yield _listed(
                known.lines.get((function.file, number)),
                f"{number:>6}",
                source.line(function.file, number),
            )
    for file, number in sorted(known.lines):  # of macros that are defined elsewhere
        if file != function.file:
            where = f"{file}:{number}"
            yield _listed(known.lines[file, number], where, source.line(file, number))


def _listed(line: Line | None, where: str, text: str) -> str:
    mark = " " if line is None else _MARKS[line.state]
    count = "" if line is None or not line.count else count_text(line.count)
    return f"{mark} {count:>6} {where}  {text}".rstrip()
