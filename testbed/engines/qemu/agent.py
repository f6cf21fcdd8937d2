# SPDX-License-Identifier: GPL-2.0-only
"""Commands and files in a guest, through qemu-guest-agent on a virtio-serial port.

The agent speaks QMP without greeting, so qemu.qmp carries it; requests are pipelined, since each
round trip costs an emulated CPU a millisecond. A command's output goes to files in the guest's
memory and is read while it grows: it streams, and a daemon that keeps its standard output open
holds nobody up. The guest is not trusted: every wait has a limit, every reply is checked, and
what does not fit is a lost VM, never a surprise in the runner.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import json
import logging
import math
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from qemu.qmp import ExecuteError, Message, QMPClient, QMPError
from qemu.qmp.error import ProtocolError

from testbed.dut.protocols import Completed, OutputSink
from testbed.engines.agent import BASE_ENV, FILE_CAP_BYTES, FOLDER, WRITE_BYTES, Command, GuestAgent
from testbed.errors import UNKILLED, GuestCommandFailed, GuestTimeout, LostVM, TestbedError
from testbed.host.pace import Pace

T = TypeVar("T")

CALL_TIMEOUT_S = 20.0
KILL_TIMEOUT_S = 10.0  # the end of a process may reopen the NIC: its XDP program goes
KILL_AGAIN_S = 0.5
REPLY_CAP_BYTES = 8 << 20
NESTING_CAP = 500  # brackets in one reply: the JSON parser recurses
REASON_CHARACTERS = 200
READ_BYTES = 1 << 18
POLL_FIRST_S, POLL_LAST_S = 0.002, 0.1
# $1 stdout, $2 stderr, $3 working directory, then the command
_WRAPPER = (
    'exec >>"$1" 2>>"$2"; [ -z "$3" ] || { exec <"$3"; rm "$3"; }; '
    'cd "$4" || exit 125; shift 4; exec "$@"'
)
INLINE_INPUT_BYTES = 1 << 10
"""Longer input goes through a file."""
UNANSWERED_BYTES = 3 << 10
"""Requests that may be under way at once. The agent reads 4096 bytes at a time through a GLib
channel, which may take up to 1023 more from the port. While those wait in the channel every answer
is lost, since writing to it then wants to seek (glib/giochannel.c, g_io_channel_write_chars(); a
character device passes for seekable), and they wait until the port is readable again
(glib/giounix.c, g_io_unix_prepare()). A longer request goes alone, and is followed by
empty lines until it is answered."""
REQUEST_BYTES = 80  # of a request around its command and arguments
NUDGE_S = 0.1

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # what the guest says is not our log


class _AgentClient(QMPClient):
    """QMP as the guest agent speaks it: no greeting, no events."""

    def __init__(self) -> None:
        super().__init__("agent", readbuflen=REPLY_CAP_BYTES)
        self.await_greeting = False
        self.negotiate = False
        self.events.event_filter = lambda _event: False  # nobody reads the queue: keep it empty
        self._turn = asyncio.Lock()
        self._unanswered = 0
        self._answered = asyncio.Event()

    async def ask(self, command: str, arguments: Mapping[str, object]) -> object:
        """Like ``execute()``, but never more at once than the agent bears."""
        size = REQUEST_BYTES + len(command) + len(json.dumps(arguments))
        async with self._turn:
            while self._unanswered and self._unanswered + size > UNANSWERED_BYTES:
                self._answered.clear()
                await self._answered.wait()
            self._unanswered += size
        try:
            if size > UNANSWERED_BYTES:
                return await self._push(command, arguments)
            return await self.execute(command, dict(arguments))
        finally:
            self._unanswered -= size
            self._answered.set()

    async def _push(self, command: str, arguments: Mapping[str, object]) -> object:
        answer = asyncio.ensure_future(self.execute(command, dict(arguments)))
        try:
            while not (await asyncio.wait({answer}, timeout=NUDGE_S))[0]:
                if self._writer is not None and not self._writer.is_closing():
                    self._writer.write(b"\n")
            return answer.result()
        finally:
            answer.cancel()

    async def _do_recv(self) -> Message:
        line = await self._readline()
        if line.count(b"[") + line.count(b"{") > NESTING_CAP:
            raise ProtocolError("the reply is nested too deeply")
        return Message(line, eager=True)


@dataclass(kw_only=True)
class QgaCommand(Command):
    """A command whose output goes to ``files`` of the guest, read through ``handles``."""

    files: list[str]
    handles: dict[str, int]
    grew: bool = False

    @property
    def wants_more(self) -> bool:
        """Somebody takes what it writes: a sink without limit, a capture up to its cap."""
        return self.sink is not None or not self.truncated


def _field(reply: object, name: str, kind: type[T]) -> T:
    value = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(value, kind):
        raise LostVM(f"the guest agent answered nonsense (no {kind.__name__} {name!r})")
    return value


def _integer(reply: object) -> int:
    if isinstance(reply, bool) or not isinstance(reply, int):
        raise LostVM("the guest agent answered nonsense (no integer)")
    return reply


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise LostVM("the guest agent answered nonsense (no base64)") from err


class Agent(GuestAgent[QgaCommand]):
    """The agent of one guest.

    ``guard`` races an awaitable against the death of the machine; ``lose`` is called when the guest
    no longer answers, and returns what to raise: the machine's owner may know the cause.

    ``pace`` stretches the time an answer may take, and is told how long programs take to start.
    """

    def __init__(
        self,
        guard: Callable[[Awaitable[object]], Awaitable[object]],
        lose: Callable[[LostVM], Awaitable[TestbedError]],
        pace: Pace,
    ) -> None:
        self._guard = guard
        self._lose = lose
        self._pace = pace
        self._client = _AgentClient()
        self._numbers = itertools.count()

    async def connect(self, connection: socket.socket, *, woken: bool = False) -> None:
        """Wait until the agent answers, however long that takes. Raises LostVM.

        A guest that is ``woken`` has been connected to before, and its clock stands at that time.
        """
        await self._client.connect(connection)
        await self.call("guest-ping", timeout_s=math.inf)
        first = {"path": "/bin/mkdir", "arg": ["-p", "-m", "700", FOLDER]}
        if woken:
            first = {"path": "/bin/date", "arg": ["-s", f"@{time.time():.3f}"]}
        pid = _field(await self.call("guest-exec", first), "pid", int)
        delay_s = POLL_FIRST_S
        while not _field(await self.call("guest-exec-status", {"pid": pid}), "exited", bool):
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, POLL_LAST_S)

    async def close(self) -> None:
        """Drop the connection."""
        with suppress(QMPError, OSError, EOFError, ValueError):  # why it broke was reported
            await self._client.disconnect()

    async def call(
        self, command: str, arguments: Mapping[str, object] | None = None, *,
        timeout_s: float | None = None,
    ) -> object:  # fmt: skip
        """One request. Raises ExecuteError when the agent refuses, LostVM when it is gone."""
        if timeout_s is None:
            timeout_s = CALL_TIMEOUT_S * self._pace.patience
        try:
            async with asyncio.timeout(None if timeout_s == math.inf else timeout_s):
                return await self._guard(self._client.ask(command, arguments or {}))
        except ExecuteError:
            raise
        except TimeoutError as err:
            lost = LostVM(f"the guest does not answer ({command}, {timeout_s:.0f} s)")
            raise await self._lose(lost) from err
        except (QMPError, ValueError, OSError, EOFError) as err:
            why = repr(err)[:REASON_CHARACTERS]  # it may quote all the guest sent
            lost = LostVM(f"the connection to the guest agent broke ({command}: {why})")
            raise await self._lose(lost) from err

    async def start(
        self, argv: Sequence[str], *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> QgaCommand:  # fmt: skip
        """Start ``argv`` as leader of its own process group; ``netns`` names its network."""
        number = next(self._numbers)  # never reused: a daemon may hold its output for long
        names = [f"{FOLDER}/{number}.out", f"{FOLDER}/{number}.err"]
        prefix = [] if netns is None else ["/sbin/ip", "netns", "exec", netns]
        source = ""
        if input is not None and len(input) > INLINE_INPUT_BYTES:
            source = f"{FOLDER}/{number}.in"
            await self.put(input, source)
        outer = ["/usr/bin/setsid", "/bin/sh", "-c", _WRAPPER, "sh", *names, source, cwd]
        words = [*prefix, *outer, *argv]
        request: dict[str, object] = {
            "path": words[0],
            "arg": words[1:],
            "env": [f"{name}={value}" for name, value in {**BASE_ENV, **(env or {})}.items()],
        }
        if input is not None and not source:
            request["input-data"] = base64.b64encode(input).decode()
        started = time.monotonic()
        try:
            out, err, reply = await asyncio.gather(
                *(self.call("guest-file-open", {"path": name, "mode": "w+"}) for name in names),
                self.call("guest-exec", request),
            )
        except ExecuteError as refused:
            raise GuestCommandFailed(f"cannot start {argv[0]} in the guest: {refused}") from refused
        self._pace.answered(time.monotonic() - started)
        handles = {"stdout": _integer(out), "stderr": _integer(err)}
        pid = _field(reply, "pid", int)
        return QgaCommand(
            argv=tuple(argv), pid=pid, started=started, sink=sink, files=names, handles=handles
        )

    async def poll(self, command: QgaCommand) -> bool:
        """Take in what is new; True once the command has ended (its result is then complete)."""
        if command.returncode is not None:
            return True
        status, *grew = await asyncio.gather(
            self.call("guest-exec-status", {"pid": command.pid}),
            *(self._read_output(command, name) for name in command.handles),
        )
        command.grew = any(grew)
        if not _field(status, "exited", bool):
            return False
        seconds = time.monotonic() - command.started
        for name in command.handles:
            while command.wants_more and await self._read_output(command, name):
                pass
        await asyncio.gather(
            *(self.call("guest-file-close", {"handle": h}) for h in command.handles.values())
        )
        for file, content in zip(command.files, command.captured.values(), strict=True):
            if len(content) >= READ_BYTES:
                await self._with_file(file, "w", self._nothing)  # give the memory back
        command.returncode, command.seconds = self._returncode(status), seconds
        return True

    @staticmethod
    async def _nothing(_handle: int) -> None:
        return None

    @staticmethod
    def _returncode(status: object) -> int:
        if isinstance(status, dict) and "signal" in status:
            return -_field(status, "signal", int)
        return _field(status, "exitcode", int)

    async def _read_output(self, command: QgaCommand, name: str) -> bool:
        """Read the next piece of one output; True if there may be more."""
        request = {"handle": command.handles[name], "count": READ_BYTES}
        data = _decode(_field(await self.call("guest-file-read", request), "buf-b64", str))
        command.take(name, data)
        return bool(data)

    async def wait(self, command: QgaCommand, timeout_s: float | None) -> Completed:
        """Wait for the end; after ``timeout_s`` kill it and raise GuestTimeout.

        A cancelled wait kills the command as well.
        """
        delay_s = POLL_FIRST_S
        began, patience = time.monotonic(), self._pace.patience
        try:
            while not await self.poll(command):
                more = max(1.0, self._pace.patience / patience)  # slower than when it began
                if timeout_s is not None and time.monotonic() - began > timeout_s * more:
                    await self.kill(command)
                    raise GuestTimeout(
                        f"{command.argv[0]} did not end within {timeout_s:g} s and was killed"
                    )
                await asyncio.sleep(delay_s)
                delay_s = POLL_FIRST_S if command.grew else min(delay_s * 1.5, POLL_LAST_S)
        except asyncio.CancelledError:
            with suppress(LostVM):
                await asyncio.shield(self.kill(command))
            raise
        return command.completed()

    async def kill(self, command: QgaCommand) -> Completed:
        """Kill the process group and collect the result.

        Again and again: a command that has only just begun leads no group yet.
        """
        deadline = time.monotonic() + KILL_TIMEOUT_S * self._pace.patience
        again = 0.0
        while command.returncode is None:
            if time.monotonic() >= again:
                words = ["-c", f"kill -s KILL -- -{command.pid}"]
                with suppress(ExecuteError):
                    await self.call("guest-exec", {"path": "/bin/sh", "arg": words})
                again = time.monotonic() + KILL_AGAIN_S
            if await self.poll(command):
                break
            if time.monotonic() > deadline:
                raise LostVM(f"process {command.pid} of the guest {UNKILLED}")
            await asyncio.sleep(0.05)
        return command.completed()

    async def put(self, data: bytes, target: str) -> None:
        """Write ``data`` to the file ``target``. Raises GuestCommandFailed."""
        await self._with_file(target, "wb", lambda handle: self._write_all(handle, data))

    async def get(self, source: str) -> bytes:
        """Return the content of ``source``, at most FILE_CAP_BYTES. Raises GuestCommandFailed."""
        return await self._with_file(source, "rb", lambda handle: self._read_all(handle, source))

    async def _with_file(self, path: str, mode: str, work: Callable[[int], Awaitable[T]]) -> T:
        try:
            handle = _integer(await self.call("guest-file-open", {"path": path, "mode": mode}))
            try:
                return await work(handle)
            finally:
                await self.call("guest-file-close", {"handle": handle})
        except ExecuteError as refused:
            raise GuestCommandFailed(f"{path} in the guest: {refused}") from refused

    async def _write_all(self, handle: int, data: bytes) -> None:
        for start in range(0, len(data), WRITE_BYTES):
            piece = base64.b64encode(data[start : start + WRITE_BYTES]).decode()
            await self.call("guest-file-write", {"handle": handle, "buf-b64": piece})

    async def _read_all(self, handle: int, source: str) -> bytes:
        content = bytearray()
        while True:
            reply = await self.call("guest-file-read", {"handle": handle, "count": READ_BYTES})
            content += _decode(_field(reply, "buf-b64", str))
            if len(content) > FILE_CAP_BYTES:
                raise GuestCommandFailed(f"{source} in the guest is larger than 1 GiB")
            if _field(reply, "eof", bool):
                return bytes(content)
