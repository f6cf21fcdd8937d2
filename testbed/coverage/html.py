# SPDX-License-Identifier: GPL-2.0-only
"""The report as pages: one of all files and functions, one of each file with its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.coverage.account import FileCoverage, FunctionCoverage, count_text
from testbed.coverage.source import SourceText
from testbed.coverage.text import headline
from testbed.engines.uml.hits import Hits
from testbed.report.pages import templates

INDEX = "index.html"


@dataclass(frozen=True)
class Row:
    """One line of a file's page; ``state`` is empty where nothing is known by itself."""

    number: int
    text: str
    state: str = ""
    count: str = ""
    note: str = ""
    begins: FunctionCoverage | None = None


def page_name(file: str) -> str:
    """The page of a file, beside the index."""
    return file.strip("/").replace("/", ".") + ".html"


def rows(file: FileCoverage, source: SourceText) -> Iterator[Row]:
    """All lines of a file, or those with points where its text is not there."""
    text = source.lines(file.name)
    begins = {known.function.line: known for known in file.counted}
    numbers = range(1, len(text) + 1) if len(text) > 1 else sorted(file.lines)
    for number in numbers:
        line = file.lines.get(number)
        shown = source.line(file.name, number)
        if line is None:
            yield Row(number, shown, begins=begins.get(number))
            continue
        notes = []
        if line.own.points:
            notes.append(f"{line.own.hit} of {line.own.points} points")
        if line.inlined.points:
            notes.append(f"{line.inlined.hit} of {line.inlined.points} points inlined here")
        note = ", ".join(notes)
        yield Row(number, shown, line.state.value, count_text(line.count), note, begins.get(number))


def write(folder: Path, hits: Hits, files: Sequence[FileCoverage], source: SourceText) -> Path:
    """Write all pages into ``folder``; returns the index. Raises OSError."""
    environment = templates("testbed.coverage")
    environment.filters["page"] = page_name
    environment.filters["count"] = count_text
    folder.mkdir(parents=True, exist_ok=True)
    shown = [file for file in files if file.lines]
    for file in shown:
        page = environment.get_template("file.html.j2").render(
            file=file, rows=list(rows(file, source)), changed=source.changed_since(file.name),
            kernel=hits.kernel,
        )  # fmt: skip
        (folder / page_name(file.name)).write_text(page, encoding="utf-8")
    index = environment.get_template("index.html.j2").render(
        headline=headline(hits, files),
        sources=[file for file in shown if file.counted and not file.name.endswith(".h")],
        headers=[file for file in shown if file.counted and file.name.endswith(".h")],
        hits=hits,
    )
    (folder / INDEX).write_text(index, encoding="utf-8")
    return folder / INDEX
