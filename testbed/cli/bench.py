# SPDX-License-Identifier: GPL-2.0-only
"""``testbed bench ...``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from testbed.bench.kernels import bench_kernel
from testbed.bench.page_pool import LOOPS, RUNS, measure
from testbed.bench.sides import compare, document, lines
from testbed.cli import options as opt
from testbed.cli.measured import conclude_command
from testbed.cli.progress import progress
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

RESULT = "bench.json"

bench = typer.Typer(help="The kernel's own micro-benchmarks, two kernels side by side.")

_KERNEL = "Debian's version (7.2.12), or x86:7.2+a.patch from source."


@bench.callback()
def _group() -> None:
    """One command for each benchmark."""


@bench.command("page-pool")
def page_pool(
    a: Annotated[str, typer.Argument(metavar="A", help=_KERNEL)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; A again shows the noise.")],
    loops: Annotated[int, typer.Option("--loops", min=1000, help="Pages per path.")] = LOOPS,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Times, after one to warm up.")] = RUNS,
    run_dir: opt.RunFolder = None,
) -> None:
    """Count the instructions of page_pool's fast, ptr_ring and slow paths on two kernels."""

    def work(directory: RunDirectory, report: RunReport) -> None:
        sides = [bench_kernel(name, progress) for name in (a, b)]
        costs = []
        for letter, side in zip("ab", sides, strict=True):
            place = directory.path / letter
            place.mkdir()
            costs.append(measure(side, place, loops=loops, runs=runs, say=progress))
        found = compare(costs[0], costs[1])
        directory.write(RESULT, json.dumps(document((a, b), found), indent=1) + "\n")
        for line in lines((a, b), found):
            typer.echo(line)
        progress(str(directory.path))

    conclude_command("bench-page-pool", "Both kernels are measured", run_dir, work)
