# SPDX-License-Identifier: GPL-2.0-only
"""Commands and files in a guest, whichever way they get there: what each engine's agent offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from testbed.dut.protocols import Completed, OutputSink

WRITE_BYTES = 1 << 18
CAPTURE_CAP_BYTES = 64 << 20
FILE_CAP_BYTES = 1 << 30
FOLDER = "/run/testbed"
BASE_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


@dataclass(kw_only=True)
class Command:
    """A command running in the guest: its process group, and what it has written so far."""

    argv: tuple[str, ...]
    pid: int
    started: float
    sink: OutputSink | None = None
    captured: dict[str, bytearray] = field(
        default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()}
    )
    truncated: bool = False
    returncode: int | None = None
    seconds: float = 0.0

    def take(self, stream: str, data: bytes) -> None:
        """Keep what the command has written, up to CAPTURE_CAP_BYTES, and hand all of it on."""
        if data and self.sink is not None:
            self.sink(stream, data)
        kept = self.captured[stream]
        room = CAPTURE_CAP_BYTES - len(kept)
        kept += data[:room]
        self.truncated |= len(data) > room

    def completed(self) -> Completed:
        """The result, once ``returncode`` is set."""
        assert self.returncode is not None
        return Completed(
            self.argv, self.returncode, bytes(self.captured["stdout"]),
            bytes(self.captured["stderr"]), self.seconds, self.truncated,
        )  # fmt: skip


C = TypeVar("C", bound=Command)


class GuestAgent(Protocol[C]):
    """Commands and files in a guest; coroutines of the session's loop. All raise LostVM."""

    async def start(
        self, argv: Sequence[str], *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> C:  # fmt: skip
        """Start ``argv`` as leader of its own process group; ``netns`` names its network.

        Raises GuestCommandFailed.
        """

    async def poll(self, command: C) -> bool:
        """Take in what is new; True once the command has ended."""

    async def wait(self, command: C, timeout_s: float | None) -> Completed:
        """Wait for the end; after ``timeout_s`` kill it and raise GuestTimeout."""

    async def run(
        self, argv: Sequence[str], timeout_s: float | None, *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> Completed:  # fmt: skip
        """:meth:`start`, then :meth:`wait`. Raises GuestCommandFailed, GuestTimeout."""
        command = await self.start(argv, input=input, env=env, cwd=cwd, netns=netns, sink=sink)
        return await self.wait(command, timeout_s)

    async def kill(self, command: C) -> Completed:
        """Kill the process group and collect the result."""

    async def put(self, data: bytes, target: str) -> None:
        """Write ``data`` to the file ``target``. Raises GuestCommandFailed."""

    async def get(self, source: str) -> bytes:
        """Return the content of ``source``. Raises GuestCommandFailed."""
