# SPDX-License-Identifier: GPL-2.0-only
"""``testbed runs``: the run directories of a folder: what there is, which was last, what may go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from testbed.cli.as_json import AsJson, last_document, print_json
from testbed.errors import UsageProblem
from testbed.host.console import console as console_of
from testbed.report.quantities import binary_bytes
from testbed.report.rundir import LATEST, RUNS
from testbed.report.runs import DAY_S, StoredRun, remove, runs_in, to_prune

GB = 10**9
runs = typer.Typer(help="Look at run directories, or have fewer.")
_Folder = Annotated[
    Path | None, typer.Option("--run-dir", help=f"Parent of the run directories.  [{RUNS}]")
]


def _folder(given: Path | None) -> Path:
    return (given or Path.cwd() / RUNS).absolute()


def _document(run: StoredRun) -> dict[str, Any]:
    return {
        "run_directory": str(run.path), "job": run.job, "verdict": run.verdict,
        "started_at": run.started_at, "kernel_release": run.kernel, "bytes": run.size_bytes,
        "age_seconds": round(run.age_s),
    }  # fmt: skip


def _table(found: list[StoredRun]) -> Table:
    whole = Column("run directory", overflow="fold")
    table = Table(whole, "job", "verdict", "kernel", Column("size", justify="right"), "days old")
    for run in found:
        size, days = binary_bytes(run.size_bytes), f"{run.age_s / DAY_S:.1f}"
        table.add_row(run.path.name, run.job, run.verdict, run.kernel, size, days)
    return table


@runs.command("list")
def list_runs(run_dir: _Folder = None, as_json: AsJson = False) -> None:
    """Show the runs there are, the newest first."""
    folder = _folder(run_dir)
    found = runs_in(folder)
    if as_json:
        print_json([_document(run) for run in found])
        return
    console = console_of()
    console.print(_table(found))
    total = binary_bytes(sum(run.size_bytes for run in found))
    console.print(f"{len(found)} runs in {folder}, {total}", soft_wrap=True, markup=False)


@runs.command("last")
def last(run_dir: _Folder = None, as_json: AsJson = False) -> None:
    """Print the path of the run directory that is newest."""
    folder = _folder(run_dir)
    if not (folder / LATEST).exists():
        raise UsageProblem(f"there is no run in {folder}", remedy="name the place with --run-dir")
    if as_json:
        print_json(last_document(folder))
    else:
        typer.echo(str((folder / LATEST).resolve()))


@runs.command("prune")
def prune(
    run_dir: _Folder = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, help="Keep the newest so many.")
    ] = None,
    older: Annotated[
        float | None, typer.Option("--older", min=0.0, help="Only what is that many days old.")
    ] = None,
    size: Annotated[
        float | None, typer.Option("--size", min=0.0, help="Only what is beyond that many GB.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only said.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which runs go, and with --yes remove them; every limit that is given has to allow it.

    A run that may still go on stays, and whatever is no run directory.
    """
    if keep is None and older is None and size is None:
        raise UsageProblem("no limit is given", remedy="give --keep, --older or --size")
    folder = _folder(run_dir)
    every = runs_in(folder)
    most = None if size is None else round(size * GB)
    going = to_prune(every, keep=keep, older_days=older, most_bytes=most)
    if yes:
        remove(going)
    if as_json:
        print_json({"removed": yes, "runs": [_document(run) for run in going]})
        return
    console = console_of()
    word = "removed" if yes else "would go"
    for run in going:
        line = f"{word}: {run.path}  {run.job} {run.verdict}, {binary_bytes(run.size_bytes)}"
        console.print(line, soft_wrap=True, markup=False)
    freed = binary_bytes(sum(run.size_bytes for run in going))
    hint = "" if yes or not going else "; add --yes to do it"
    console.print(f"{len(going)} of {len(every)} runs, {freed}{hint}", markup=False)
