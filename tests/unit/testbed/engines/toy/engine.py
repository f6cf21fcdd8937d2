# SPDX-License-Identifier: GPL-2.0-only
"""A whole engine that runs nothing: its machine answers from a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from images.store import Json
from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6, Completed, OutputSink
from testbed.engines.agent import Command, GuestAgent
from testbed.engines.engine import Engine
from testbed.engines.guest import GuestDut, GuestEndpoint
from testbed.engines.session import Session, entered
from testbed.engines.watched import WatchedMachine
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM, TestbedError
from testbed.options import RunOptions

FLAVOUR, RELEASE = "toy-tin", "0.1-toy"
ANSWERS: dict[tuple[str, ...], bytes] = {("uname", "-r"): RELEASE.encode() + b"\n"}
DIES = ("poweroff",)
WARNS = ("warn",)
HANGS = ("hang",)
OOPS = b"""[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000032
[    1.000000] RIP: 0010:open_box+0x1f0/0x3b0
"""
PANICS = ("panic",)
WARNING = b"[    1.000000] WARNING: CPU: 0 PID: 1 at toy/box.c:1 open_box+0x1/0x2\n"
PANIC = b"[    2.000000] Kernel panic - not syncing: Attempted to kill init!\n"


class ToyCard:
    """A card that is well, but for its ``failure``."""

    def __init__(self, failure: TestbedError | None = None) -> None:
        self.failure = failure

    def state(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        commands = ("unknown_commands", "refused_commands", "missing_commands")
        no_violation: dict[str, Any] = {"counts": {}, "kept": []}
        return {"violations": no_violation, "digest": "0", **{name: {} for name in commands}}

    def cause_of_loss(self) -> TestbedError | None:
        return self.failure


@dataclass(frozen=True)
class ToyKernel:
    release: str = RELEASE


@dataclass(frozen=True)
class ToyPrepared:
    kernel: ToyKernel = ToyKernel()
    provenance: Mapping[str, Json] = field(default_factory=lambda: {"toy": {"wood": "beech"}})
    stock_module: None = None


class ToyMachine(WatchedMachine, GuestAgent[Command]):
    """Machine and agent in one: a command ends as soon as it has begun."""

    @property
    def agent(self) -> ToyMachine:
        return self

    async def start(
        self, argv: Sequence[str], *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", netns: str | None = None,
        sink: OutputSink | None = None,
    ) -> Command:  # fmt: skip
        command = Command(argv=tuple(argv), pid=os.getpid(), started=0.0, sink=sink)
        if command.argv == DIES:
            self.fail(LostVM("the toy fell over"))
        if command.argv == HANGS:
            self._take_kernel_log(OOPS)
        if command.argv == WARNS:
            self._take_kernel_log(WARNING)
        if command.argv == PANICS:
            self._take_kernel_log(PANIC)
            self.fail(LostVM("Kernel panic"))
        command.take("stdout", ANSWERS.get(command.argv, input or b""))
        known = input is not None or command.argv == WARNS or command.argv in ANSWERS
        command.returncode = 0 if known else 127
        return command

    async def poll(self, command: Command) -> bool:
        return True

    async def wait(self, command: Command, timeout_s: float | None) -> Completed:
        if self.lost is not None:
            raise self.lost
        if command.argv == HANGS:
            raise GuestTimeout("hang did not end within 5 s and was killed")
        return command.completed()

    async def kill(self, command: Command) -> Completed:
        return command.completed()

    async def put(self, data: bytes, target: str) -> None:
        raise GuestCommandFailed(f"{target}: the toy keeps nothing")

    async def get(self, source: str) -> bytes:
        raise GuestCommandFailed(f"{source}: the toy has no files")

    async def stop(self) -> None:
        self._stopping = True


class ToySession(Session):
    def __init__(
        self, options: RunOptions, run_dir: Path, prepared: ToyPrepared,
        console: Console | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options, run_dir, console)
        self._machine: ToyMachine | None = None
        self._release = prepared.kernel.release
        self.toy_card: ToyCard | None = None

    @property
    def has_card(self) -> bool:
        return self.toy_card is not None

    @property
    def card(self) -> Any:
        return super().card if self.toy_card is None else self.toy_card

    @property
    def machine(self) -> ToyMachine:
        return entered(self._machine)

    @property
    def kernel_release(self) -> str:
        return self._release

    @property
    def patience(self) -> float:
        return 1.0

    def _start(self) -> None:
        with self._stage("launch", "winding up"):
            machine = self._machine = self.loop.run(self._launch())
        with self._stage("boot", "letting go"):
            self._stack.callback(lambda: self.loop.run(machine.stop()))
        self._dut = GuestDut(self.loop, machine, netdev="nut0", ipv4=LOCAL_V4, ipv6=LOCAL_V6)
        self._remote = GuestEndpoint(
            self.loop, machine, netdev="peer0", ipv4=REMOTE_V4, ipv6=REMOTE_V6
        )

    async def _launch(self) -> ToyMachine:
        return ToyMachine(self.run_dir, self._on_kernel_event)


ENGINE = Engine(
    name="toy", prepare=lambda options, _report: (options.with_seed(), ToyPrepared()),
    session=ToySession, flavours=(FLAVOUR,), defaults={"flavour": FLAVOUR},
)  # fmt: skip
