# SPDX-License-Identifier: GPL-2.0-only
"""What a person sees while the job runs, on a terminal or in a CI log, and the final table."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from testbed.report.quantities import binary_bytes, seconds_text
from testbed.report.results import Check, Outcome, RunReport, RunVerdict
from testbed.report.seen import Seen

_log = logging.getLogger("testbed.job")
_STYLE = {
    Outcome.PASS: ("✓", "pass", "green"),
    Outcome.FAIL: ("✗", "FAIL", "bold red"),
    Outcome.SKIP: ("-", "skip", "yellow"),
    Outcome.FINDING: ("!", "finding", "bold yellow"),
    Outcome.GONE: ("?", "gone", "bold yellow"),
}
_VERDICT_STYLE = {
    RunVerdict.PASS: "bold green",
    RunVerdict.INTERRUPTED: "bold yellow",
    RunVerdict.CHANGED: "bold yellow",
}


def _result_line(check: Check, plain: bool) -> Text:
    sign, word, style = _STYLE[check.outcome]
    line = Text()
    line.append(f"{word:>7} " if plain else f"  {sign} ", style=style)
    line.append(f"{seconds_text(check.seconds):>8}  ", style="dim")
    line.append(check.title)
    if check.measured:
        line.append(f"  {check.measured}", style="dim")
    if check.reason:
        line.append(f"\n{' ' * 14}{check.reason}", style=style)
    return line


class _Running:
    """What is being done, and for how long; drawn anew at every refresh."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._began = time.monotonic()
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        seconds = time.monotonic() - self._began
        self._spinner.update(text=Text.assemble(self._text, (f"  {seconds:.0f} s", "dim")))
        return self._spinner


class Progress:
    """A :class:`testbed.job.recorder.Listener` that writes to ``console``.

    On a terminal the running step has a spinner and its time; elsewhere each step is one line
    when it ends, so that a log stays readable.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._group = ""

    @property
    def is_live(self) -> bool:
        """Whether the output is a terminal."""
        return self._console.is_terminal

    def __enter__(self) -> Progress:
        if self.is_live:
            self._live = Live(
                console=self._console, transient=True, refresh_per_second=8, redirect_stderr=False
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """One line of what is being done, before there are checks."""
        _log.info("%s", text)
        if self._live is not None:
            self._live.update(_Running(text))
        else:
            self._print(Text(text, style="dim"))

    def note(self, label: str, text: str) -> None:
        """One fact that stays on the screen."""
        _log.info("%s: %s", label, text)
        self._print(Text.assemble((f"{label:>12}  ", "dim"), text))

    def began(self, group: str, title: str, number: int, total: int) -> None:
        """Show the step that runs; a new group gets a heading."""
        _log.debug("%s: begins", title)
        if group != self._group:
            self._group = group
            self._print(Text(group, style="bold"))
        if self._live is not None:
            self._live.update(_Running(f"{title}  {number}/{total}" if total else title))

    def ended(self, check: Check) -> None:
        """The step's own line."""
        said = check.reason or check.measured
        _log.info("%s: %s in %.3f s %s", check.name, check.outcome.value, check.seconds, said)
        self._print(_result_line(check, plain=not self.is_live))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _facts(report: RunReport) -> list[tuple[str, str]]:
    totals = report.totals
    zcrx = report.zcrx
    facts = [
        (
            "checks",
            f"{totals.passed} passed, {totals.failed} failed, {totals.findings} findings, "
            f"{totals.skipped} skipped" + (f", {totals.gone} gone" if totals.gone else ""),
        )
    ]
    if report.by_finding():
        facts.append(("on record", ", ".join(report.by_finding())))
    if report.by_gone():
        facts.append(("gone", ", ".join(report.by_gone())))
    if zcrx.sha256_equal is not None:
        copied = "unknown" if zcrx.copied_bytes is None else binary_bytes(zcrx.copied_bytes)
        same = "equal" if zcrx.sha256_equal else "DIFFERENT"
        facts.append(
            ("zero copy", f"{binary_bytes(zcrx.bytes)} received, {copied} copied, SHA-256 {same}")
        )
    if report.queue_restarts:
        facts.append(("queue restarts", str(report.queue_restarts)))
    if report.violations is not None:
        unknown = report.unknown_hwrm or 0
        facts.append(
            ("card", f"{report.violations} violations, {unknown} unknown firmware requests")
        )
        facts.append(("refused", report.refused_text))
    boot = "" if report.boot_seconds is None else f" (boot {seconds_text(report.boot_seconds)})"
    facts.append(("wall clock", seconds_text(report.wall_seconds) + boot))
    if report.seed is not None:
        facts.append(("seed", str(report.seed)))
    if report.event_hash is not None:
        facts.append(("event hash", report.event_hash))
    return facts


def seen_lines(seen: Iterable[Seen]) -> list[Text]:
    """A line for each thing that card and kernel said."""
    return [Text(one.line, style="bold red" if one.wrong else "bold yellow") for one in seen]


def final_table(report: RunReport, run_directory: str) -> RenderableType:
    """The verdict, the numbers, and where the rest is."""
    style = _VERDICT_STYLE.get(report.verdict, "bold red")
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(overflow="fold")
    for label, value in [*_facts(report), ("run directory", run_directory)]:
        table.add_row(label, Text(value))
    parts: list[RenderableType] = [*seen_lines(report.seen), Text()]
    if report.problem is not None:
        parts.append(Text(f"fault: {report.problem.fault}", style="bold red"))
        parts.extend(Text(line) for line in report.problem.lines)
        parts.append(Text())
    if report.interruption:
        parts.append(Text(report.interruption, style=style))
    parts += [Text(report.verdict.value.upper(), style=style), table]
    return Group(*parts)
