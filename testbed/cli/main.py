# SPDX-License-Identifier: GPL-2.0-only
"""The ``testbed`` command line. Every way it can end has its exit code: see ``testbed.errors``."""

from __future__ import annotations

import errno
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.text import Text

from testbed.cli import artifacts as artifacts_cli
from testbed.cli import options as opt
from testbed.cli.bench import bench
from testbed.cli.compare import compare
from testbed.cli.coverage import coverage
from testbed.cli.faults import faults
from testbed.cli.kernel import kernel
from testbed.cli.ksft import ksft
from testbed.cli.lab import lab as lab_commands
from testbed.cli.matrix import matrix_command
from testbed.cli.repeat import repeat_command
from testbed.cli.report import report
from testbed.engines.open import build_options, new_session, prepare_run
from testbed.engines.session import Session
from testbed.engines.shell import run_interactive, run_script, stream_command
from testbed.errors import ExitCode, TestbedError, UsageProblem, full_disk
from testbed.host.terminal import escape
from testbed.job.main import run_main_job
from testbed.job.soak import soak_steps
from testbed.options import RunOptions
from testbed.plugin.lab_suite import run_suite
from testbed.report.rundir import RunDirectory

app = typer.Typer(
    name="testbed",
    help="Runs the unmodified bnxt_en driver against a BCM57508 written in Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)
INTERRUPTED = 128 + signal.SIGINT
app.command()(ksft)
app.command()(compare)
app.command("repeat")(repeat_command)
app.command("matrix")(matrix_command)
app.command()(artifacts_cli.doctor)
app.command()(artifacts_cli.kernels)
app.add_typer(artifacts_cli.cache, name="cache")
app.add_typer(bench, name="bench", no_args_is_help=True)
app.add_typer(coverage, name="coverage", no_args_is_help=True)
app.add_typer(kernel, name="kernel", no_args_is_help=True)
app.add_typer(lab_commands, name="lab", no_args_is_help=True)
app.add_typer(report, name="report", no_args_is_help=True)
app.add_typer(faults, name="faults", no_args_is_help=True)


def open_session(options: RunOptions, run_folder: opt.RunFolder, *, quiet: bool) -> Session:
    """Prepare everything and return a session that has not been entered yet."""
    console = None if quiet else errors
    options, prepared = prepare_run(options, lambda text: errors.print(Text(text, style="dim")))
    run_dir = RunDirectory.create(run_folder)
    return new_session(options, run_dir.path, prepared, console)


@app.command()
def run(
    engine: opt.EngineChoice = None,
    kernel: opt.Kernel = None,
    flavour: opt.Flavour = None,
    watchdog: opt.Watchdog = None,
    accel: opt.AccelChoice = None,
    iommu: opt.IommuChoice = None,
    cpus: opt.Cpus = None,
    memory: opt.Memory = None,
    timing: opt.TimingChoice = None,
    icount: opt.Icount = None,
    coverage: opt.Coverage = None,
    oracle: opt.Oracle = None,
    seed: opt.Seed = None,
    nic: opt.NicChoice = None,
    lab: opt.LabChoice = None,
    dut: opt.DutName = None,
    run_dir: opt.RunFolder = None,
) -> None:
    """Run the main job: probe to remove, with zero-copy receive and queue restarts between.

    With --lab, run the suite on another machine over SSH (docs/lab.md).
    """
    if lab is not None:
        given = [engine, kernel, flavour, watchdog, accel, iommu, cpus, memory, timing, icount]
        if any(value is not None for value in (*given, coverage, oracle, nic)):
            raise UsageProblem(
                "with --lab the machine is what it is: only --dut, --seed, --run-dir"
            )
        raise typer.Exit(run_suite(lab, dut, seed, run_dir))
    options = build_options(
        {
            "engine": engine, "flavour": flavour, "watchdog_s": watchdog,
            "kernel": kernel, "accel": accel, "iommu": iommu, "cpus": cpus, "memory_mib": memory,
            "timing": timing, "icount": icount, "coverage": coverage,
            "oracle": oracle, "seed": seed, "nic": nic, "dut": dut,
        }
    )  # fmt: skip
    if options.lab is not None:  # as testbed.toml says
        raise typer.Exit(run_suite(options.lab, options.dut, options.seed, run_dir))
    command = ["testbed", *sys.argv[1:]]
    raise typer.Exit(run_main_job(options, Console(), command=command, run_folder=run_dir))


@app.command()
def soak(
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Wall time.")] = 30.0,
    engine: opt.EngineChoice = None,
    kernel: opt.Kernel = None,
    flavour: opt.Flavour = None,
    watchdog: opt.Watchdog = None,
    accel: opt.AccelChoice = None,
    iommu: opt.IommuChoice = None,
    cpus: opt.Cpus = None,
    memory: opt.Memory = None,
    timing: opt.TimingChoice = None,
    oracle: opt.Oracle = None,
    seed: opt.Seed = None,
    run_dir: opt.RunFolder = None,
) -> None:
    """Clean traffic, queue restarts, up and down, reloads: the oracle must stay silent."""
    options = build_options(
        {
            "engine": engine, "flavour": flavour, "watchdog_s": watchdog,
            "kernel": kernel, "accel": accel, "iommu": iommu, "cpus": cpus, "memory_mib": memory,
            "timing": timing, "oracle": oracle, "seed": seed,
        }
    )  # fmt: skip
    command = ["testbed", *sys.argv[1:]]
    raise typer.Exit(
        run_main_job(
            options, Console(), command=command, run_folder=run_dir,
            play=soak_steps(minutes), name="soak",
        )
    )  # fmt: skip


@app.command()
def shell(
    engine: opt.EngineChoice = None,
    kernel: opt.Kernel = None,
    flavour: opt.Flavour = None,
    watchdog: opt.Watchdog = None,
    accel: opt.AccelChoice = None,
    iommu: opt.IommuChoice = None,
    cpus: opt.Cpus = None,
    memory: opt.Memory = None,
    timing: opt.TimingChoice = None,
    icount: opt.Icount = None,
    coverage: opt.Coverage = None,
    oracle: opt.Oracle = None,
    seed: opt.Seed = None,
    share: opt.Share = None,
    nic: opt.NicChoice = None,
    run_dir: opt.RunFolder = None,
) -> None:
    """Open a prompt in a guest with the card up (Ctrl-] leaves); runs a script from a pipe."""
    options = build_options(
        {
            "engine": engine, "flavour": flavour, "watchdog_s": watchdog,
            "kernel": kernel, "accel": accel, "iommu": iommu, "cpus": cpus, "memory_mib": memory,
            "timing": timing, "icount": icount, "coverage": coverage,
            "oracle": oracle, "seed": seed, "share": share, "nic": nic,
        }
    )  # fmt: skip
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    with open_session(options, run_dir, quiet=not interactive) as session:
        if interactive:
            run_interactive(session, errors)
            errors.print(Text(f"logs: {session.run_dir}", style="dim"))
        else:
            raise typer.Exit(run_script(session, sys.stdin.buffer.read()))


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    command: Annotated[list[str], typer.Argument(help="What to run, after --.")],
    engine: opt.EngineChoice = None,
    kernel: opt.Kernel = None,
    flavour: opt.Flavour = None,
    watchdog: opt.Watchdog = None,
    accel: opt.AccelChoice = None,
    iommu: opt.IommuChoice = None,
    cpus: opt.Cpus = None,
    memory: opt.Memory = None,
    timing: opt.TimingChoice = None,
    icount: opt.Icount = None,
    coverage: opt.Coverage = None,
    oracle: opt.Oracle = None,
    seed: opt.Seed = None,
    share: opt.Share = None,
    nic: opt.NicChoice = None,
    run_dir: opt.RunFolder = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Run it at the remote endpoint.")
    ] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Give it our standard input.")] = False,
    timeout: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--timeout", help="Kill it after so many seconds.", min=0.1),
    ] = None,
) -> None:
    """Run one command in a guest with the card up and return its exit status."""
    options = build_options(
        {
            "engine": engine, "flavour": flavour, "watchdog_s": watchdog,
            "kernel": kernel, "accel": accel, "iommu": iommu, "cpus": cpus, "memory_mib": memory,
            "timing": timing, "icount": icount, "coverage": coverage,
            "oracle": oracle, "seed": seed, "share": share, "nic": nic,
        }
    )  # fmt: skip
    given = sys.stdin.buffer.read() if stdin else None
    with open_session(options, run_dir, quiet=not errors.is_terminal) as session:
        endpoint = session.remote if remote else session.dut
        raise typer.Exit(stream_command(endpoint, command, given, timeout))


def report_error(error: TestbedError) -> None:
    """Say on stderr what happened, whose fault it is and where the log is."""
    first, *rest = [escape(line) for line in error.lines()]
    errors.print(Text.assemble((f"{error.fault}: ", "bold red"), first))
    for line in rest:
        errors.print(Text(line), soft_wrap=True)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Entry point of the ``testbed`` program."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    sys.exit(run_app(sys.argv[1:]))


def run_app(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        app(arguments)
    except TestbedError as err:
        report_error(err)
        return int(err.exit_code)
    except OSError as err:
        if err.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        report_error(full_disk(Path(err.filename or "a file of the run"), err))
        return int(ExitCode.ENVIRONMENT)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            errors.print("interrupted; nothing is left running")
        return end.code if isinstance(end.code, int) else int(ExitCode.PASS)
    return int(ExitCode.PASS)
