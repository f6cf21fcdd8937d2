# SPDX-License-Identifier: GPL-2.0-only
"""How a command ends whose result is no verdict: numbers, pages, a machine that was served."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import typer

from testbed.cli.progress import tell_end
from testbed.report.outcome import conclude
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory, now_utc


def conclude_command(
    job: str, title: str, run_dir: Path | None, work: Callable[[RunDirectory, RunReport], None]
) -> None:
    """Do ``work`` in a new run directory, which has the same reports as any other job's.

    That ``work`` came to its end is the one check, called ``title``. Raises typer.Exit unless it
    did, EnvironmentProblem if there is no directory or no room for the reports.
    """
    directory = RunDirectory.named(run_dir)
    report = RunReport(job, now_utc(), ("testbed", *sys.argv[1:]))
    began = time.monotonic()

    def whole() -> None:
        work(directory, report)
        seconds = time.monotonic() - began
        report.checks.append(Check(name=job, title=title, outcome=Outcome.PASS, seconds=seconds))

    code = conclude(report, directory, whole, began=began)
    tell_end(report)
    if code:
        raise typer.Exit(code)
