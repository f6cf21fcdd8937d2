# SPDX-License-Identifier: GPL-2.0-only
"""``testbed run`` and ``testbed soak``: the main job, and clean traffic for a while."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from testbed.cli.as_json import AsJson, last_document, print_json, tell_json
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import errors, is_quiet
from testbed.engines.open import build_options
from testbed.errors import UsageProblem
from testbed.host.clock import process_began
from testbed.host.console import console as console_of
from testbed.job.main import Play, play_main_job, run_main_job
from testbed.job.progress import final_table
from testbed.job.soak import soak_steps
from testbed.options import RunOptions
from testbed.plugin.lab_suite import run_suite
from testbed.report.results import RunReport

WITH_LAB = ("lab", "dut", "seed")


def _job(
    options: RunOptions, run_dir: Path | None, as_json: bool, play: Play = play_main_job,
    name: str = "run",
) -> int:  # fmt: skip
    """Run it, and tell how it went on the screen, or as JSON."""

    def tell(report: RunReport, folder: Path) -> None:
        if as_json:
            tell_json(report, folder)
        else:
            console_of().print(final_table(report, str(folder)))

    seen = Console(quiet=True) if is_quiet() else errors if as_json else console_of()
    return run_main_job(
        options, seen, command=["testbed", *sys.argv[1:]], run_folder=run_dir, play=play,
        name=name, began=process_began(), tell=tell,
    )  # fmt: skip


def _on_lab(
    lab: Path, dut: str | None, seed: int | None, run_dir: Path | None, as_json: bool
) -> int:
    if not as_json:
        return run_suite(lab, dut, seed, run_dir)
    code = run_suite(lab, dut, seed, run_dir, stdout=sys.stderr.fileno())
    print_json(last_document(run_dir))
    return code


@run_options(without=["share"])
def run(given: Mapping[str, Any], run_dir: RunFolder = None, as_json: AsJson = False) -> None:
    """Run the main job: probe to remove, with zero-copy receive and queue restarts between.

    With --lab, run the suite on another machine over SSH (docs/lab.md).
    """
    if given["lab"] is not None:
        if any(value is not None for name, value in given.items() if name not in WITH_LAB):
            raise UsageProblem(
                "with --lab the machine is what it is: only --dut, --seed, --run-dir"
            )
        raise typer.Exit(_on_lab(given["lab"], given["dut"], given["seed"], run_dir, as_json))
    options = build_options(given)
    if options.lab is not None:  # as testbed.toml says
        raise typer.Exit(_on_lab(options.lab, options.dut, options.seed, run_dir, as_json))
    raise typer.Exit(_job(options, run_dir, as_json))


@run_options(without=["icount", "coverage", "share", "nic", "lab", "dut"])
def soak(
    given: Mapping[str, Any],
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Wall time.")] = 30.0,
    run_dir: RunFolder = None,
    as_json: AsJson = False,
) -> None:
    """Clean traffic, queue restarts, up and down, reloads: the oracle must stay silent."""
    options = build_options(given)
    raise typer.Exit(_job(options, run_dir, as_json, soak_steps(minutes), "soak"))
