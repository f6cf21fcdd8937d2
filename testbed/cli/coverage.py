# SPDX-License-Identifier: GPL-2.0-only
"""``testbed coverage``: which code of driver, page pool, queues and zcrx a run went through."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from testbed.cli.measured import conclude_command
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import progress
from testbed.coverage import html, lcov, text
from testbed.coverage.account import account
from testbed.coverage.program import Program
from testbed.coverage.source import SourceText
from testbed.engines.open import build_options, new_session
from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.hits import FILE_NAME, Hits, find, load, merge
from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.options import RunOptions
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory
from testbed.workloads.play import play
from testbed.workloads.table import SCENARIOS

PAGES = "coverage"
_NAMES = ", ".join(SCENARIOS)

coverage = typer.Typer(help="Which code of driver and zcrx ran, from User Mode Linux.")

Functions = Annotated[
    list[str] | None,
    typer.Option("--function", help="Instead, the lines of functions of that name (* allowed)."),
]

Lcov = Annotated[
    Path | None,
    typer.Option("--lcov", metavar="FILE", help="Write an lcov tracefile, for genhtml."),
]


def _print(line: str) -> None:
    typer.echo(line)


def report_hits(
    hits: Hits, functions: list[str], pages: Path | None, tracefile: Path | None = None
) -> None:
    """Print the report, write pages and lcov's file. Raises UsageProblem, EnvironmentProblem."""
    program = Program(Path(hits.kernel.image))
    unknown = program.unknown(list(hits.counts))
    if unknown:
        raise UsageProblem(
            f"{len(unknown)} of {len(hits.counts)} places are no points of {hits.kernel.image}",
            remedy="run again: another kernel was counted",
        )
    files = account(program.points, hits.counts)
    source = SourceText(Path(hits.kernel.source), Path(hits.kernel.image))
    if functions:
        for known in text.named(files, functions):
            for line in text.listing(known, source):
                _print(line)
            _print("")
        _print(text.LEGEND)
    else:
        for line in text.overview(files):
            _print(line)
        _print(text.headline(hits, files))
    if tracefile is not None:
        try:
            tracefile.write_text(lcov.render(files, Path(hits.kernel.source)), encoding="utf-8")
        except OSError as err:
            raise EnvironmentProblem(f"{tracefile} cannot be written: {err.strerror}") from err
    if pages is not None:
        progress(f"pages: {html.write(pages, hits, files, source)}")


def play_all(options: RunOptions, names: list[str], folder: Path) -> Hits:
    """Each scenario in a fresh guest; what they went through together. Raises TestbedError."""
    options, prepared = UML.prepare(options, progress)
    with new_session(options, folder, prepared) as session:
        for number, name in enumerate(names):
            if number:
                session.restart()
            digest = play(session, SCENARIOS[name])
            progress(f"{name}: {digest}")
    return load(folder / FILE_NAME)


@coverage.command("run")
@run_options("kernel", "flavour", "watchdog_s", "memory_mib", "seed", memory_mib=512, seed=1)
def run_command(
    given: Mapping[str, Any],
    scenarios: Annotated[
        list[str] | None, typer.Argument(help=f"Of {_NAMES}; all if none is given.")
    ] = None,
    run_dir: RunFolder = None,
    functions: Functions = None,
    tracefile: Lcov = None,
) -> None:
    """Play scenarios in fresh guests, report what they went through, write it as pages as well."""
    names = scenarios or list(SCENARIOS)
    for name in names:
        if name not in SCENARIOS:
            raise UsageProblem(f"there is no scenario {name!r}", remedy=f"allowed: {_NAMES}")
    options = build_options({**given, "engine": UML.name, "coverage": True})

    def work(directory: RunDirectory, report: RunReport) -> None:
        UML.describe(options, report)
        hits = play_all(options, names, directory.path)
        report.kernel_release = hits.kernel.release
        report_hits(hits, functions or [], directory.path / PAGES, tracefile)

    conclude_command("coverage", "Every scenario is played and counted", run_dir, work)


@coverage.command("report")
def report_command(
    places: Annotated[
        list[Path],
        typer.Argument(help=f"Folders of runs with --coverage, or {FILE_NAME} files; summed up."),
    ],
    functions: Functions = None,
    pages: Annotated[
        Path | None, typer.Option("--html", help="Write pages into this folder, too.")
    ] = None,
    tracefile: Lcov = None,
) -> None:
    """Report what one or several runs of one kernel went through, by function and line."""
    hits = merge([load(path) for path in find(places)])
    report_hits(hits, functions or [], pages, tracefile)
