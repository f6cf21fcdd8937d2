# SPDX-License-Identifier: GPL-2.0-only
"""How a command ends: one place decides verdict, exit code and reports, for all commands.

A command with a run directory does its work in :func:`conclude`. Every other error of a command
goes through :func:`testbed.report.cause.cause_of`, which knows the same kinds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from shlex import join

from testbed.host import interrupt
from testbed.host.interrupt import Interrupted
from testbed.report import runlog
from testbed.report.cause import cause_of, pipe_of
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

_log = logging.getLogger("testbed.run")


def end_report(report: RunReport, error: BaseException) -> None:
    """Record in ``report`` what ended the work."""
    cause = cause_of(error)
    if isinstance(cause, Interrupted):
        report.interrupted_by = cause.number
    else:
        report.end_with(cause)


def conclude(
    report: RunReport, directory: RunDirectory, work: Callable[[], None], *, began: float
) -> int:
    """Make ``directory``, do ``work``, write the reports however that ends, and return the exit
    code they name.

    ``work`` fills ``report`` and raises what ends it early. ``began`` is when the wall time
    started, by ``time.monotonic()``. A signal from the moment when there is a directory makes the
    run an interrupted one, also if something else was raised after it; one that comes when the
    work is over changes nothing.

    Raises EnvironmentProblem if the directory cannot be made or the reports cannot be written.
    """
    made = False
    with ExitStack() as logged:
        try:
            try:
                with interrupt.held():
                    directory.make()
                    made = True
                    logged.enter_context(runlog.kept_in(directory.path))
                _log.info("%s", join(report.command) or report.job)
                work()
            finally:
                interrupt.too_late()
        except BaseException as error:
            if not made:
                raise
            end_report(report, error)
        write(report, directory, began=began)
    return report.exit_code


@contextmanager
def last_words() -> Iterator[None]:
    """What is printed once the reports are written: if nobody reads it, that changes nothing."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(pipe_of(error), BrokenPipeError):
            raise


def write(report: RunReport, directory: RunDirectory, *, began: float) -> None:
    """Write the reports of work that has ended: the verdict is decided here, for good."""
    number = interrupt.too_late()
    if number is not None:
        report.interrupted_by = number
    report.wall_seconds = time.monotonic() - began
    for line in report.problem.lines if report.problem else ():
        _log.error("%s", line)
    _log.info("verdict %s, exit code %d", report.verdict.value, report.exit_code)
    directory.write_reports(report)
    report.wall_seconds = time.monotonic() - began  # with the reports
