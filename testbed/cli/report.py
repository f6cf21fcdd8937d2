# SPDX-License-Identifier: GPL-2.0-only
"""``testbed report``: what can be done with the summaries of runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from testbed.cli.as_json import AsJson, print_json
from testbed.errors import ExitCode
from testbed.host.console import console as console_of
from testbed.host.terminal import escape
from testbed.report import kcidb
from testbed.report.diff import Difference, Kind, compare, read_results

report = typer.Typer(help="Work with the reports of runs.")
_Run = Annotated[Path, typer.Argument(help="A run directory or its summary.json.")]


@report.command("diff")
def diff(left: _Run, right: _Run, as_json: AsJson = False) -> None:
    """Compare two runs test by test; fails if one differs and no lacking capability explains it."""
    found = compare(read_results(left), read_results(right))
    counts = Counter(one.kind for one in found)
    code = ExitCode.TEST_FAILURE if counts[Kind.OTHERWISE] else ExitCode.PASS
    if as_json:
        print_json(_document(found, counts))
        raise typer.Exit(code)
    name = Column("test", overflow="fold")  # to be found again it has to be whole
    why = Column("why", overflow="fold")
    table = Table(name, "left", "right", why)
    for one in sorted(found, key=lambda one: one.kind is not Kind.OTHERWISE):
        if one.kind is not Kind.SAME:
            words = (f"{one.group}::{one.name}", one.left.outcome, one.right.outcome, one.reason)
            table.add_row(*(escape(word) for word in words))
    console = console_of()
    console.print(f"{left} and {right}", soft_wrap=True, markup=False)
    if table.row_count:
        console.print(table)
    summary = ", ".join(f"{counts[kind]} {kind.value}" for kind in Kind)
    console.print(f"{len(found)} tests: {summary}")
    raise typer.Exit(code)


def _document(found: list[Difference], counts: Counter[Kind]) -> dict[str, Any]:
    """Every test that is not the same in both, and how many there are of each kind."""
    return {
        "counts": {kind.value: counts[kind] for kind in Kind},
        "differences": [
            {"group": one.group, "name": one.name, "kind": one.kind.value,
             "left": one.left.outcome, "right": one.right.outcome, "reason": one.reason}
            for one in found if one.kind is not Kind.SAME
        ],
    }  # fmt: skip


@report.command("kcidb")
def kcidb_command(
    run: _Run,
    origin: Annotated[
        str, typer.Option("--origin", help="Name of your CI system, as KCIDB knows it.")
    ],
) -> None:
    """Print a run as JSON for KCIDB (schema 5.0); nothing is sent."""
    typer.echo(kcidb.export(run, origin), nl=False)
