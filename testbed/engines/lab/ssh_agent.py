# SPDX-License-Identifier: GPL-2.0-only
"""Commands and files on a lab machine; see :class:`testbed.engines.agent.GuestAgent`.

All run under one lab_agent there (images/lab, which describes the frames), over one session of
the connection: a command costs a round trip, not a login. It reports process ids and how commands
ended: one that failed and a connection that broke are never taken for each other.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from testbed.dut.protocols import Completed, OutputSink
from testbed.engines.agent import Command, GuestAgent
from testbed.engines.lab.ssh import FAILED, SshConnection
from testbed.errors import UNKILLED, GuestCommandFailed, GuestTimeout, LostVM, TestbedError

Guard = Callable[[Awaitable[object]], Awaitable[object]]

START_TIMEOUT_S = 60.0
KILL_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 5.0
HEADER_BYTES = 20
FRAME_CAP_BYTES = 1 << 20  # lab_agent's are of 64 KiB at most
STREAMS = {"O": "stdout", "E": "stderr"}


def frame(kind: str, number: int, data: bytes = b"") -> bytes:
    """One frame of lab_agent's protocol."""
    return f"{kind} {number:08x} {len(data):08x}\n".encode() + data


@dataclass(kw_only=True)
class SshCommand(Command):
    """A command on the machine."""

    number: int
    started_remotely: asyncio.Future[None]
    ended: asyncio.Future[None]

    def fail(self, error: TestbedError) -> None:
        """Raise ``error`` in all waiters."""
        for waiting in (self.started_remotely, self.ended):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # nobody need be waiting


class SshAgent(GuestAgent[SshCommand]):
    """One machine over one connection, all commands in ``folder``'s name.

    ``guard`` races an awaitable against the loss of the machine; ``become_lost`` says that the
    connection broke and returns what to raise.
    """

    def __init__(
        self, connection: SshConnection, folder: str, guard: Guard,
        become_lost: Callable[[str], TestbedError],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._folder = folder
        self._guard = guard
        self._become_lost = become_lost
        self._numbers = itertools.count(1)
        self._commands: dict[int, SshCommand] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._has_output = False
        self._lock = asyncio.Lock()

    async def start(
        self, argv: Sequence[str], *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> SshCommand:  # fmt: skip
        """See :meth:`testbed.engines.agent.GuestAgent.start`."""
        loop = asyncio.get_running_loop()
        command = SshCommand(
            argv=tuple(argv), pid=0, started=time.monotonic(), sink=sink,
            number=next(self._numbers), started_remotely=loop.create_future(),
            ended=loop.create_future(),
        )  # fmt: skip
        prefix = [] if netns is None else ["ip", "netns", "exec", netns]
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        words = [cwd, *variables, "--", *prefix, *argv]
        data = b"".join(word.encode() + b"\0" for word in words)
        frames = frame("R", command.number, data)
        if input:
            frames = frame("I", command.number, input) + frames
        self._commands[command.number] = command
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._send(frames)
                await self._guard(command.started_remotely)
        except TimeoutError:
            raise self._become_lost(
                f"{argv[0]} could not be started for {START_TIMEOUT_S:.0f} s"
            ) from None
        return command

    async def _send(self, frames: bytes) -> None:
        """Have lab_agent read these; it is started for the first."""
        async with self._lock:
            if self._process is None:
                words = [f"{self._folder}/bin/lab_agent", self._folder]
                self._process = await self._connection.start(words)
                self._reader = asyncio.create_task(self._read(self._process))
            assert self._process.stdin is not None
            with suppress(BrokenPipeError, ConnectionResetError):  # the reader says why
                self._process.stdin.write(frames)
                await self._process.stdin.drain()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand out what lab_agent says until it ends."""
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        output = ""
        try:
            while True:
                header = (await process.stdout.readexactly(HEADER_BYTES)).decode()
                self._has_output = True
                kind, number, length = header.split()
                if int(length, 16) > FRAME_CAP_BYTES:
                    raise ValueError("too long")
                data = await process.stdout.readexactly(int(length, 16))
                self._handle_frame(kind, int(number, 16), data)
        except asyncio.IncompleteReadError:
            pass
        except ValueError as error:
            output = f"lab_agent sent a malformed frame: {error}"
            process.kill()
        output = output or (await errors).decode(errors="replace").strip()
        await process.wait()
        self._ended(process, output)

    def _handle_frame(self, kind: str, number: int, data: bytes) -> None:
        command = self._commands.get(number)
        if command is None:
            return
        if kind in STREAMS:
            command.take(STREAMS[kind], data)
        elif kind == "S":
            command.pid = int(data)
            if not command.started_remotely.done():
                command.started_remotely.set_result(None)
        elif kind == "X":
            del self._commands[number]
            command.seconds = time.monotonic() - command.started
            command.returncode = int(data)
            command.ended.set_result(None)
        elif kind == "F":
            del self._commands[number]
            command.fail(self._cannot_start(command, data.decode(errors="replace")))

    def _cannot_start(self, command: SshCommand, output: str) -> GuestCommandFailed:
        return GuestCommandFailed(
            f"cannot start {command.argv[0]} on {self._connection.name}: {output}"
        )

    def _ended(self, process: asyncio.subprocess.Process, output: str) -> None:
        """There is no lab_agent any more: what it ran is cut off."""
        self._process = None
        commands, self._commands = self._commands, {}
        for command in commands.values():
            if process.returncode != FAILED and not self._has_output:
                command.fail(self._cannot_start(command, output))
            else:
                what = f"{command.argv[0]} was cut off: {output or 'its exit status is unknown'}"
                command.fail(self._become_lost(what))

    async def poll(self, command: SshCommand) -> bool:
        """Take in what is new; True once the command has ended. Raises LostVM."""
        await asyncio.sleep(0)
        if command.ended.done():
            command.ended.result()
            return True
        return False

    async def wait(self, command: SshCommand, timeout_s: float | None) -> Completed:
        """Wait for the end; after ``timeout_s`` kill it and raise GuestTimeout. Raises LostVM."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._guard(asyncio.shield(command.ended))
        except TimeoutError:
            await self.kill(command)
            raise GuestTimeout(
                f"{command.argv[0]} did not end within {timeout_s:g} s and was killed"
            ) from None
        except asyncio.CancelledError:
            with suppress(LostVM):
                await asyncio.shield(self.kill(command))
            raise
        return command.completed()

    async def kill(self, command: SshCommand) -> Completed:
        """Kill the process group and collect the result. Raises LostVM."""
        if not command.ended.done():
            await self._send(frame("K", command.number))
            try:
                async with asyncio.timeout(KILL_TIMEOUT_S):
                    await self._guard(asyncio.shield(command.ended))
            except TimeoutError:
                raise self._become_lost(f"process {command.pid} {UNKILLED}") from None
        command.ended.result()
        return command.completed()

    async def put(self, data: bytes, target: str) -> None:
        """Write ``data`` to the file ``target``. Raises GuestCommandFailed, LostVM."""
        command = await self.start(["sh", "-c", 'cat >"$1"', "sh", target], input=data)
        (await self.wait(command, None)).check()

    async def get(self, source: str) -> bytes:
        """Return the content of ``source``. Raises GuestCommandFailed, LostVM."""
        command = await self.start(["cat", "--", source])
        return (await self.wait(command, None)).check().stdout

    async def close(self) -> None:
        """End lab_agent, and whatever it still runs; never fails."""
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(reader), CLOSE_TIMEOUT_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
