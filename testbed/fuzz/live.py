# SPDX-License-Identifier: GPL-2.0-only
"""A campaign as a person sees it while it runs: a table on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from testbed.fuzz.campaign import View
from testbed.host.terminal import escape

LINE_S = 30.0
"""Off a terminal, a line so often."""
MOST_WORKERS = 16
"""Of which is told what they do."""


class Display:
    """Where a campaign's lines and views go."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._told_at: float | None = None
        self._ending = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """On a terminal the table stands below all lines meanwhile."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            try:
                yield
            finally:
                self._live = None

    def tell(self, line: str) -> None:
        """One line; what is in it may be of the guest."""
        self._console.print(Text(escape(line)), soft_wrap=True)

    def show(self, view: View) -> None:
        """How things are."""
        if self._live is not None:
            self._live.update(picture(view), refresh=True)
            return
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= LINE_S or view.ending != self._ending:
            self._told_at, self._ending = now, view.ending
            self.tell(line(view))


def clock(seconds: float) -> str:
    """Hours, minutes, seconds as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def line(view: View) -> str:
    """All in one line."""
    found = view.totals
    return (
        f"{clock(view.seconds)}  {found.runs} runs, {view.per_second:.2f}/s, {found.edges} edges, "
        f"{found.states} states, corpus {found.corpus}, {found.new} new, {found.known} known, "
        f"{found.nondeterministic} of {found.checked} not deterministic"
    )


def picture(view: View) -> Group:
    """The table on a terminal."""
    found = view.totals
    table = Table.grid(padding=(0, 2))
    left = "" if view.left_s is None else f", {clock(view.left_s)} left"
    waits = f", {view.waiting} seeds to go" if view.waiting else ""
    rows = [
        ("time", f"{clock(view.seconds)}{left}" + (f" ({view.ending})" if view.ending else "")),
        ("runs", f"{found.runs}, {view.per_second:.2f} a second{waits}"),
        ("shown", f"{found.edges} edges, {found.states} states"),
        ("corpus", f"{found.corpus} schedules"),
        ("findings", f"{found.new} new, {found.known} known"),
        ("run twice", f"{found.checked}, {found.nondeterministic} not deterministic"),
    ]
    if found.spoiled:
        rows.append(("spoiled", f"{found.spoiled} by this host"))
    for name, text in rows:
        table.add_row(Text(name, style="dim"), Text(text))
    for worker, (schedule, seconds) in sorted(view.doing.items())[:MOST_WORKERS]:
        table.add_row(Text("worker", style="dim"), f"{escape(worker)}: {schedule} {seconds:.0f} s")
    more = len(view.doing) - MOST_WORKERS
    if more > 0:
        table.add_row("", f"and {more} more")
    return Group(table)
