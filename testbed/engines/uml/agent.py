# SPDX-License-Identifier: GPL-2.0-only
"""Commands and files in a UML guest: the runner's side of ``images/boot/uml_init.c``.

Guest and runner take turns. While the runner computes, a guest with simulated time stands still, so
every wait here is one of guest time: a command that is waited for gets it, one that is not does
not. Waits take as long as the guest needs, which is the watchdog's business, not ours.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from testbed.dut.protocols import Completed, OutputSink
from testbed.engines.agent import (
    BASE_ENV,
    FILE_CAP_BYTES,
    FOLDER,
    WRITE_BYTES,
    Command,
    GuestAgent,
)
from testbed.errors import UNKILLED, GuestCommandFailed, GuestTimeout, LostVM, TestbedError

MESSAGE_CAP_BYTES = 16 << 20
SLICE_NS = 1_000_000_000
POLL_NS = 2_000_000
_KILL_NS = (*(POLL_NS,) * 100, *(SLICE_NS,) * 150)
"""Guest time that a killed process gets: one that waits for firmware ends a minute later, and of
one that waits for ever the kernel says so in two."""

MOST_ERRNO = 4095  # MAX_ERRNO of include/linux/err.h

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_TIME_BYTES, _ERROR_BYTES = 8, 13
_STATUS = struct.Struct("<II")


class Refused(Exception):
    """The agent refused a request; ``args[0]`` is the errno."""

    @property
    def why(self) -> str:
        """The errno in words; a guest may send any number."""
        number = self.args[0]
        return os.strerror(number) if number <= MOST_ERRNO else f"error {number}"


def _blob(content: bytes | str) -> bytes:
    data = os.fsencode(content) if isinstance(content, str) else content
    return _U32.pack(len(data)) + data


def _words(words: Sequence[str]) -> bytes:
    return _U32.pack(len(words)) + b"".join(map(_blob, words))


def _take_blob(answer: bytes, at: int) -> tuple[bytes, int]:
    """The blob at ``at`` and where the next field begins. Raises LostVM."""
    try:
        (length,) = _U32.unpack_from(answer, at)
    except struct.error as err:
        raise LostVM("the guest's agent sent a malformed response") from err
    end = at + _U32.size + length
    if end > len(answer):
        raise LostVM("the guest's agent sent a malformed response")
    return answer[at + _U32.size : end], end


def _exit_code(status: int) -> int:
    """The exit code of a wait status. Raises LostVM for one that no process ends with."""
    try:
        return os.waitstatus_to_exitcode(status)
    except (ValueError, OverflowError) as err:
        raise LostVM(f"the guest's agent tells of an end with status {status:#x}") from err


def _slice(waited_ns: int, left_ns: int | None) -> int:
    """How long to wait next: what the card does by its own clock comes when a turn ends, which is
    a second late at most, or a quarter of the wait."""
    length_ns = max(SLICE_NS, waited_ns // 4)
    return length_ns if left_ns is None else min(length_ns, left_ns)


def _take_state(command: Command, answer: bytes) -> bool:
    """What the guest says of a command it has waited for; True if that has ended. Raises LostVM."""
    if len(answer) < _STATUS.size:
        raise LostVM("the guest's agent sent a malformed response")
    ended, status = _STATUS.unpack_from(answer)
    out, at = _take_blob(answer, _STATUS.size)
    err, _ = _take_blob(answer, at)
    command.take("stdout", out)
    command.take("stderr", err)
    if not ended:
        return False
    command.returncode = _exit_code(status)
    command.seconds = time.monotonic() - command.started
    return True


class UmlAgent(GuestAgent[Command]):
    """The agent of one guest; a :class:`testbed.engines.agent.GuestAgent`.

    ``guard`` races an awaitable against the death of the machine; ``lose`` returns what to raise
    when the connection broke; ``after_turn`` is called after each answer; ``turns`` counts them.
    """

    def __init__(
        self,
        guard: Callable[[Awaitable[bytes]], Awaitable[bytes]],
        lose: Callable[[LostVM], Awaitable[TestbedError]],
        after_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._guard = guard
        self._lose = lose
        self._after_turn = after_turn
        self._numbers = itertools.count()
        self._turn = asyncio.Lock()
        self._broken = False
        self._answer: asyncio.Future[bytes] | None = None
        self.turns = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, connection: socket.socket) -> None:
        """Wait for the agent's greeting. Raises LostVM."""
        self._reader, self._writer = await asyncio.open_connection(
            sock=connection, limit=MESSAGE_CAP_BYTES
        )
        async with self._turn:
            await self._receive()

    async def close(self) -> None:
        """Drop the connection."""
        if self._answer is not None:
            self._answer.cancel()
            await asyncio.gather(self._answer, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    async def _receive(self) -> bytes:
        assert self._reader is not None
        try:
            (length,) = _U32.unpack(await self._guard(self._reader.readexactly(_U32.size)))
            if not 0 < length <= MESSAGE_CAP_BYTES:
                raise LostVM(f"the guest's agent announces a message of {length} bytes")
            answer = await self._guard(self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError) as err:
            self._broken = True
            raise await self._lose(LostVM("the connection to the guest's agent broke")) from err
        self.turns += 1
        self._after_turn()
        return answer

    async def _end_turn(self) -> bytes:
        """The answer that is due, if any. Who was cancelled while it waited leaves it to the next:
        a turn is not given up half-way.
        """
        if self._answer is None:
            return b""
        await asyncio.wait({self._answer})
        answer, self._answer = self._answer, None
        return answer.result()

    async def call(self, request: bytes) -> bytes:
        """One turn. Raises Refused, LostVM."""
        assert self._writer is not None
        async with self._turn:
            await self._end_turn()
            if self._broken:
                raise await self._lose(LostVM("the connection to the guest's agent broke"))
            self._writer.write(_blob(request))
            self._answer = asyncio.ensure_future(self._receive())
            answer = await self._end_turn()
        if len(answer) <= _TIME_BYTES:
            raise LostVM("the guest's agent sent a malformed response")
        if answer[_TIME_BYTES : _TIME_BYTES + 1] == b"e" and len(answer) >= _ERROR_BYTES:
            raise Refused(_U32.unpack_from(answer, _TIME_BYTES + 1)[0])
        return answer[_TIME_BYTES + 1 :]

    async def start(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> Command:
        """Start ``argv`` as leader of its own process group; ``netns`` names its network."""
        request = b"S" + self._what(argv, input, env, cwd, netns)
        command, rest = await self._begin(request, argv, sink)
        if rest:
            raise LostVM("the guest's agent sent a malformed response")
        return command

    def _what(
        self, argv: Sequence[str], input: bytes | None, env: Mapping[str, str] | None, cwd: str,
        netns: str | None,
    ) -> bytes:  # fmt: skip
        number = next(self._numbers)
        names = [f"{FOLDER}/{number}.out", f"{FOLDER}/{number}.err"]
        environment = {**BASE_ENV, **(env or {})}
        return b"".join(
            (
                _blob(netns or ""), _blob(cwd), _blob(input or b""), *map(_blob, names),
                _words(argv), _words([f"{name}={value}" for name, value in environment.items()]),
            )
        )  # fmt: skip

    async def _begin(
        self, request: bytes, argv: Sequence[str], sink: OutputSink | None
    ) -> tuple[Command, bytes]:
        """The command, and what the answer holds behind its process id."""
        started = time.monotonic()
        try:
            answer = await self.call(request)
        except Refused as refused:
            why = refused.why
            raise GuestCommandFailed(f"cannot start {argv[0]} in the guest: {why}") from refused
        if len(answer) < _U32.size:
            raise LostVM("the guest's agent sent a malformed response")
        (pid,) = _U32.unpack_from(answer)
        command = Command(argv=tuple(argv), pid=pid, started=started, sink=sink)
        return command, answer[_U32.size :]

    async def run(
        self, argv: Sequence[str], timeout_s: float | None, *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> Completed:  # fmt: skip
        """As :meth:`start` and :meth:`wait`, with a turn less."""
        first_ns = _slice(0, None if timeout_s is None else int(timeout_s * 1e9))
        request = b"R" + _U64.pack(first_ns) + self._what(argv, input, env, cwd, netns)

        async def begin() -> Command:
            command, rest = await self._begin(request, argv, sink)
            _take_state(command, rest)
            return command

        begun = asyncio.ensure_future(begin())
        try:
            command = await asyncio.shield(begun)
        except asyncio.CancelledError:
            with suppress(TestbedError):
                await asyncio.shield(self._kill_begun(begun))
            raise
        return await self._wait(command, timeout_s, begun=True)

    async def _kill_begun(self, begun: asyncio.Future[Command]) -> None:
        await self.kill(await begun)

    async def poll(self, command: Command, most_ns: int = POLL_NS) -> bool:
        """Let the guest run for ``most_ns`` or until the command's end; True once it has ended."""
        if command.returncode is not None:
            return True
        request = b"W" + _U32.pack(command.pid) + _U64.pack(most_ns)
        try:
            answer = await self.call(request)
        except Refused as refused:
            raise LostVM(f"the guest's agent has lost process {command.pid}") from refused
        return _take_state(command, answer)

    async def wait(self, command: Command, timeout_s: float | None) -> Completed:
        """Wait for the end; after ``timeout_s`` of guest time kill it and raise GuestTimeout.

        A cancelled wait kills the command as well.
        """
        return await self._wait(command, timeout_s, begun=False)

    async def _wait(self, command: Command, timeout_s: float | None, *, begun: bool) -> Completed:
        """The first wait has been, if it has ``begun``."""
        waited_ns, left_ns = 0, None if timeout_s is None else int(timeout_s * 1e9)
        try:
            while True:
                slice_ns = _slice(waited_ns, left_ns)
                if waited_ns or not begun:
                    await self.poll(command, slice_ns)
                if command.returncode is not None:
                    break
                waited_ns += slice_ns
                if left_ns is not None:
                    left_ns -= slice_ns
                    if left_ns <= 0:
                        await self.kill(command)
                        raise GuestTimeout(
                            f"{command.argv[0]} did not end within {timeout_s:g} s and was killed"
                        )
        except asyncio.CancelledError:
            with suppress(TestbedError):
                await asyncio.shield(self.kill(command))
            raise
        return command.completed()

    async def kill(self, command: Command) -> Completed:
        """Kill the process group and collect the result."""
        if command.returncode is None:
            await self.call(b"K" + _U32.pack(command.pid))
            for wait_ns in _KILL_NS:
                if await self.poll(command, wait_ns):
                    break
            else:
                raise LostVM(f"process {command.pid} of the guest {UNKILLED}")
        return command.completed()

    async def put(self, data: bytes, target: str) -> None:
        """Write ``data`` to the file ``target``. Raises GuestCommandFailed."""
        for start in range(0, max(len(data), 1), WRITE_BYTES):
            piece = data[start : start + WRITE_BYTES]
            head = b"P" + _U32.pack(start > 0)
            await self._file_call(head + _blob(target) + _blob(piece), target)

    async def get(self, source: str) -> bytes:
        """Return the content of ``source``, at most FILE_CAP_BYTES. Raises GuestCommandFailed."""
        content = bytearray()
        while True:
            request = b"G" + _U64.pack(len(content)) + _blob(source)
            piece, _ = _take_blob(await self._file_call(request, source), 0)
            content += piece
            if not piece:
                return bytes(content)
            if len(content) > FILE_CAP_BYTES:
                raise GuestCommandFailed(f"{source} in the guest is larger than 1 GiB")

    async def _file_call(self, request: bytes, path: str) -> bytes:
        try:
            return await self.call(request)
        except Refused as refused:
            raise GuestCommandFailed(f"{path} in the guest: {refused.why}") from refused

    async def power_off(self) -> None:
        """Ask the guest to power off; the machine sees its end."""
        assert self._writer is not None
        async with self._turn:
            self._writer.write(_blob(b"Q"))
            await self._writer.drain()
