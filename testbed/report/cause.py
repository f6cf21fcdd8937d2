# SPDX-License-Identifier: GPL-2.0-only
"""What ended a command, whatever was raised: whose fault it is, and the exit code of that."""

from __future__ import annotations

import errno
import signal
import traceback
from pathlib import Path

from testbed.errors import EnvironmentProblem, ExitCode, NotPutBack, TestbedError, full_disk
from testbed.host import interrupt
from testbed.host.interrupt import Interrupted

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
    return _of_host(pipe_of(error)) or RunnerBug(error)


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


def pipe_of(error: BaseException) -> BaseException:
    """The error itself; rich makes an exit of a pipe whose reader has gone."""
    broken = isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)
    return error.__context__ if broken and error.__context__ else error
