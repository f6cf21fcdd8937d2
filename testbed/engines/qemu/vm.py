# SPDX-License-Identifier: GPL-2.0-only
"""The life of one virtual machine: launch, watch, and an end that is always clean."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from testbed.engines.qemu.agent import Agent
from testbed.engines.qemu.argv import Descriptors, MachineSpec, build_argv, plugging
from testbed.engines.qemu.serial_line import SerialLine
from testbed.engines.qemu.snapshot import Snapshot, guest_memory, take, wake
from testbed.engines.watched import BOOT_SILENCE_S, WatchedMachine, panic_of
from testbed.errors import EnvironmentProblem, LostVM, TestbedError
from testbed.findings.kernel_log import KernelEvent
from testbed.host.pace import Pace
from testbed.host.private import PrivateFolder
from testbed.host.process import Process, spawn

LAUNCH_TIMEOUT_S = 20.0
BLAME_GRACE_S = 0.3
LAST_WORDS = 5  # lines of QEMU's
TASKS_KEYS = (b"t", b"l")  # sysrq.rst: all tasks; last, for the tail, what the CPUs do
TASKS_LIMIT_S, TASKS_PAUSE_S = 10.0, 1.0
TASKS_QMP_LIMIT_S = 2.0
CPU_LIMIT_S = 6 * 3600
ADDRESS_SPACE_SLACK_BYTES = 6 << 30


@dataclass(frozen=True, kw_only=True)
class BootFiles:
    """What QEMU boots: its own program, the kernel, and the images that become /dev/vda ...

    ``reach`` are the folders QEMU's program and firmware lie in, ``management`` the one for the
    socket of a management network, if there is to be one. ``snapshot``: a guest of just these files
    that has booted, with which the machine goes on.
    """

    qemu: Sequence[str]
    kernel: Path
    initrd: Path
    disks: Sequence[Path] = ()
    reach: Sequence[Path] = field(default_factory=tuple)
    management: Path | None = None
    snapshot: Snapshot | None = None


class VirtualMachine(WatchedMachine):
    """A QEMU process and the four sockets into it. All methods run in the machine's loop."""

    def __init__(
        self, spec: MachineSpec, files: BootFiles, *, private: PrivateFolder, run_dir: Path,
        uid: int | None, pace: Pace, on_kernel_event: Callable[[KernelEvent], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(run_dir, on_kernel_event)
        self.spec = spec
        self.argv: list[str] = []
        self._files = files
        self._private = private
        self._log_path = run_dir / "qemu.log"
        self._uid = uid
        self._ours: dict[str, socket.socket] = {}
        self._serial: SerialLine | None = None
        self._qmp = QMPClient("qmp")
        self._qmp.events.event_filter = lambda _event: False  # nobody reads them
        self._process: Process | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._listing: asyncio.Task[None] | None = None
        self._qemu_silent = False
        self._descriptors = ExitStack()
        self._memory = self._state = self._kept = -1
        self.agent = Agent(self.guard, self._agent_lost, pace)

    async def launch(self, share: socket.socket | None = None) -> None:
        """Start QEMU and wait until it speaks. Raises LaunchFailure, EnvironmentProblem."""
        with ExitStack() as theirs:
            numbers = self._connect_all(theirs)
            disks = [self._open(theirs, path) for path in self._files.disks]
            management, snapshot = self._files.management, self._files.snapshot
            self._make_memory(theirs)
            fds = Descriptors(
                **numbers, kernel=self._open(theirs, self._files.kernel),
                initrd=self._open(theirs, self._files.initrd), disks=disks,
                memory=self._memory, restored=snapshot is not None,
                state=self._state if self.spec.plugged_later else None,
                share=None if share is None else share.fileno(),
                management=None if management is None else self._open(theirs, management),
                plugin=None if self.spec.plugin is None else self.spec.plugin.memory,
            )  # fmt: skip
            self.argv = build_argv(self._files.qemu, self.spec, fds)
            memory_bytes = self.spec.memory_mib << 20
            self._process = await spawn(
                "qemu", self.argv, private=self._private, log_path=self._log_path, uid=self._uid,
                read=[
                    *self._files.reach, *self._plugin_folder(), self._private.path,
                    self._files.kernel, self._files.initrd,  # it opens their descriptors anew
                ],
                write=[] if management is None else [management],
                filter="program" if management is None else "slirp",
                devices=["/dev/kvm"] if self.spec.accel == "kvm" else [],
                limits={
                    "AS": memory_bytes + ADDRESS_SPACE_SLACK_BYTES,
                    "FSIZE": memory_bytes,  # the memfd of guest memory counts as a file
                    "CPU": CPU_LIMIT_S,
                },
                groups=self._kvm_group(), fds=fds.numbers(),
            )  # fmt: skip
        self._watchers.append(asyncio.create_task(self._follow_kernel_log()))
        self._watchers.append(asyncio.create_task(self._follow_process()))
        await self._greet()
        if snapshot is not None:
            await wake(self.qmp)

    def _connect_all(self, theirs: ExitStack) -> dict[str, int]:
        numbers = {}
        for name in ("qmp", "agent", "console"):
            ours, other = socket.socketpair()
            self._ours[name] = ours
            theirs.callback(other.close)
            numbers[name] = other.fileno()
        self._serial = SerialLine()
        self._descriptors.callback(self._serial.close)
        numbers["serial"], numbers["keys"] = self._serial.ends_for_qemu(theirs)
        return numbers

    @staticmethod
    def _open(theirs: ExitStack, path: Path) -> int:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            raise EnvironmentProblem(f"cannot read {path}: {err.strerror}") from err
        theirs.callback(os.close, fd)
        return fd

    def _make_memory(self, theirs: ExitStack) -> None:
        """The guest's memory, and the file of all else, if it is to be read or written."""
        snapshot = self._files.snapshot
        is_to_be_kept = self.spec.plugged_later and snapshot is None
        self._memory = guest_memory(self.spec.memory_mib << 20, snapshot)
        (self._descriptors if is_to_be_kept else theirs).callback(os.close, self._memory)
        if snapshot is not None:
            self._state = self._open(theirs, snapshot.state)
        elif is_to_be_kept:
            self._kept = os.memfd_create("state", os.MFD_CLOEXEC)
            self._descriptors.callback(os.close, self._kept)
            self._state = os.open(f"/proc/self/fd/{self._kept}", os.O_WRONLY | os.O_CLOEXEC)
            theirs.callback(os.close, self._state)

    def _plugin_folder(self) -> list[Path]:
        return [] if self.spec.plugin is None else [self.spec.plugin.file.parent]

    def _kvm_group(self) -> list[int]:
        return [Path("/dev/kvm").stat().st_gid] if self.spec.accel == "kvm" else []

    async def _greet(self) -> None:
        assert self._process is not None
        hello = asyncio.create_task(self._qmp.connect(self._ours["qmp"]))
        done, _ = await asyncio.wait(
            {hello, self._process.ended},
            timeout=LAUNCH_TIMEOUT_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if hello in done and hello.exception() is None:
            return
        hello.cancel()
        await asyncio.gather(hello, return_exceptions=True)
        if hello in done:  # the connection broke because the process is just ending
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._process.ended), 2.0)
        ended = self._process.returncode is not None
        raise self._process.launch_failure(
            "QEMU did not start" if ended else f"QEMU said nothing for {LAUNCH_TIMEOUT_S:.0f} s"
        )

    async def boot(self, silence_s: float = BOOT_SILENCE_S) -> None:
        """Wait until the guest agent answers. Raises LostVM: see :meth:`while_it_boots`."""
        woken = self._files.snapshot is not None
        await self.while_it_boots(self.agent.connect(self._ours["agent"], woken=woken), silence_s)

    async def plug(self) -> None:
        """Plug the NICs in that are not on the command line. Raises LostVM, EnvironmentProblem."""
        if self.spec.plugged_later:
            for command, arguments in plugging(self.spec):
                await self.qmp(command, arguments)

    async def keep(self, snapshot: Snapshot) -> None:
        """Make a snapshot of this machine, which stands still from now on. Raises LostVM."""
        log = self.kernel_log_path.read_bytes()
        await take(self.qmp, self._memory, self._kept, log, snapshot)

    async def _follow_kernel_log(self) -> None:
        await self._record_kernel_log(self._serial_output())

    async def _serial_output(self) -> AsyncIterator[bytes]:
        assert self._serial is not None
        if self._files.snapshot is not None:
            yield self._files.snapshot.kernel_log.read_bytes()
        async for data in self._serial.output():
            yield data

    async def _follow_process(self) -> None:
        assert self._process is not None
        await self._process.ended
        # Its last words on the serial line are still in the pipe; and should it have died of the
        # card's death, whoever watches the card gets to say so first.
        await asyncio.wait({self._watchers[0]}, timeout=1.0)
        await asyncio.sleep(BLAME_GRACE_S)
        if problem := self._process.killed_for_memory():
            self.fail(problem)
        elif panic := panic_of(self.kernel_log.events):
            self._lose(panic)
        elif self._process.returncode == 0:
            self._lose("the guest shut itself down")
        else:
            log = self._process.log
            self._lose(f"{self._process.describe_end()}; log: {log.path}\n{log.tail(LAST_WORDS)}")

    async def qmp(self, command: str, arguments: dict[str, object] | None = None) -> object:
        """One QMP command. Raises LostVM."""
        try:
            return await self.guard(self._qmp.execute(command, arguments))
        except (QMPError, OSError, EOFError) as err:
            raise self._lost_vm(f"QEMU does not answer ({command}: {err})") from err

    async def _agent_lost(self, error: LostVM) -> TestbedError:
        if self._listing is None:  # one listing, however many requests went unanswered
            self._listing = asyncio.create_task(self._list_tasks())
            self._watchers.append(self._listing)
        await asyncio.wait({self._listing}, timeout=TASKS_LIMIT_S)
        if self._qemu_silent:
            error.message += "; nor does QEMU's monitor"
        return await super()._agent_lost(error)

    async def _list_tasks(self) -> None:
        """Have the kernel of a silent guest tell what its CPUs and tasks do (sysrq over serial).

        It is in the kernel log then; nothing comes from a guest that takes no interrupts.
        """
        assert self._serial is not None
        with suppress(OSError):
            for key in TASKS_KEYS:
                try:
                    async with asyncio.timeout(TASKS_QMP_LIMIT_S):
                        await self._qmp.execute("chardev-send-break", {"id": "serial"})
                except (TimeoutError, QMPError, OSError, EOFError):
                    self._qemu_silent = True
                    return
                self._serial.press(key)
                length = -1
                while length != (length := self.kernel_log_path.stat().st_size):
                    await asyncio.sleep(TASKS_PAUSE_S)

    @property
    def console(self) -> socket.socket:
        """Our end of the guest's hvc0."""
        return self._ours["console"]

    @property
    def pid(self) -> int | None:
        """QEMU's process id."""
        return None if self._process is None else self._process.program_pid

    async def stop(self) -> None:
        """End the machine: ask QEMU to quit, then SIGTERM, then SIGKILL. Never fails.

        The root file system is a throw-away overlay, so the guest is not asked to shut down.
        """
        self._stopping = True
        if self._process is not None:
            soft_s = 0.0
            if self._process.returncode is None:
                with suppress(QMPError, OSError, EOFError, asyncio.TimeoutError):
                    await asyncio.wait_for(self._qmp.execute("quit"), 2.0)
                    soft_s = 2.0
            await self._process.stop(soft_s)
        await self.agent.close()
        with suppress(QMPError, OSError, EOFError, ValueError):
            await self._qmp.disconnect()
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=1.0)
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for connection in self._ours.values():
            connection.close()
        self._descriptors.close()
