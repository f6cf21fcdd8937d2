# SPDX-License-Identifier: GPL-2.0-only
"""A lab machine as a session sees it: an agent, a kernel log, and whether it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from testbed.engines.lab.ssh import SshConnection
from testbed.engines.lab.ssh_agent import SshAgent
from testbed.engines.watched import WatchedMachine
from testbed.errors import EnvironmentProblem, LostVM, TestbedError
from testbed.findings.kernel_log import KernelEvent

SYNC_TIMEOUT_S = 60.0
_SYNC = b"synchronised\n"


class LabMachine(WatchedMachine):
    """A machine behind one connection. All coroutines run in the session's loop."""

    def __init__(
        self, connection: SshConnection, folder: str, run_dir: Path,
        on_kernel_event: Callable[[KernelEvent], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(run_dir, on_kernel_event)
        self.connection = connection
        self.agent = SshAgent(connection, folder, self.guard, self.cut_off)
        self._folder = folder
        self._kmsg: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._synced = asyncio.Event()
        connection.lost.add_done_callback(lambda reason: self._broken(reason.result()))

    def _broken(self, reason: str) -> None:
        self._lose(f"the connection to {self.connection.name} broke: {reason}")

    def cut_off(self, reason: str) -> TestbedError:
        """A command did not come to its end: the connection, or what carries it, is gone."""
        self._broken(reason)
        return self.lost or LostVM(reason)

    async def follow_kernel_log(self) -> None:
        """Read what the kernel logs from now on. Raises EnvironmentProblem if nobody may."""
        self._kmsg = await self.connection.start([f"{self._folder}/bin/lab_kmsg"])
        self._reader = asyncio.create_task(self._record_kernel_log(self._kernel_output(self._kmsg)))
        self._reader.add_done_callback(lambda _: self._synced.set())
        await self.synchronise()
        if self._reader.done():
            assert self._kmsg.stderr is not None
            reason = (await self._kmsg.stderr.read()).decode(errors="replace").strip()
            raise EnvironmentProblem(f"{self.connection.name}: the kernel log is closed: {reason}")

    async def _kernel_output(self, process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if line == _SYNC:
                self._synced.set()
            else:
                yield line

    async def synchronise(self) -> None:
        """Wait until :attr:`kernel_log` has all that the kernel has logged so far."""
        assert self._kmsg is not None
        assert self._kmsg.stdin is not None
        self._synced.clear()
        if self._reader is None or self._reader.done():
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            self._kmsg.stdin.write(_SYNC)
            await self._kmsg.stdin.drain()
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_S):
                await self.guard(self._synced.wait())
        except TimeoutError:
            self._broken(f"its kernel log does not answer for {SYNC_TIMEOUT_S:.0f} s")

    async def stop(self) -> None:
        """Let go of the machine; never fails."""
        self._stopping = True
        await self.agent.close()
        process = self._kmsg
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
