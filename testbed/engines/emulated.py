# SPDX-License-Identifier: GPL-2.0-only
"""Base class of the sessions of QEMU and UML: the card, and the wire inside the guest."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from images.jail.user import draw_uid
from testbed.card.process import CardConfig, EmulatedCard
from testbed.dut.protocols import Capability
from testbed.engines.guest import Machine
from testbed.engines.layers import mount_layers
from testbed.engines.session import Session
from testbed.engines.topology import DRIVERS, TopologyFailure, build_topology
from testbed.errors import LaunchFailure, LostVM
from testbed.host import memory
from testbed.host.pace import Pace
from testbed.options import SNAP_BYTES, Capture, Nic, RunOptions

PEER_GRACE_S = 2.0
_OF_A_DEAD_CARD = (LostVM, LaunchFailure, TopologyFailure)
"""What a card that has died makes of the rest, from the guest's start on."""
ALL_CAPABILITIES = frozenset(Capability)


class EmulatedSession(Session):
    """Starts the card, then the guest; stops them in reverse order."""

    def __init__(self, options: RunOptions, run_dir: Path, console: Console | None = None) -> None:
        super().__init__(options, run_dir, console)
        self._card: EmulatedCard | None = None
        self.pace = Pace()
        self._reaper_watcher: asyncio.Task[None] | None = None
        self._card_watcher: asyncio.Task[None] | None = None

    @property
    def has_card(self) -> bool:
        """Whether the NIC under test is the emulated card."""
        return self.options.nic is Nic.BNXT

    @property
    def card(self) -> EmulatedCard:
        """The emulated card. Raises EnvironmentProblem in a session with another NIC."""
        return super().card if self._card is None else self._card

    @property
    def patience(self) -> float:
        """Of the guest: a debug kernel is slower, and so is a guest on a busy host."""
        return self._guest_pace.patience

    @property
    def _guest_pace(self) -> Pace:
        """What stretches the guest's own time-outs; :attr:`pace` is that of wall time."""
        return self.pace

    def _put_away(self, error: BaseException | None) -> None:
        """End everything. Raises ModelFailure if the card is why the machine was of no use."""
        failure = None
        if self._card is not None and isinstance(error, _OF_A_DEAD_CARD):
            failure = self._card.cause_of_loss()
        super()._put_away(error)
        if self._card is not None and error is None:
            failure = self._card.failure
        if failure is not None:
            raise failure from error

    def _start(self) -> None:
        memory.require_memory(self.options.memory_mib << 20)
        self._start_machine()
        self._set_up_guest()

    @abstractmethod
    def _start_machine(self) -> None:
        """Start card and machine and wait for the guest's agent."""

    @property
    def _plugged_in(self) -> Sequence[str]:
        """PCI addresses of NICs that came after the guest had booted."""
        return ()

    @property
    def _layers(self) -> Mapping[str, str]:
        """What the guest was given besides its own image -> the device it is on."""
        return {}

    @abstractmethod
    def _capabilities(self) -> frozenset[Capability]:
        """What card and machine offer, before the kernel is probed."""

    def _card_config(self) -> CardConfig:
        return CardConfig(
            seed=self.seed,
            timing=self.options.timing.value,
            guest_memory_bytes=self.options.memory_mib << 20,
            options={"oracle": self.options.oracle.value, **self.options.card_options},
            store=self.options.nvm,
            snap_bytes=SNAP_BYTES[self.options.capture],
            activity=self.options.activity,
        )

    def _start_card(self, guest_uid: int | None) -> EmulatedCard:
        """A card for a guest that runs as ``guest_uid``. Raises LaunchFailure, ModelFailure."""
        card = self._card = EmulatedCard(
            self._card_config(), loop=self.loop, private=self.private, run_dir=self.run_dir,
            uid=draw_uid(), qemu_uid=guest_uid, pace=self.pace,
        )  # fmt: skip
        self._stack.callback(lambda: self.loop.run(card.stop()))
        with self._stage("card", "starting the card"):
            self.loop.run(card.launch())
        return card

    def _watch_helpers(self, machine: Machine) -> None:
        """From now on a card that fails, or a reaper, ends ``machine``. Called in the loop."""
        if self._reaper_watcher is not None:  # of the machine before
            self._reaper_watcher.cancel()
        self._reaper_watcher = asyncio.create_task(self._blame_reaper(machine))
        if self._card is not None:
            self._card_watcher = asyncio.create_task(self._blame_card(self._card, machine))

    async def _blame_reaper(self, machine: Machine) -> None:
        machine.fail(await self.private.reaper_lost())

    @staticmethod
    async def _blame_card(card: EmulatedCard, machine: Machine) -> None:
        failure = await card.wait_failed()
        if card.lost_its_peer:
            await asyncio.sleep(PEER_GRACE_S)  # then the machine's end is the cause, if it ended
        machine.fail(failure)

    def _set_up_guest(self) -> None:
        nic = self.options.nic
        with self._stage("topology", f"binding {DRIVERS[nic]}, setting up the wire"):
            self._dut, self._remote = build_topology(
                self.loop, self.machine, nic, self._guest_pace, plugged_in=self._plugged_in
            )
            mount_layers(self._dut, self._layers)
        if self._card is not None:
            unseen = {Capability.WIRE_TRUTH} if self.options.capture is Capture.OFF else set()
            self._dut.offered = self._capabilities() - unseen
