# SPDX-License-Identifier: GPL-2.0-only
"""``testbed report``: what can be done with the summaries of runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from testbed.errors import ExitCode
from testbed.host.terminal import escape
from testbed.report.diff import Kind, compare, read_results

report = typer.Typer(help="Work with the reports of runs.")
_Run = Annotated[Path, typer.Argument(help="A run directory or its summary.json.")]


@report.command("diff")
def diff(left: _Run, right: _Run) -> None:
    """Compare two runs test by test; fails if one differs and no lacking capability explains it."""
    found = compare(read_results(left), read_results(right))
    name = Column("test", overflow="fold")  # to be found again it has to be whole
    table = Table(name, "left", "right", "why", title=f"{left} and {right}")
    for one in sorted(found, key=lambda one: one.kind is not Kind.OTHERWISE):
        if one.kind is not Kind.SAME:
            words = (f"{one.group}::{one.name}", one.left.outcome, one.right.outcome, one.reason)
            table.add_row(*(escape(word) for word in words))
    counts = Counter(one.kind for one in found)
    console = Console()
    if table.row_count:
        console.print(table)
    summary = ", ".join(f"{counts[kind]} {kind.value}" for kind in Kind)
    console.print(f"{len(found)} tests: {summary}")
    raise typer.Exit(ExitCode.TEST_FAILURE if counts[Kind.OTHERWISE] else ExitCode.PASS)
