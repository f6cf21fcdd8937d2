# SPDX-License-Identifier: GPL-2.0-only
"""The ``testbed`` command line. Every way it can end has its exit code: see ``testbed.errors``."""

from __future__ import annotations

import errno
import importlib
import signal
import sys
from pathlib import Path
from types import FrameType

import typer
from rich.text import Text

from testbed.cli.progress import errors
from testbed.errors import ExitCode, TestbedError, full_disk
from testbed.host.terminal import escape

INTERRUPTED = 128 + signal.SIGINT
COMMANDS = {
    "ksft": "ksft.ksft",
    "compare": "compare.compare",
    "repeat": "repeat.repeat_command",
    "matrix": "matrix.matrix_command",
    "doctor": "artifacts.doctor",
    "kernels": "artifacts.kernels",
    "run": "run.run",
    "soak": "run.soak",
    "shell": "guest.shell",
    "exec": "guest.execute",
    "cache": "artifacts.cache",
    "bench": "bench.bench",
    "coverage": "coverage.coverage",
    "kernel": "kernel.kernel",
    "lab": "lab.lab",
    "report": "report.report",
    "faults": "faults.faults",
}
"""Command or group of commands -> module of testbed.cli, and what it is called there."""


def make_app(*names: str) -> typer.Typer:
    """The command line with these commands only: a module takes a while to load."""
    app = typer.Typer(
        name="testbed",
        help="Runs the unmodified bnxt_en driver against a BCM57508 written in Python.",
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    )  # fmt: skip
    app.callback()(lambda: None)  # without one, an only command would lose its name
    for name in names:
        module, _, attribute = COMMANDS[name].partition(".")
        command = getattr(importlib.import_module(f"testbed.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, no_args_is_help=True)
        else:
            settings = {"ignore_unknown_options": name == "exec"}
            app.command(name, context_settings=settings)(command)
    return app


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
        make_app(*(COMMANDS.keys() & arguments[:1] or COMMANDS))(arguments)
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
