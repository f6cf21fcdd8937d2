# SPDX-License-Identifier: GPL-2.0-only
"""The remote endpoint's NIC of a QEMU guest: a vhost-user socket at the other end of the cable."""

from __future__ import annotations

import socket
from collections.abc import Callable

from devmodel.budget import Budget
from devmodel.net.cable import Cable
from devmodel.sources import Sources
from devmodel.trace import Trace
from devmodel.vhost_user.backend import Machine
from devmodel.vhost_user.by_eventfd import EventfdBackend
from devmodel.vhost_user.nic import PeerNic
from devmodel.vhost_user.offload import GUEST_FEATURES, HOST_FEATURES


class PeerPort:
    """Plugs a :class:`PeerNic` into ``cable`` and serves it, to one guest after the other.

    :param arrived: called when the guest has sent frames.
    """

    def __init__(
        self,
        cable: Cable,
        sources: Sources,
        trace: Trace,
        budget: Budget,
        arrived: Callable[[], None],
    ) -> None:
        self._nic = PeerNic(b"", arrived, HOST_FEATURES | GUEST_FEATURES)
        self._machine = Machine(budget)
        self._sources = sources
        self._trace = trace
        self._backend: EventfdBackend | None = None
        cable.plug(self._nic)

    def connected(self, sock: socket.socket, accepted: bool) -> None:
        """QEMU has connected; a second one is turned away."""
        if self._backend is not None:
            sock.close()
            return
        backend = self._backend = EventfdBackend(
            self._nic,
            sock,
            machine=self._machine,
            trace=self._trace,
            settle=lambda: None,
            sources=self._sources,
        )
        self._sources.watch_both(backend, lambda can_write: self._serve(backend, can_write))
        self._trace.emit("vhost_user_connected", device=self._nic.name)

    def _serve(self, backend: EventfdBackend, can_write: bool) -> None:
        if can_write:
            backend.flush()
        elif not backend.serve():
            self._sources.forget(backend.fileno())
            self.close()
            self._trace.emit("vhost_user_left", device=self._nic.name)

    def send_calls(self) -> None:
        """Interrupt the guest for what has happened."""
        self._machine.send_calls()

    def close(self) -> None:
        """Drop the connection. Idempotent."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None
