# SPDX-License-Identifier: GPL-2.0-only
"""The ``testbed`` command line. Every way it can end has its exit code: see ``testbed.errors``."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from testbed import __version__
from testbed.cli.progress import be_quiet, tell_cause
from testbed.errors import ExitCode, UsageProblem
from testbed.host import interrupt
from testbed.report import runlog
from testbed.report.outcome import cause_of, exit_code_of

NAME = "testbed"
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
    "card": "card.card",
    "vng": "vng.vng",
    "cache": "artifacts.cache",
    "bench": "bench.bench",
    "coverage": "coverage.coverage",
    "kernel": "kernel.kernel",
    "lab": "lab.lab",
    "report": "report.report",
    "runs": "runs.runs",
    "trace": "trace.trace",
    "faults": "faults.faults",
    "findings": "findings.findings",
    "fuzz": "fuzz.fuzz",
}
"""Command or group of commands -> module of testbed.cli, and what it is called there."""


def make_app(*names: str) -> typer.Typer:
    """The command line with these commands only: a module takes a while to load."""
    app = typer.Typer(
        name=NAME,
        help="Runs the unmodified bnxt_en driver against a BCM57508 written in Python.",
        no_args_is_help=True, pretty_exceptions_enable=False,
        epilog="In a clone, ./tb takes the same commands, and ./tb test runs all that CI runs.",
    )  # fmt: skip
    app.callback()(_options)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(".")
        command = getattr(importlib.import_module(f"testbed.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            alone = bool(command.info.invoke_without_command)
            app.add_typer(command, name=name, no_args_is_help=not alone)
        else:
            settings = {"ignore_unknown_options": name in ("exec", "vng")}
            app.command(name, context_settings=settings)(command)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"testbed {__version__}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Say it, and end."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell also what goes to runner.log.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Tell results and problems only.")
    ] = False,
) -> None:
    if verbose and quiet:
        raise UsageProblem("--verbose and --quiet at once", remedy="give one of them")
    if verbose:
        runlog.show()
    if quiet:
        be_quiet()


def run_app(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        make_app(*(COMMANDS.keys() & arguments[:1] or COMMANDS))(arguments, prog_name=NAME)
    except SystemExit as end:
        cause = end.__context__  # typer makes an exit of two errors
        if cause is not None and isinstance(cause.__cause__, KeyboardInterrupt):
            return _end(cause.__cause__)
        if isinstance(cause, BrokenPipeError):
            return _end(cause)
        return end.code if isinstance(end.code, int) else int(ExitCode.PASS)
    except BaseException as error:  # noqa: BLE001 - each kind is told, and has its exit code
        return _end(error)
    return int(ExitCode.PASS)


def _end(error: BaseException) -> int:
    """Tell what ended a command that had no report to say so; its exit code."""
    interrupt.too_late()
    cause = cause_of(error)
    tell_cause(cause)
    return exit_code_of(cause)
