# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from testbed.fuzz.campaign import View
from testbed.fuzz.live import MOST_WORKERS, Display, clock
from testbed.fuzz.reading import Totals

TOTALS = Totals(
    runs=120, used=40, spoiled=3, checked=6, nondeterministic=1, edges=4357, states=120, corpus=9,
    new=1, known=2, at=90.0,
)  # fmt: skip
VIEW = View(
    totals=TOTALS, per_second=1.25, seconds=90.0, left_s=30.0, waiting=7, ending="",
    doing={"tcp://w\x1b[31m": ("abcd", 3.4)}, workers=2,
)  # fmt: skip


def test_off_a_terminal_a_line_now_and_then() -> None:
    out = StringIO()
    display = Display(Console(file=out, width=200))
    with display.shown():
        for _ in range(3):
            display.show(VIEW)
        for _ in range(3):
            display.show(replace(VIEW, ending="the time is over"))
        display.tell("new: \x1b]0;evil")
    line = (
        "0:01:30  120 runs, 1.25/s, 4357 edges, 120 states, corpus 9, 1 new, 2 known, "
        "1 of 6 not deterministic"
    )
    assert out.getvalue().splitlines() == [line, line, "new: \\x1b]0;evil"]


def test_on_a_terminal_a_table() -> None:
    out = StringIO()
    display = Display(Console(file=out, width=100, force_terminal=True, no_color=True))
    many = {f"w{number:02}": ("abcd", 1.0) for number in range(MOST_WORKERS + 3)}
    with display.shown():
        display.show(replace(VIEW, doing={**VIEW.doing, **many}))
    for part in ("0:00:30 left", "1.25 a second", "7 seeds to go", "3 by this host", "and 4 more"):
        assert part in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()


def test_clock() -> None:
    assert clock(3723.4) == "1:02:03"
