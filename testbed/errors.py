# SPDX-License-Identifier: GPL-2.0-only
"""Errors by who is at fault. The kind of an error decides the exit code and the verdict.

::

    TestbedError
     ├── UsageProblem          2  the caller: option, file, key
     │    └── ConfigProblem       names file, key and allowed values
     ├── EnvironmentProblem    3  the host: registry, disk, QEMU
     │    ├── LaunchFailure       a program did not start: command, exit code, end of its log
     │    └── NotPutBack          a machine of a lab is not as it was found
     ├── ModelFailure          4  the card raised, or died
     ├── LostVM                5  the guest paniced, hung, or QEMU died
     ├── GuestCommandFailed    1  a checked guest command returned non-zero
     └── GuestTimeout          1  a guest command ran out of time and was killed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path
from shlex import join
from typing import Any


class ExitCode(IntEnum):
    """What a ``testbed`` command returns to its caller.

    ``CHANGED``: nothing is wrong, but known issues are not as on record (``testbed findings``).
    """

    PASS = 0
    TEST_FAILURE = 1
    USAGE = 2
    ENVIRONMENT = 3
    MODEL = 4
    LOST_VM = 5
    CHANGED = 6


class TestbedError(Exception):
    """An error whose origin is known.

    ``message`` says what happened, ``remedy`` what the reader can do about it, ``log_path`` where
    the whole story is.
    """

    __test__ = False  # pytest: not a test class
    exit_code = ExitCode.ENVIRONMENT
    fault = "environment"

    def __init__(
        self, message: str, *, remedy: str | None = None, log_path: Path | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.log_path = log_path

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as it is, whatever its constructor takes: a worker's error is told elsewhere."""
        return _rebuilt, (type(self), self.args, vars(self))

    def lines(self) -> Iterable[str]:
        """The error as lines for a person, most important first."""
        yield from self.message.splitlines() or [""]
        if self.remedy:
            yield f"remedy: {self.remedy}"
        if self.log_path:
            yield f"log: {self.log_path}"


def _rebuilt(
    kind: type[TestbedError], args: tuple[Any, ...], facts: dict[str, Any]
) -> TestbedError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error


class UsageProblem(TestbedError):
    """The caller asked for something that cannot be done."""

    exit_code = ExitCode.USAGE
    fault = "usage"


class ConfigProblem(UsageProblem):
    """A configuration file holds a wrong key or value."""

    def __init__(
        self, file: Path, key: str, problem: str, *, allowed: Sequence[str] | None = None
    ) -> None:
        remedy = f"allowed: {', '.join(allowed)}" if allowed else None
        super().__init__(f"{file}: {key}: {problem}", remedy=remedy)
        self.file = file
        self.key = key


class EnvironmentProblem(TestbedError):
    """The host lacks something: a registry, a program, disk space, a right."""


class NotPutBack(EnvironmentProblem):
    """A machine of a lab is not as it was found. Nothing may hide this error."""


class LaunchFailure(EnvironmentProblem):
    """A program could not be started, or ended before it was of use.

    ``command`` is the argument vector, ``returncode`` as in ``subprocess`` (None: never ran).
    """

    def __init__(
        self, message: str, *, command: Sequence[str], returncode: int | None, log_tail: str = "",
        remedy: str | None = None, log_path: Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, remedy=remedy, log_path=log_path)
        self.command = tuple(command)
        self.returncode = returncode
        self.log_tail = log_tail

    def lines(self) -> Iterable[str]:
        """The error, then the command, how it ended and the end of its log."""
        yield from super().lines()
        yield f"command: {join(self.command)}"
        yield f"ended with: {describe_returncode(self.returncode)}"
        if self.log_tail:
            yield "end of its log:"
            yield from ("  " + line for line in self.log_tail.splitlines())


class ModelFailure(TestbedError):
    """The card itself failed; never blamed on the kernel under test."""

    exit_code = ExitCode.MODEL
    fault = "model"

    def __init__(self, message: str, *, traceback: str = "", log_path: Path | None = None) -> None:
        super().__init__(message, log_path=log_path)
        self.traceback = traceback

    def lines(self) -> Iterable[str]:
        """The error, then the card's traceback."""
        yield from super().lines()
        yield from ("  " + line for line in self.traceback.splitlines())


UNKILLED = "cannot be killed"
"""What is said of a machine that is lost because a process stays in its kernel."""


class LostVM(TestbedError):
    """The guest is gone: it paniced, it hangs, or QEMU died.

    :ivar stuck: of one with a process that cannot be killed, where its tasks wait, safe to print.
    """

    exit_code = ExitCode.LOST_VM
    fault = "lost VM"

    def __init__(self, message: str, *, log_tail: str = "", log_path: Path | None = None) -> None:
        super().__init__(message, log_path=log_path)
        self.log_tail = log_tail
        self.stuck = ""

    def lines(self) -> Iterable[str]:
        """The error, what waits in the kernel, then the end of the kernel log."""
        yield from super().lines()
        if self.stuck:
            yield "tasks that wait in its kernel:"
            yield from ("  " + line for line in self.stuck.splitlines())
        if self.log_tail:
            yield "end of the kernel log:"
            yield from ("  " + line for line in self.log_tail.splitlines())


class GuestCommandFailed(TestbedError):
    """A guest command that had to succeed did not."""

    exit_code = ExitCode.TEST_FAILURE
    fault = "test"


class GuestTimeout(TestbedError):
    """A guest command ran out of time; it and its process group were killed."""

    exit_code = ExitCode.TEST_FAILURE
    fault = "test"


def describe_returncode(returncode: int | None) -> str:
    """A subprocess return code in words: negative values are signals."""
    if returncode is None:
        return "not started"
    if returncode < 0:
        return f"signal {-returncode}"
    return f"exit code {returncode}"


def full_disk(path: Path, err: OSError) -> EnvironmentProblem:
    """A file of the run could not be written."""
    return EnvironmentProblem(
        f"cannot write {path}: {err.strerror}", remedy="free some space, or use --run-dir"
    )
