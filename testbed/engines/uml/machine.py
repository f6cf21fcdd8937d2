# SPDX-License-Identifier: GPL-2.0-only
"""One UML guest: launch, life, death."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from testbed.engines.uml import mconsole
from testbed.engines.uml.agent import UmlAgent
from testbed.engines.uml.argv import (
    INITRAMFS_LINK,
    MEMORY_PLACE,
    UMID,
    UmlSpec,
    build_argv,
    build_env,
    device_argument,
)
from testbed.engines.uml.backtrace import backtrace
from testbed.engines.uml.watchdog import Watchdog
from testbed.engines.watched import (
    AGENT_GRACE_S,
    BOOT_SILENCE_S,
    KERNEL_LOG_CAP_BYTES,
    WatchedMachine,
    panic_of,
)
from testbed.errors import EnvironmentProblem, LostVM
from testbed.findings.kernel_log import KernelEvent
from testbed.host import memory
from testbed.host.cputime import used_s
from testbed.host.private import PrivateFolder
from testbed.host.process import Process, spawn

T = TypeVar("T")

CPU_LIMIT_S = 6 * 3600
PROCESS_LIMIT = 4096
MEMORY_SLACK_BYTES = 256 << 20  # UML adds the size of its own program to its memory file
PRIVATE_BYTES = 1 << 30  # of its memory beside that file; it takes some 20 MiB
LOG_INTERVAL_S = 0.1
BLAME_GRACE_S = 0.3
WATCH_INTERVAL_S = 1.0
NO_ROOM = "likely just ran out of space"  # arch/um/kernel/trap.c, relay_signal()
TAIL_LINES = 200
PASS_TIME = ("/bin/sleep", "0.1")

Progress = Callable[[], Awaitable[object]]
"""Something that changes whenever the guest does anything that reaches a device."""


class UmlMachine(WatchedMachine):
    """A UML process. All methods run in the machine's loop.

    ``program`` is the kernel; ``connection`` our end of the agent's port; ``progress`` what the
    watchdog looks at, with ``patience_s`` and ``busy_s`` as :class:`Watchdog` has them. ``core``:
    of the host, the only one that it runs on. ``card_pid``: the
    card's process, whose CPU time counts for the limit of a run.
    """

    def __init__(
        self, spec: UmlSpec, *, program: Path, initramfs: Path, connection: socket.socket,
        private: PrivateFolder, run_dir: Path, uid: int | None, progress: Progress,
        patience_s: float, busy_s: float | None = None,
        core: int | None = None, card_pid: int | None = None,
        on_kernel_event: Callable[[KernelEvent], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(run_dir, on_kernel_event)
        self.spec = spec
        self.backtrace_path = run_dir / "backtrace.txt"
        self.argv = build_argv(str(program), spec)
        self._program = program
        self._initramfs = initramfs
        self._connection = connection
        self._private = private
        self._log_path = run_dir / "uml.log"
        self._uid = uid
        self._core = core
        self._card_pid = card_pid
        self._progress = progress
        self.watchdog = Watchdog(patience_s, busy_s)
        self._process: Process | None = None
        self._log_file = -1
        self._watchers: list[asyncio.Task[None]] = []
        self._waiting = 0
        self.agent = UmlAgent(self.guard, self._agent_lost, self.read_kernel_log)

    async def launch(self) -> None:
        """Start the kernel. Raises LaunchFailure, EnvironmentProblem."""
        link = self._private.path / INITRAMFS_LINK
        link.unlink(missing_ok=True)
        link.symlink_to(self._initramfs)
        shutil.rmtree(self._private.path / UMID, ignore_errors=True)  # of a guest that was killed
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        theirs = os.open(self.kernel_log_path, flags, 0o644)
        self._log_file = os.open(self.kernel_log_path, os.O_RDONLY | os.O_CLOEXEC)
        if self._uid is not None:
            os.chown(self._private.path, -1, self._uid)
            self._private.path.chmod(0o770)  # UML makes the folder of its umid
        try:
            self._process = await self._spawn(theirs)
            if not self._has_own_memory:
                memory.require_shared(self.spec.memory_mib << 20)
        finally:
            os.close(theirs)
        self._watchers = [
            asyncio.create_task(watcher())
            for watcher in (self._follow_kernel_log, self._follow_process, self._watch)
        ]

    async def _spawn(self, kernel_log: int) -> Process:
        return await spawn(
            "uml", self.argv, private=self._private, log_path=self._log_path, uid=self._uid,
            filter="uml", read=[self._program, self._initramfs], write=[self._private.path],
            memory={MEMORY_PLACE: (self.spec.memory_mib << 20) + MEMORY_SLACK_BYTES},
            limits={
                "FSIZE": (self.spec.memory_mib << 20) + MEMORY_SLACK_BYTES,
                "CPU": CPU_LIMIT_S,
                "NPROC": PROCESS_LIMIT,
                **({} if self.spec.has_shadow else {"DATA": PRIVATE_BYTES}),
            },
            env=build_env(self.spec), cwd=self._private.path, stdout=kernel_log, core=self._core,
        )  # fmt: skip

    async def boot(self) -> None:
        """Wait for the agent. Raises LaunchFailure, LostVM: see :meth:`while_it_boots`."""
        await self.while_it_boots(self.agent.connect(self._connection), BOOT_SILENCE_S)

    async def guard(self, work: Awaitable[T]) -> T:
        """The same; meanwhile the watchdog expects the guest to do something."""
        self._waiting += 1
        try:
            return await super().guard(work)
        finally:
            self._waiting -= 1

    @property
    def process_id(self) -> int | None:
        """Of the process that is the kernel's, or of the jail around it."""
        return None if self._process is None else self._process.pid

    @property
    def pid(self) -> int | None:
        """The kernel's process id."""
        return None if self._process is None else self._process.program_pid

    def _lost_vm(self, message: str) -> LostVM:
        self.read_kernel_log()
        return super()._lost_vm(message)

    # -- watchers ---------------------------------------------------------------------------
    def read_kernel_log(self) -> None:
        """Take in what the kernel has written since."""
        while self._log_file >= 0 and (data := os.read(self._log_file, 1 << 16)):
            self._take_kernel_log(data)

    async def _follow_kernel_log(self) -> None:
        while True:
            self.read_kernel_log()
            if os.fstat(self._log_file).st_size >= KERNEL_LOG_CAP_BYTES:
                self._lose("the guest floods its kernel log")
            await asyncio.sleep(LOG_INTERVAL_S)

    async def _follow_process(self) -> None:
        assert self._process is not None
        await asyncio.shield(self._process.ended)
        self.read_kernel_log()
        # should it have died of the card's death, whoever watches the card gets to say so first
        await asyncio.sleep(BLAME_GRACE_S)
        if problem := self._process.killed_for_memory() or self._shared_memory_full():
            self.fail(problem)
        elif panic := panic_of(self.kernel_log.events):
            self._lose(panic)
        elif self.kernel_log.line_count == 0:
            self.fail(self._process.launch_failure("UML did not start"))
        elif self._process.returncode == 0:
            self._lose("the guest shut itself down")
        else:
            end = self._process.describe_end()
            self._lose(f"{end}; log: {self._process.log.path}")

    def _shared_memory_full(self) -> EnvironmentProblem | None:
        """UML's memory is a file. One that finds no room is a bus error, in the middle of a kernel
        that did nothing wrong; only where the file system is not our own can that be.
        """
        if self._has_own_memory or NO_ROOM not in self.kernel_log.tail(TAIL_LINES):
            return None
        return EnvironmentProblem(
            f"{MEMORY_PLACE} of this host ran out of space for the guest's memory",
            remedy=memory.SHARED_REMEDY, log_path=self.kernel_log_path,
        )  # fmt: skip

    @property
    def _has_own_memory(self) -> bool:
        assert self._process is not None
        return not memory.is_shared(self._process.jail.lacks)

    async def _watch(self) -> None:
        why = ""
        while not why:
            await asyncio.sleep(WATCH_INTERVAL_S)
            seen = (await self._progress(), self.kernel_log.line_count) if self._waiting else None
            cpu_s = 0.0 if self.process_id is None else used_s(self.process_id)
            run_s = cpu_s + (0.0 if self._card_pid is None else used_s(self._card_pid))
            why = self.watchdog.look(time.monotonic(), cpu_s, seen, self.agent.turns, run_s)
        where = "no backtrace could be taken"
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):  # it is lost now, not when gdb has looked at it
                os.kill(self._process.program_pid, signal.SIGSTOP)
            text = await asyncio.to_thread(backtrace, self._process.program_pid, self._program)
            self.backtrace_path.write_text(text, encoding="utf-8")
            where = text.partition("\n")[0] + f"; backtrace: {self.backtrace_path}"
        self._lose(f"{why}; {where}")

    async def plug(self, device: str) -> None:
        """Plug in a device of SOCKETS that was pulled out. Raises GuestCommandFailed, LostVM."""

        async def let_run() -> None:
            await self.agent.wait(await self.agent.start(PASS_TIME), None)

        text = f"config {device_argument(device)}"
        await mconsole.command(self._private.path, UMID, self._uid, text, let_run)

    async def power_off(self) -> None:
        """Let the guest end by itself. Raises LostVM if it does not."""
        assert self._process is not None
        self._stopping = True
        await self.agent.power_off()
        try:
            await asyncio.wait_for(asyncio.shield(self._process.ended), AGENT_GRACE_S)
        except TimeoutError:
            raise self._lost_vm("the guest does not power off") from None

    async def stop(self) -> None:
        """End the machine. Never fails. Nothing in it is worth a shutdown."""
        if self._stopping and self._log_file < 0:
            return
        self._stopping = True
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            await self._process.stop(1.0)
        await self.agent.close()
        self._connection.close()
        if self._log_file >= 0:
            self.read_kernel_log()
            os.close(self._log_file)
            self._log_file = -1
