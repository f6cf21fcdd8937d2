# SPDX-License-Identifier: GPL-2.0-only
"""The ``testbed`` command line. Every way it can end has its exit code: see ``testbed.errors``."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Annotated

import typer

from testbed import __version__
from testbed.cli.progress import be_quiet, tell_cause
from testbed.errors import ExitCode, UsageProblem
from testbed.host import interrupt
from testbed.report import runlog
from testbed.report.cause import cause_of, exit_code_of

NAME = "testbed"
COMPLETION = "_TESTBED_COMPLETE"
"""The shell sets it when it asks for completions (click)."""


@dataclass(frozen=True)
class _Command:
    """``place``: module of testbed.cli, and what it is called there. ``help`` is its first line."""

    place: str
    help: str


COMMANDS = {
    "ksft": _Command(
        "ksft.ksft", "Run the kernel's own network selftests, each file in a fresh guest."
    ),
    "compare": _Command(
        "compare.compare",
        "Compare what receiving a stream costs the guest, in instructions (docs/compare.md).",
    ),
    "repeat": _Command(
        "repeat.repeat_command",
        "Run a scenario many times in fresh UML guests; fails unless all are one and the same run,",
    ),
    "matrix": _Command(
        "matrix.matrix_command",
        "Run a suite on many kernels and write one page of what each supports and what changed.",
    ),
    "nightly": _Command(
        "nightly.nightly",
        "Run what nightly.toml names within its time, and write a site: new, fixed, flaky, slower.",
    ),
    "doctor": _Command(
        "artifacts.doctor",
        "Say what this machine lacks and how to get it; exit code 3 if a run would fail.",
    ),
    "kernels": _Command("artifacts.kernels", "List the kernels that --kernel can name."),
    "run": _Command(
        "run.run",
        "Run the main job: probe to remove, with zero-copy receive and queue restarts between.",
    ),
    "soak": _Command(
        "run.soak",
        "Clean traffic, queue restarts, up and down, reloads: the oracle must stay silent.",
    ),
    "shell": _Command(
        "guest.shell",
        "Open a prompt in a guest with the card up (Ctrl-] leaves); runs a script from a pipe.",
    ),
    "exec": _Command(
        "guest.execute", "Run one command in a guest with the card up and return its exit status."
    ),
    "card": _Command("card.card", "The card for any VM: QEMU, libvirt or virtme-ng that you run."),
    "vng": _Command(
        "vng.vng",
        "Boot a kernel on this host's own root by virtme-ng, with the card; run a command there.",
    ),
    "cache": _Command("artifacts.cache", "Look at the cache, or make it smaller."),
    "bench": _Command(
        "bench.bench", "Speed: the card beside QEMU's NICs, two kernels side by side."
    ),
    "coverage": _Command(
        "coverage.coverage", "Which code of driver and zcrx ran, from User Mode Linux."
    ),
    "kernel": _Command(
        "kernel.kernel", "Kernels from source: for UML, and with debugging for QEMU."
    ),
    "conformance": _Command(
        "conformance.conformance",
        "Record what a card shows, compare two cards, make a personality (docs/conformance.md).",
    ),
    "lab": _Command("lab.lab", "Machines with a real card, over SSH; see docs/lab.md."),
    "report": _Command("report.report", "Work with the reports of runs."),
    "runs": _Command("runs.runs", "Look at run directories, or have fewer."),
    "trace": _Command(
        "trace.trace",
        "Show HWRM requests, resets, faults, violations and what else the card told of a run.",
    ),
    "faults": _Command(
        "faults.faults", "Scripted faults of the card, and what the driver makes of them."
    ),
    "findings": _Command(
        "findings.findings", "Bugs of the kernel on record: listed, checked, verified, exported."
    ),
    "fuzz": _Command(
        "fuzz.fuzz", "Search for bugs with faults of the card, packets and failing allocations."
    ),
}


def make_app(name: str = "", *, whole: bool = False) -> typer.Typer:
    """The command line with one command, as loading them all takes a while; without a name it
    knows of each what ``--help`` lists. ``whole``: all of them, as completion wants them.
    """
    app = typer.Typer(
        name=NAME,
        help="Runs the unmodified bnxt_en driver against a BCM57508 written in Python.",
        no_args_is_help=True, pretty_exceptions_enable=False,
        epilog="In a clone, ./tb takes the same commands, and ./tb test runs all that CI runs.",
    )  # fmt: skip
    app.callback()(_options)
    if name:
        _add(app, name)
    for other, listed in {} if name else COMMANDS.items():
        if whole:
            _add(app, other)
        else:
            app.command(other, help=listed.help)(_listed)
    return app


def _add(app: typer.Typer, name: str) -> None:
    module, _, attribute = COMMANDS[name].place.partition(".")
    command = getattr(importlib.import_module(f"testbed.cli.{module}"), attribute)
    if isinstance(command, typer.Typer):
        alone = bool(command.info.invoke_without_command)
        app.add_typer(command, name=name, no_args_is_help=not alone)
    else:
        settings = {"ignore_unknown_options": name in ("exec", "vng")}
        app.command(name, context_settings=settings)(command)


def _listed() -> None:
    """A command that is listed only: one that is called is loaded instead."""
    raise AssertionError


def _called(arguments: list[str]) -> str:
    """The command that is called, after the options of all commands; "" if there is none."""
    first = next((word for word in arguments if not word.startswith("-")), "")
    return first if first in COMMANDS else ""


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
        whole = COMPLETION in os.environ
        make_app("" if whole else _called(arguments), whole=whole)(arguments, prog_name=NAME)
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
