# SPDX-License-Identifier: GPL-2.0-only
"""A session whose guest is counted and whose wire has a sender that is no guest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from testbed.artifacts.prepare import Prepared
from testbed.card.process import CardConfig
from testbed.compare.counts import CounterMemory, Window
from testbed.dut.programs import result_of
from testbed.engines.qemu.argv import MachineSpec, Plugin, QemuNic, VfioUserNic
from testbed.engines.qemu.session import QemuSession
from testbed.errors import EnvironmentProblem, GuestTimeout
from testbed.options import Accel, Peer, RunOptions, Switch, Timing

SOURCE_V4 = "192.0.2.3"
SOURCE_MAC = "02:00:00:00:01:03"
STALLED_S = 15.0
"""So long nothing is counted before the guest is asked whether the program still runs: to ask is to
make it work."""
LOOK_S = 0.2
COUNTED_BOOT_SILENCE_S = 600.0
"""Counting takes several times as long, and the host may be busy: it must only not be for ever."""


def counting_options(kernel: str | None, seed: int) -> RunOptions:
    """The machine on which a count depends on nothing but the guest."""
    return RunOptions(
        kernel=kernel, seed=seed, accel=Accel.TCG,
        icount=True,  # without, a whole REP MOVS is one instruction
        timing=Timing.SYNCHRONOUS,
        cpus=2,  # on one, Linux patches its LOCK prefixes away
        oracle=Switch.OFF,
        peer=Peer.STREAM,  # as for the figures on record
    )  # fmt: skip


class CountingSession(QemuSession):
    """See :class:`testbed.engines.qemu.session.QemuSession`; ``plugin`` is the counter."""

    def __init__(
        self, options: RunOptions, run_dir: Path, prepared: Prepared, plugin: Path,
        console: Console | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options, run_dir, prepared, console)
        self._plugin = plugin
        self.memory = CounterMemory()
        self._stack.callback(self.memory.close)

    def _start_machine(self) -> None:
        super()._start_machine()
        if not self.memory.attached:
            raise EnvironmentProblem("QEMU did not load the instruction counter")
        self.card.set_capture(False)

    @property
    def _boot_silence_s(self) -> float:
        return COUNTED_BOOT_SILENCE_S

    @property
    def _can_be_woken(self) -> bool:
        return False  # the counter is part of QEMU from its start

    def _machine_spec(self, nut: VfioUserNic | QemuNic | None, wire: Path | None) -> MachineSpec:
        assert isinstance(nut, VfioUserNic)
        spec = super()._machine_spec(replace(nut, posted_writes=False), wire)
        return replace(spec, plugin=Plugin(file=self._plugin, memory=self.memory.fd),
                       append=[*spec.append, "nokaslr"])  # fmt: skip

    def _card_config(self) -> CardConfig:
        source = {"mac": SOURCE_MAC, "ipv4": SOURCE_V4}
        config = super()._card_config()
        return replace(config, source=source, interrupts_fd=self.memory.fd)

    def count(
        self, argv: Sequence[str], windows: int, timeout_s: float
    ) -> tuple[dict[str, Any], list[Window]]:
        """Run a program that opens ``windows`` windows; the JSON it prints, and the windows.

        Nothing but the program runs in the guest meanwhile: we look at the counter's memory only,
        and ask the agent when that has stood still. Raises GuestCommandFailed, GuestTimeout,
        EnvironmentProblem if the counter ran out of room, LostVM, ModelFailure.
        """
        self.memory.clear()
        running = self.dut.start(argv)
        deadline = time.monotonic() + timeout_s * self.patience
        seen, since = -1, time.monotonic()
        while self.memory.closed < windows:
            time.sleep(LOOK_S)
            self.check()
            now = time.monotonic()
            if self.memory.progress != seen:
                seen, since = self.memory.progress, now
            elif now - since > STALLED_S:
                if running.poll() is not None:
                    break
                since = now
            if now > deadline:
                running.kill()
                raise GuestTimeout(f"{argv[0]} did not end within {timeout_s:g} s")
        result = result_of(running.wait(60.0))
        if self.memory.lost:
            raise EnvironmentProblem("the instruction counter ran out of room")
        return result, [self.memory.window(number) for number in range(windows)]
