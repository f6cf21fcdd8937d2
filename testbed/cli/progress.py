# SPDX-License-Identifier: GPL-2.0-only
"""What a command says besides its result: on standard error, whatever becomes of the result."""

from __future__ import annotations

import logging

from rich.text import Text

from testbed.errors import TestbedError
from testbed.host.console import console as console_of
from testbed.host.interrupt import Interrupted
from testbed.host.terminal import escape
from testbed.report.results import Problem, RunReport

errors = console_of(stderr=True)


_log = logging.getLogger("testbed.progress")
_quiet: list[bool] = []


def be_quiet() -> None:
    """No progress from now on; problems are told."""
    _quiet.append(True)


def is_quiet() -> bool:
    """Whether nothing but results and problems is to be told."""
    return bool(_quiet)


def progress(text: str) -> None:
    """One line of progress; what is in it may be of a patch or a tree of somebody else."""
    _log.info(text)
    if not is_quiet():
        errors.print(Text(escape(text), style="dim"), soft_wrap=True)


def tell_cause(cause: TestbedError | Interrupted) -> None:
    """Say what ended a command: whose fault it is, what happened, and where the log is."""
    if isinstance(cause, Interrupted):
        _tell_interruption(str(cause))
    else:
        _tell_problem(Problem.of(cause))


def tell_end(report: RunReport) -> None:
    """The same of a job that has concluded, for a command that prints no table."""
    if report.interruption:
        _tell_interruption(report.interruption)
    elif report.problem is not None:
        _tell_problem(report.problem)


def _tell_interruption(text: str) -> None:
    errors.print(f"{text}; nothing is left running")


def _tell_problem(problem: Problem) -> None:
    first, *rest = problem.lines
    errors.print(Text.assemble((f"{problem.fault}: ", "bold red"), first))
    for line in rest:
        errors.print(Text(line), soft_wrap=True)
