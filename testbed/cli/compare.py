# SPDX-License-Identifier: GPL-2.0-only
"""`testbed compare A B ...`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from testbed.cli.measured import conclude_command
from testbed.cli.options import RunFolder, run_options
from testbed.compare.variants import MOST_MIB, MOST_RUNS, MeasurementPlan, Method, parse_variant
from testbed.errors import UsageProblem
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

SEED = 1


@run_options("seed")
def compare(
    given: Mapping[str, Any],
    variants: Annotated[
        list[str],
        typer.Argument(
            help="METHOD[,SETTING=VALUE...][@KERNEL], two or more; methods: epoll, tcp-zerocopy, "
            "zcrx, devmem; settings: mtu, vcpu=same|different, gro=sw|hw, buf, mib. A kernel or a "
            "setting alone goes with --workload."
        ),
    ],
    workload: Annotated[
        Method, typer.Option("--workload", help="Method where a variant names none.")
    ] = Method.ZCRX,
    runs: Annotated[
        int, typer.Option("--runs", min=1, max=MOST_RUNS, help="Counted runs of each variant.")
    ] = 5,
    boots: Annotated[
        int, typer.Option("--boots", min=1, help="Guests started one after the other.")
    ] = 1,
    mib: Annotated[
        int, typer.Option("--mib", min=1, max=MOST_MIB, help="Length of a stream in MiB, usually.")
    ] = 31,
    run_dir: RunFolder = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write plot, page and CSV to this folder as well.")
    ] = None,
) -> None:
    """Compare what receiving a stream costs the guest, in instructions (docs/compare.md)."""
    # not above: matplotlib takes half a second, which no other command should have to wait for
    from testbed.compare.command import run_comparison

    if len(variants) < 2:
        raise UsageProblem("nothing to compare", remedy="name two variants, e.g. epoll zcrx")
    chosen = [parse_variant(text, workload) for text in variants]
    seed = SEED if given["seed"] is None else given["seed"]
    plan = MeasurementPlan(runs=runs, stream_bytes=mib << 20, boots=boots, seed=seed)

    def work(directory: RunDirectory, report: RunReport) -> None:
        report.seed = seed
        run_comparison(chosen, plan, directory, out)

    conclude_command("compare", "Every variant is measured", run_dir, work)
