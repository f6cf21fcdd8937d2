# SPDX-License-Identifier: GPL-2.0-only
"""``--json``: a command's result for programs, one JSON document and nothing else on stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from testbed.report import summary
from testbed.report.results import RunReport
from testbed.report.rundir import LATEST, RUNS

_TOLD = ("job", "verdict", "exit_code", "started_at", "wall_seconds", "tests", "problem")

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document, all else on stderr.")
]


def print_json(document: Mapping[str, Any] | list[Any]) -> None:
    """The document, in ASCII: what is in it may be a guest's."""
    typer.echo(json.dumps(document, indent=1))


def run_document(report: RunReport, folder: Path) -> dict[str, Any]:
    """How a run ended, and where everything of it is; see docs/reports.md."""
    return _ending(summary.as_document(report), folder)


def tell_json(report: RunReport, folder: Path) -> None:
    """Print it: the last words of a run."""
    print_json(run_document(report, folder))


def last_document(runs: Path | None) -> dict[str, Any]:
    """The same of the run that was last in that folder of runs."""
    folder = ((runs or Path.cwd() / RUNS) / LATEST).resolve()
    return _ending(json.loads((folder / summary.FILE_NAME).read_text(encoding="utf-8")), folder)


def _ending(whole: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        "run_directory": str(folder), "summary": str(folder / summary.FILE_NAME),
        **{name: whole[name] for name in _TOLD},
    }  # fmt: skip
