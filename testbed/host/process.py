# SPDX-License-Identifier: GPL-2.0-only
"""A jailed program of the run: start, capped log, and the ladder that ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import join

from images.jail import host
from images.jail.spec import PROGRAM_PID, JailSpec
from images.jail.start import JailReport, enter_words, weaker_allowed
from testbed.errors import EnvironmentProblem, LaunchFailure, describe_returncode
from testbed.host import memory, starter
from testbed.host.private import PrivateFolder
from testbed.host.starter import Started
from testbed.host.terminal import escape

_log = logging.getLogger("testbed.process")

LOG_CAP_BYTES = 1 << 20
TAIL_BYTES = 4096
PROCESSES = 1024
"""And threads, most that a jailed program has, if it is not told otherwise."""


class CappedLog:
    """Keeps the first LOG_CAP_BYTES of a stream in a file and its last bytes in memory.

    A dead device makes QEMU write megabytes a second; the file must not follow.
    """

    def __init__(self, path: Path, cap_bytes: int = LOG_CAP_BYTES) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._left = cap_bytes
        self._dropped = 0
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        kept = data[: self._left]
        try:
            self._file.write(kept)
        except OSError:  # a full disk; what the program wrote last is still in memory
            kept = b""
        self._left -= len(kept)
        self._dropped += len(data) - len(kept)
        self._tail += data[-TAIL_BYTES:]
        del self._tail[:-TAIL_BYTES]

    def tail(self, lines: int = 20) -> str:
        """The last lines of the stream, safe to print."""
        text = self._tail.decode("utf-8", errors="replace")
        return "\n".join(escape(line) for line in text.splitlines()[-lines:])

    def close(self) -> None:
        """Note what was dropped and close the file."""
        if self._file.closed:
            return
        with suppress(OSError):
            if self._dropped:
                self._file.write(f"\n[{self._dropped} more bytes dropped]\n".encode())
        self._file.close()


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, IndexError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(entry.name))
    return found


def _pid_inside(pid: int) -> int | None:
    """Its id in the PID namespace it lives in, if that is another one than ours."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) > 1 else None
    return None


class Process:
    """A running jailed program. Made by :func:`spawn`; its methods run in the machine's loop."""

    def __init__(
        self, name: str, argv: Sequence[str], child: Started, log: CappedLog,
        private: PrivateFolder,
    ) -> None:  # fmt: skip
        self.name = name
        self.argv = tuple(argv)
        self.log = log
        self._child = child
        self._private = private
        self.jail = JailReport()
        self._oom_kills = memory.oom_kills()
        self._drain = asyncio.create_task(self._drain_output())
        self.ended: asyncio.Task[int] = asyncio.create_task(self._wait())

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group."""
        return self._child.pid

    @property
    def program_pid(self) -> int:
        """The program's own: that of the jail's grandchild, if it has a PID namespace."""
        for first in _children(self.pid):
            for second in _children(first):
                if _pid_inside(second) == PROGRAM_PID:
                    return second
        return self.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._child.returncode

    async def _drain_output(self) -> None:
        while data := await self._child.output.read(1 << 16):
            self.log.feed(data)
        self.log.close()

    async def _wait(self) -> int:
        returncode = await self._child.wait()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._drain), 1.0)
        return returncode

    async def while_it_begins(self, report: Awaitable[bytes]) -> JailReport:
        """What its jail says; should the caller not wait for that, the program ends."""
        try:
            return JailReport.parse((await report).decode(errors="replace"))
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            raise

    def launch_failure(self, message: str, remedy: str | None = None) -> LaunchFailure:
        """An error that carries the command, how it ended and the end of its log."""
        return LaunchFailure(
            message, command=self.argv, returncode=self.returncode, log_tail=self.log.tail(),
            log_path=self.log.path, remedy=remedy,
        )  # fmt: skip

    def killed_for_memory(self) -> EnvironmentProblem | None:
        """The problem that this host's kernel killed it for lack of memory; None if it has not."""
        if self.returncode != -signal.SIGKILL or memory.oom_kills() == self._oom_kills:
            return None
        return EnvironmentProblem(
            f"this host ran out of memory, and its kernel killed {self.name}",
            remedy=memory.REMEDY, log_path=self.log.path,
        )  # fmt: skip

    def describe_end(self) -> str:
        """How it ended, in words."""
        return f"{self.name} ended with {describe_returncode(self.returncode)}"

    async def stop(self, soft_s: float) -> None:
        """Give it ``soft_s`` to end by itself, then SIGTERM, then SIGKILL; always clean."""
        for number, patience_s in ((None, soft_s), (signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0)):
            if number is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, number)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), patience_s)
                break
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._private.group_gone(self.pid)
        self._drain.cancel()
        self._child.let_go()
        self.log.close()


async def spawn(
    name: str, argv: Sequence[str], *, private: PrivateFolder, log_path: Path, uid: int | None,
    filter: str = "program", read: Sequence[Path] = (), write: Sequence[Path] = (),
    owned: Sequence[Path] = (), memory: Mapping[str, int] | None = None,
    devices: Sequence[str] = (), names: Sequence[Path] = (),
    limits: Mapping[str, int] | None = None, groups: Sequence[int] = (), fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None, cwd: Path = Path("/"), stdout: int | None = None,
    core: int | None = None,
) -> Process:  # fmt: skip
    """Start ``argv`` in a jail, its output in ``log_path``, and return when it has begun.

    It has the libraries of the host, and of all else what is named: see
    :class:`images.jail.spec.JailSpec`, but ``read``, ``write`` and ``owned`` lie where they
    are on the host.
    With ``stdout``, a descriptor, only its standard error goes to the log.

    Raises LaunchFailure if it cannot begin; with the remedy, if this host does not allow the jail.
    Raises EnvironmentProblem if no reaper is there.
    """
    _log.debug("%s: %s", name, join(map(str, argv)))
    spec = JailSpec(
        filter=filter, parent=os.getpid(), uid=uid, cwd=str(cwd), write=host.at_home(write),
        owned=list(host.at_home(owned)), memory=memory, names=map(str, names), groups=groups,
        limits={"NPROC": PROCESSES, **(limits or {})}, core=core, weaker=weaker_allowed(),
        **host.surroundings(read, devices),
    )  # fmt: skip
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(reader, "rb") as report:
        try:
            process = await _start(
                name, argv, enter_words(spec, argv, writer), CappedLog(log_path), private, stdout,
                env, [*fds, writer],
            )  # fmt: skip
        finally:
            os.close(writer)
        process.jail = await process.while_it_begins(asyncio.to_thread(report.read))
    if process.jail.failure is not None:
        await asyncio.shield(process.ended)
        await process.stop(0)
        raise process.launch_failure(
            f"cannot start {name}: {process.jail.failure}", process.jail.remedy
        )
    return process


async def _start(
    name: str, argv: Sequence[str], words: Sequence[str], log: CappedLog, private: PrivateFolder,
    stdout: int | None, env: Mapping[str, str] | None, fds: Sequence[int],
) -> Process:  # fmt: skip
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    try:
        child = await starter.start(words, env={**path, **(env or {})}, fds=fds, stdout=stdout)
    except OSError as err:
        log.close()
        raise LaunchFailure(
            f"cannot start {name}: {err.strerror}", command=argv, returncode=None
        ) from err
    process = Process(name, argv, child, log, private)
    try:
        private.watch_group(child.pid)
    except EnvironmentProblem:
        await process.stop(0.0)
        raise
    return process
