# SPDX-License-Identifier: GPL-2.0-only
"""The devices of one User Mode Linux guest: the card, and what QEMU would provide on a PC."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from devmodel.net.cable import Cable
from devmodel.pci.function import Function
from devmodel.vhost_user.agent_port import AgentPort
from devmodel.vhost_user.backend import Backend, Machine, VirtioDevice
from devmodel.vhost_user.disk import Disk
from devmodel.vhost_user.nic import PeerNic
from devmodel.vhost_user.pcidev import Pcidev

PEER_MAC = bytes.fromhex("020000000102")


class UmlMachine:
    """Devices by name: ``card`` always, ``vf0`` ... if it has virtual functions; ``peer``, ``disk``
    and ``agent`` as asked for, and further disks, ``layer0`` ...

    :param settle: lets every effect of a kick happen.
    :param frames_arrived: the peer has frames for the card.
    :param tell_time: the guest has told its time in nanoseconds.
    :param image_fd: the disk's image; taken over, as is ``agent_fd``, the runner's socket.
    :param layer_fds: images of further disks; taken over.
    :param virtual_functions: of the card: each has a connection of its own.
    :param turns: the guest has one CPU and stands still while the runner thinks.
    """

    def __init__(
        self,
        card: Function,
        cable: Cable,
        *,
        settle: Callable[[], None],
        frames_arrived: Callable[[], None],
        tell_time: Callable[[int], None],
        image_fd: int | None = None,
        agent_fd: int | None = None,
        layer_fds: Sequence[int] = (),
        turns: bool = False,
        virtual_functions: Sequence[Function] = (),
    ) -> None:
        self.agent: AgentPort | None = None
        self._disks: list[Disk] = []
        self._settle = settle
        self._trace = card.trace
        self._machine = Machine(card.clock.budget)
        self._backends: dict[str, Backend] = {}
        peer = PeerNic(PEER_MAC, frames_arrived)
        cable.plug(peer)
        self._devices: dict[str, VirtioDevice] = {
            "card": Pcidev(card, card.trace.record, gather=turns),
            "peer": peer,
        }
        self._virtual = [f"vf{index}" for index in range(len(virtual_functions))]
        for vf, function in zip(self._virtual, virtual_functions, strict=True):
            self._devices[vf] = Pcidev(function, card.trace.record, gather=turns, name=vf)
        if image_fd is not None:
            self._add_disk("disk", image_fd)
        for number, fd in enumerate(layer_fds):
            self._add_disk(f"layer{number}", fd)
        if agent_fd is not None:
            sock = socket.socket(fileno=agent_fd)
            self.agent = self._devices["agent"] = AgentPort(sock, turns=turns, tell_time=tell_time)

    def _add_disk(self, name: str, fd: int) -> None:
        disk = self._devices[name] = Disk(fd)
        self._disks.append(disk)

    def next_function(self) -> str:
        """Whose the next connection to the card is: the guest connects once for each function."""
        return next((n for n in ("card", *self._virtual) if n not in self._backends), "card")

    def connect(self, name: str, sock: socket.socket) -> Backend | None:
        """The guest has connected to a device. None if it is connected already, or not there."""
        device = self._devices.get(name)
        if device is None or name in self._backends:
            sock.close()
            return None
        backend = self._backends[name] = Backend(
            device, sock, machine=self._machine, trace=self._trace, settle=self._settle
        )
        return backend

    def disconnect(self, name: str) -> None:
        """The guest's connection has ended, or shall."""
        backend = self._backends.pop(name, None)
        if backend is not None:
            backend.close()

    def pull(self, name: str) -> None:
        """Pull a device out of the running guest; a card takes its virtual functions along."""
        for pulled in (name, *(self._virtual if name == "card" else ())):
            backend = self._backends.get(pulled)
            if backend is not None:
                backend.pull()

    def descriptors(self) -> list[int]:
        """What a loop waits for on behalf of this machine."""
        found = [backend.fileno() for backend in self._backends.values()]
        return found if self.agent is None else [*found, self.agent.fileno()]

    def close(self) -> None:
        """Drop every connection and all that was taken over."""
        for name in list(self._backends):
            self.disconnect(name)
        for disk in self._disks:
            disk.close()
        if self.agent is not None:
            self.agent.close()

    def counters(self) -> dict[str, dict[str, int]]:
        """Messages by device."""
        return {name: dict(backend.counters) for name, backend in self._backends.items()}

    def send_calls(self) -> None:
        """Interrupt the guest for what happened outside of a kick."""
        self._machine.send_calls()
