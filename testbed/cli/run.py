# SPDX-License-Identifier: GPL-2.0-only
"""``testbed run`` and ``testbed soak``: the main job, and clean traffic for a while."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from testbed.cli.options import RunFolder, run_options
from testbed.engines.open import build_options
from testbed.errors import UsageProblem
from testbed.host.clock import process_began
from testbed.job.main import run_main_job
from testbed.job.soak import soak_steps
from testbed.plugin.lab_suite import run_suite

WITH_LAB = ("lab", "dut", "seed")


@run_options(without=["share"])
def run(given: Mapping[str, Any], run_dir: RunFolder = None) -> None:
    """Run the main job: probe to remove, with zero-copy receive and queue restarts between.

    With --lab, run the suite on another machine over SSH (docs/lab.md).
    """
    if given["lab"] is not None:
        if any(value is not None for name, value in given.items() if name not in WITH_LAB):
            raise UsageProblem(
                "with --lab the machine is what it is: only --dut, --seed, --run-dir"
            )
        raise typer.Exit(run_suite(given["lab"], given["dut"], given["seed"], run_dir))
    options = build_options(given)
    if options.lab is not None:  # as testbed.toml says
        raise typer.Exit(run_suite(options.lab, options.dut, options.seed, run_dir))
    command = ["testbed", *sys.argv[1:]]
    raise typer.Exit(
        run_main_job(options, Console(), command=command, run_folder=run_dir, began=process_began())
    )


@run_options(without=["icount", "coverage", "share", "nic", "lab", "dut"])
def soak(
    given: Mapping[str, Any],
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Wall time.")] = 30.0,
    run_dir: RunFolder = None,
) -> None:
    """Clean traffic, queue restarts, up and down, reloads: the oracle must stay silent."""
    raise typer.Exit(
        run_main_job(
            build_options(given), Console(), command=["testbed", *sys.argv[1:]],
            run_folder=run_dir, play=soak_steps(minutes), name="soak",
            began=process_began(),
        )
    )  # fmt: skip
