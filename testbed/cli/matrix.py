# SPDX-License-Identifier: GPL-2.0-only
"""``testbed matrix``: the command."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from testbed.artifacts.prepare import Artifacts
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import progress, tell_end
from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.host.console import console as console_of
from testbed.matrix import page
from testbed.matrix.columns import Column, parse_kernels
from testbed.matrix.run import (
    SUITES,
    ColumnResult,
    ColumnVerdict,
    MatrixRequest,
    folder_name,
    run_column,
)
from testbed.matrix.table import Table, make_table
from testbed.matrix.verdict import judge
from testbed.options import Switch
from testbed.report.blamed import BlamedOutcome
from testbed.report.outcome import conclude
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory, now_utc

PLAN = "plan.json"
console = console_of()


def packaged_versions() -> list[str]:
    """Versions of every packaged kernel the mirror lists, complete or not."""
    return [str(kernel.version) for kernel in Artifacts(report=progress).kernels()[0]]


def suite_folders(text: str) -> tuple[str, ...]:
    """Folders of ``tests/suite``: names with commas between. Raises UsageProblem."""
    known = sorted(path.parent.name for path in SUITES.glob("*/__init__.py"))
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageProblem(
            f"there is no suite {', '.join(unknown) or repr(text)}",
            remedy=f"allowed: {', '.join(known)}",
        )
    return names


@run_options("iommu", "cpus", "seed", seed=1)
def matrix_command(
    given: Mapping[str, Any],
    kernels: Annotated[
        str | None,
        typer.Option(
            "--kernels",
            help="Versions, ranges of series, paths: 6.12,6.16..6.18,7.2,~/linux; uml:7.2 on UML.",
        ),
    ] = None,
    suite: Annotated[str, typer.Option("--suite", help="Folders of tests/suite.")] = "zcrx",
    keyword: Annotated[str, typer.Option("-k", help="Only tests that pytest -k chooses.")] = "",
    limit: Annotated[
        float, typer.Option("--limit", min=60.0, help="Seconds that one kernel may take.")
    ] = 3600.0,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", help="Folder of a matrix that was interrupted: do the rest."),
    ] = None,
    run_dir: RunFolder = None,
) -> None:
    """Run a suite on many kernels and write one page of what each supports and what changed."""
    if (kernels is None) is (resume is None):
        raise UsageProblem("give --kernels, or --resume with the folder of an earlier matrix")
    if resume is not None:
        directory = RunDirectory(resume)
        columns, request = load_plan(resume)
    else:
        columns = parse_kernels(kernels or "", packaged_versions)
        iommu, cpus, seed = given["iommu"] or Switch.OFF, given["cpus"], given["seed"] or 1
        request = MatrixRequest(suite_folders(suite), keyword, iommu.value, cpus, seed, limit)
        directory = RunDirectory.named(run_dir)
    results = RunReport("matrix", now_utc(), ("testbed", *sys.argv[1:]), seed=request.seed)

    def work() -> None:
        if resume is None:
            save_plan(directory.path, columns, request)
        table = run_matrix(directory.path, columns, request)
        report(table, directory.path)
        judge(table, results)

    code = conclude(results, directory, work, began=time.monotonic())
    tell_end(results)
    raise typer.Exit(code)


def save_plan(folder: Path, columns: list[Column], request: MatrixRequest) -> None:
    """Keep what was requested, for ``--resume``."""
    plan = {"columns": [asdict(column) for column in columns], "request": asdict(request)}
    (folder / PLAN).write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def load_plan(folder: Path) -> tuple[list[Column], MatrixRequest]:
    """What :func:`save_plan` kept. Raises UsageProblem."""
    try:
        plan: dict[str, Any] = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        columns = [Column(**column) for column in plan["columns"]]
        wanted = {**plan["request"], "suites": tuple(plan["request"]["suites"])}
        return columns, MatrixRequest(**wanted)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise UsageProblem(
            f"{folder}: no matrix was begun here ({err})", remedy="name the folder of its page"
        ) from err


def run_matrix(folder: Path, columns: list[Column], request: MatrixRequest) -> Table:
    """Run what is missing, one kernel after the other; the page is there after each.

    A kernel that could not be had is tried again. Raises EnvironmentProblem.
    """
    results: list[ColumnResult] = []
    try:
        for column in columns:
            place = folder / folder_name(column.label)
            place.mkdir(exist_ok=True)
            result = ColumnResult.load(place)
            if result is None or result.verdict is ColumnVerdict.NOT_AVAILABLE:
                result = run_column(column, request, place, progress)
                result.save(place)
            results.append(result)
            table = make_table(results)
            page.write(folder, table, request)
            progress(describe(table, len(results) - 1))
    except OSError as err:
        raise EnvironmentProblem(f"{folder}: {err.strerror}") from err
    return table


def describe(table: Table, number: int) -> str:
    """One kernel in a line."""
    column = table.columns[number]
    if column.verdict is not ColumnVerdict.RAN:
        return f"{column.label}: {column.verdict.value}: {column.reason}"
    counts = [
        f"{count} {outcome.value}"
        for outcome, count in ((one, table.count(number, one)) for one in BlamedOutcome)
        if count
    ]
    return f"{column.label}: {', '.join(counts) or 'no test'} in {column.seconds:.0f} s"


def report(table: Table, folder: Path) -> None:
    """Every kernel in a line, every regression, and where the page is."""
    for number in range(len(table.columns)):
        console.print(Text(describe(table, number)), soft_wrap=True)
    for label, before in table.broken:
        console.print(Text(f"regression: {label} does not run, {before} does", style="red"))
    for row, number, place in table.regressions:
        label = table.columns[number].label
        line = f"{place.before} -> {label}: {place.change.value}: {row.test}"
        console.print(Text(line, style="red"), soft_wrap=True)
    console.print(Text(str(folder / page.HTML)), soft_wrap=True)
