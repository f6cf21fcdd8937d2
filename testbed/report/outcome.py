# SPDX-License-Identifier: GPL-2.0-only
"""How a command ends: one place decides verdict, exit code and reports, for all commands.

A command with a run directory does its work in :func:`conclude`. Every other error of a command
goes through :func:`cause_of`, which knows the same kinds.
"""

from __future__ import annotations

import errno
import logging
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import join

from testbed.errors import EnvironmentProblem, ExitCode, NotPutBack, TestbedError, full_disk
from testbed.host import interrupt
from testbed.host.interrupt import Interrupted
from testbed.report import runlog
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

_log = logging.getLogger("testbed.run")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HOST = (
    errno.EACCES, errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EPERM,
    errno.EROFS,
)  # fmt: skip
"""What the host refuses whoever asks properly."""


class RunnerBug(TestbedError):
    """An exception nobody expected: a bug of the testbed, not of the kernel under test."""

    exit_code = ExitCode.MODEL
    fault = "testbed"

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self._trace = "".join(traceback.format_exception(error))

    def lines(self) -> list[str]:
        """The error and its traceback."""
        return [self.message, *self._trace.splitlines()]


def cause_of(error: BaseException) -> TestbedError | Interrupted:
    """What ended the work, if ``error`` did: an interrupt, or the error whose kind decides.

    After a signal everything is an interrupt: what fails on the way out fails because of it. Only
    a machine of a lab that was not put back is told before that.
    """
    if isinstance(error, NotPutBack):
        return error
    number = interrupt.received()
    if number is not None:
        return Interrupted(number)
    if isinstance(error, Interrupted | TestbedError):
        return error
    if isinstance(error, KeyboardInterrupt):  # Python's own handler
        return Interrupted(signal.SIGINT)
    return _of_host(_pipe_of(error)) or RunnerBug(error)


def _of_host(error: BaseException) -> EnvironmentProblem | None:
    """What this host has refused or run out of, if that is it."""
    if isinstance(error, MemoryError):
        return EnvironmentProblem("this host has no memory left", remedy="end other programs")
    if not isinstance(error, OSError):
        return None
    if error.errno in _FULL:
        return full_disk(Path(error.filename or "a file of the run"), error)
    if isinstance(error, BrokenPipeError):
        return EnvironmentProblem(
            "nobody reads our output any more", remedy="the run directory has all of it"
        )
    return EnvironmentProblem(str(error)) if error.errno in _HOST else None


def exit_code_of(cause: TestbedError | Interrupted) -> int:
    """The exit code of a command that ended so."""
    return 128 + cause.number if isinstance(cause, Interrupted) else int(cause.exit_code)


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
        if not isinstance(_pipe_of(error), BrokenPipeError):
            raise


def _pipe_of(error: BaseException) -> BaseException:
    """The error itself; rich makes an exit of a pipe whose reader has gone."""
    broken = isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)
    return error.__context__ if broken and error.__context__ else error


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
