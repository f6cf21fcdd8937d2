# SPDX-License-Identifier: GPL-2.0-only
"""``testbed bench ...``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from testbed.bench import files
from testbed.bench import model as models
from testbed.bench import start as starts
from testbed.bench.growth.plan import MACHINES, QUEUES, GrowthPlan
from testbed.bench.kernels import bench_kernel
from testbed.bench.page_pool import LOOPS, RUNS, measure
from testbed.bench.sides import compare, document, lines
from testbed.bench.wire import plan as wire_plan
from testbed.bench.wire.contenders import CONTENDERS, DEFAULT
from testbed.bench.wire.plan import WirePlan
from testbed.cli import options as opt
from testbed.cli.measured import conclude_command
from testbed.cli.progress import progress
from testbed.host.console import console as console_of
from testbed.host.load import Load, LoadSeen
from testbed.report import provenance
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

RESULT = "bench.json"
START_RESULT, START_SAMPLES = "start.json", "start.csv"
MODEL_RESULT = "model.json"

bench = typer.Typer(help="Speed: the card beside QEMU's NICs, two kernels side by side.")

Rounds = Annotated[int, typer.Option("--rounds", min=1, max=1000, help="After one to warm up.")]
Seconds = Annotated[int, typer.Option("--seconds", min=1, max=60, help="A stream ends then.")]
Mib = Annotated[
    int, typer.Option("--mib", min=1, max=4096, help="Length of a stream over all its flows.")
]
Widest = Annotated[
    float,
    typer.Option(
        "--widest", min=0.01, max=10, help="A ratio's interval may be so wide, as a part of it."
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Write plot, JSON and CSV to this folder as well.")
]
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


@bench.command("wire")
@opt.run_options("kernel", "cpus", "memory_mib", "seed", cpus=1, memory_mib=1024, seed=1)
def wire(
    given: Mapping[str, Any],
    nics: Annotated[
        str, typer.Option("--nics", help=f"With commas between: {', '.join(CONTENDERS)}.")
    ] = ",".join(DEFAULT),
    direction: Annotated[
        str, typer.Option("--direction", help="rx, tx: the NIC under test receives, sends.")
    ] = "rx,tx",
    mtu: Annotated[str, typer.Option("--mtu", help="MTUs with commas between.")] = "1500,4096",
    flows: Annotated[str, typer.Option("--flows", help="Numbers of TCP flows.")] = "1,4",
    rounds: Rounds = 9,
    mib: Mib = 64,
    seconds: Seconds = 10,
    widest: Widest = 0.2,
    run_dir: opt.RunFolder = None,
    out: Out = None,
) -> None:
    """The card beside QEMU's NICs in C: speed and CPU time of TCP, round by round (docs/bench.md).

    Exit code 6 if a ratio cannot be told.
    """
    # not above: matplotlib takes half a second, which no other command should have to wait for
    from testbed.bench.wire.command import run_wire

    plan = WirePlan(
        contenders=wire_plan.contenders("--nics", nics),
        cells=wire_plan.cells(
            wire_plan.directions("--direction", direction),
            wire_plan.numbers("--mtu", mtu, wire_plan.MTUS),
            wire_plan.numbers("--flows", flows, wire_plan.FLOWS),
        ),
        rounds=rounds, mib=mib, seconds=seconds, widest=widest, **given,
    )  # fmt: skip

    def work(directory: RunDirectory, report: RunReport) -> None:
        report.seed = plan.seed
        run_wire(plan, directory, out, report, progress)
        progress(str(directory.path))

    conclude_command("bench-wire", "Every NIC is measured", run_dir, work)


@bench.command("growth")
@opt.run_options("kernel", "cpus", "memory_mib", "seed", cpus=2, memory_mib=1024, seed=1)
def growth(
    given: Mapping[str, Any],
    queues: Annotated[
        str, typer.Option("--queues", help="Numbers of queues, each with as many flows.")
    ] = "1,2,4,8",
    machines: Annotated[
        str, typer.Option("--machines", help="Numbers of guests at once, a flow in each.")
    ] = "1,2,4",
    mtu: Annotated[int, typer.Option("--mtu", min=576, max=9000, help="Of every NIC.")] = 1500,
    rounds: Rounds = 9,
    mib: Mib = 64,
    seconds: Seconds = 10,
    widest: Widest = 0.3,
    run_dir: opt.RunFolder = None,
    out: Out = None,
) -> None:
    """What more flows and queues, and more guests at once, cost in time and memory.

    Exit code 6 if a ratio cannot be told.
    """
    # not above: matplotlib takes half a second, which no other command should have to wait for
    from testbed.bench.growth.command import run_growth

    plan = GrowthPlan(
        queues=wire_plan.numbers("--queues", queues, QUEUES),
        machines=wire_plan.numbers("--machines", machines, MACHINES),
        rounds=rounds, mib=mib, seconds=seconds, mtu=mtu, **given,
    )  # fmt: skip

    def work(directory: RunDirectory, report: RunReport) -> None:
        report.seed = plan.seed
        run_growth(plan, widest, directory, out, report, progress)
        progress(str(directory.path))

    conclude_command("bench-growth", "Every number is measured", run_dir, work)


@bench.command("start")
def start(
    commands: Annotated[
        str, typer.Option("--commands", help=f"With commas: {', '.join(starts.COMMANDS)}.")
    ] = ",".join(starts.DEFAULT),
    rounds: Rounds = 9,
    run_dir: opt.RunFolder = None,
    out: Out = None,
) -> None:
    """What one waits for: start of the program, of guests, a zcrx cycle; and what a run leaves."""
    names = starts.named("--commands", commands)

    def work(directory: RunDirectory, report: RunReport) -> None:
        before = Load.now()
        found = starts.measure(names, rounds, directory.path, progress)
        load, commit = LoadSeen.since(before), provenance.repository_commit()
        report.note("repository commit", commit)
        report.note("host load", str(load))
        result = starts.document(found, load, commit)
        texts = {START_RESULT: json.dumps(result, indent=1) + "\n"}
        files.write({**texts, START_SAMPLES: starts.samples_csv(found)}, directory, out)
        console_of().print(starts.table(found), str(load))
        progress(str(directory.path))

    conclude_command("bench-start", "Every command is timed", run_dir, work)


@bench.command("model")
def model(run_dir: opt.RunFolder = None, out: Out = None) -> None:
    """The card without a guest: latency of its process, time of a frame, cost of the oracle."""
    left_out = models.missing()

    def work(directory: RunDirectory, report: RunReport) -> None:
        before = Load.now()
        found = models.measure(left_out, directory.path, progress)
        load, commit = LoadSeen.since(before), provenance.repository_commit()
        report.note("repository commit", commit)
        report.note("host load", str(load))
        result = models.document(found, left_out, load, commit)
        files.write({MODEL_RESULT: json.dumps(result, indent=1) + "\n"}, directory, out)
        console_of().print(models.table(found), str(load))
        for name, package in left_out.items():
            progress(f"{name} is left out: it needs {package}, which is not installed here")
        progress(str(directory.path))

    conclude_command("bench-model", "Every part is measured", run_dir, work)
