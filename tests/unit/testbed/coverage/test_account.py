# SPDX-License-Identifier: GPL-2.0-only
"""Points and hits put together, and how they are shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.coverage import html, text
from testbed.coverage.account import FileCoverage, State, account
from testbed.coverage.program import Frame, Function, Point
from testbed.coverage.source import SourceText
from testbed.engines.uml.hits import CoveredKernel, Hits
from testbed.errors import UsageProblem

POLL = Function("poll", "net/poll.c", 3)
REFILL = Function("refill", "net/refill.h", 1)
NEVER = Function("never", "net/poll.c", 9)
POINTS = [
    Point(10, (Frame(POLL, "net/poll.c", 4),)),
    Point(20, (Frame(POLL, "net/poll.c", 4),)),
    Point(30, (Frame(REFILL, "net/refill.h", 2), Frame(POLL, "net/poll.c", 5))),
    Point(40, (Frame(REFILL, "net/refill.h", 2), Frame(NEVER, "net/poll.c", 11))),
    Point(50, (Frame(NEVER, "net/poll.c", 10),)),
]
COUNTS = {10: 3, 30: 255}


def files() -> dict[str, FileCoverage]:
    return {file.name: file for file in account(POINTS, COUNTS)}


def source(folder: Path) -> SourceText:
    (folder / "net").mkdir()
    (folder / "net/poll.c").write_text("\n".join(f"<line {n}>" for n in range(1, 13)))
    built = folder / "linux"
    built.touch()
    return SourceText(folder, built)


def test_point_counts_for_the_function_it_is_in() -> None:
    poll, never = files()["net/poll.c"].functions
    [refill] = files()["net/refill.h"].functions
    assert (poll.tally.hit, poll.tally.points, poll.tally.count) == (1, 2, 3)
    assert (refill.tally.hit, refill.tally.points, refill.tally.count) == (1, 2, 255)
    assert (never.tally.hit, never.tally.points) == (0, 1)
    assert refill.inlined_into == {"poll", "never"}
    assert poll.inlined_into == set()


def test_line_is_known_by_its_points_or_by_what_is_inlined_there() -> None:
    lines = files()["net/poll.c"].lines
    assert {number: line.state for number, line in lines.items()} == {
        4: State.PARTLY, 5: State.HIT, 10: State.MISSED, 11: State.MISSED,
    }  # fmt: skip
    assert lines[5].count == 255
    assert files()["net/refill.h"].lines[2].state is State.PARTLY


def test_headers_come_last() -> None:
    assert [file.name for file in account(POINTS, COUNTS)] == ["net/poll.c", "net/refill.h"]


def test_overview_names_functions_with_their_shares() -> None:
    lines = list(text.overview(list(files().values())))
    assert lines[1].split() == ["1/2", "50", "%", "3", "poll"]
    hits = Hits(CoveredKernel("key", "7.2", "", ""), 1)
    assert text.headline(hits, list(files().values())) == (
        "7.2, 1 guests: 2 of 5 points (40 %), 2 of 3 functions"
    )


def test_listing_marks_lines(tmp_path: Path) -> None:
    [poll] = text.named(list(files().values()), ["po*"])
    assert list(text.listing(poll, source(tmp_path))) == [
        "poll (net/poll.c:3): 1/2       50 %",
        "              3  <line 3>",
        "~      3      4  <line 4>",
        "+   255+      5  <line 5>",
    ]


def test_unknown_function_is_refused() -> None:
    with pytest.raises(UsageProblem, match="no instrumented function is called nix"):
        text.named(list(files().values()), ["nix"])


def test_pages_show_the_source_escaped(tmp_path: Path) -> None:
    hits = Hits(CoveredKernel("key", "7.2", "", ""), 1)
    written = list(files().values())
    index = html.write(tmp_path / "pages", hits, written, source(tmp_path)).read_text()
    assert '<a href="net.poll.c.html#L3">poll</a>' in index
    page = (tmp_path / "pages/net.poll.c.html").read_text()
    assert '<tr id="L4" class="partly" title="1 of 2 points">' in page
    assert '<tr id="L5" class="hit" title="1 of 1 points inlined here">' in page
    assert '<tr id="L10" class="missed" title="0 of 1 points">' in page
    assert '<tr id="L6">' in page
    assert "&lt;line 4&gt;" in page
    assert "changed after the kernel was built" not in page


def test_source_changed_since_is_said(tmp_path: Path) -> None:
    shown = source(tmp_path)
    edited = tmp_path / "net/poll.c"
    later = (tmp_path / "linux").stat().st_mtime + 5
    os.utime(edited, (later, later))
    [poll] = text.named(list(files().values()), ["poll"])
    assert "this file was changed after the kernel was built" in text.listing(poll, shown)
