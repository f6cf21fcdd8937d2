# SPDX-License-Identifier: GPL-2.0-only
"""The ``testbed`` command line. Every way it can end has its exit code: see ``testbed.errors``."""

from __future__ import annotations

import errno
import signal
import sys
from pathlib import Path
from types import FrameType

import typer
from rich.text import Text

from testbed.cli.artifacts import cache, doctor, kernels
from testbed.cli.bench import bench
from testbed.cli.compare import compare
from testbed.cli.coverage import coverage
from testbed.cli.faults import faults
from testbed.cli.guest import execute, shell
from testbed.cli.kernel import kernel
from testbed.cli.ksft import ksft
from testbed.cli.lab import lab
from testbed.cli.matrix import matrix_command
from testbed.cli.progress import errors
from testbed.cli.repeat import repeat_command
from testbed.cli.report import report
from testbed.cli.run import run, soak
from testbed.errors import ExitCode, TestbedError, full_disk
from testbed.host.terminal import escape

app = typer.Typer(
    name="testbed",
    help="Runs the unmodified bnxt_en driver against a BCM57508 written in Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
INTERRUPTED = 128 + signal.SIGINT
for name, command in {
    "ksft": ksft, "compare": compare, "repeat": repeat_command, "matrix": matrix_command,
    "doctor": doctor, "kernels": kernels, "run": run, "soak": soak, "shell": shell,
}.items():  # fmt: skip
    app.command(name)(command)
app.command("exec", context_settings={"ignore_unknown_options": True})(execute)
for name, group in {
    "cache": cache, "bench": bench, "coverage": coverage, "kernel": kernel, "lab": lab,
    "report": report, "faults": faults,
}.items():  # fmt: skip
    app.add_typer(group, name=name, no_args_is_help=True)


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
