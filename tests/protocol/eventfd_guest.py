# SPDX-License-Identifier: GPL-2.0-only
"""A vhost-user front end as QEMU's: it does not wait, and has an eventfd for each direction."""

from __future__ import annotations

import array
import os
import select
import socket
import struct
from collections.abc import Sequence
from typing import Any

from devmodel.budget import Budget
from devmodel.net.cable import Cable
from devmodel.sources import Sources
from devmodel.trace import Trace
from devmodel.vhost_user.messages import (
    HEADER,
    NEED_REPLY,
    U64,
    VERSION,
    VRING_STATE,
    MemRegion,
    VhostRequest,
    VringAddr,
)
from devmodel.vhost_user.peer import PeerPort
from tests.protocol.vhost_guest import GUEST_BASE, SIZE, Ring, VhostGuest

MEMORY_BYTES = 4 << 20


class EventfdGuest(VhostGuest):
    """A QEMU guest's peer, plugged into a cable; every request is served as it is made.

    ``arrived`` are the frames that came out of the cable.
    """

    def __init__(self) -> None:
        self.sources = Sources()
        self.trace = Trace()
        self.trace.listener = self._hear
        self.refusals: list[str] = []
        """Why messages were refused."""
        self.cable = Cable(lambda: 0)
        self.arrived: list[bytes] = []
        self.port = PeerPort(self.cable, self.sources, self.trace, Budget(), self._arrived)
        self.memory_fd, self.memory = self._make_memory(MEMORY_BYTES)
        self.rings = [Ring(self, i) for i in range(2)]
        self.kicks = [os.eventfd(0) for _ in self.rings]
        self.call_fds = [os.eventfd(0) for _ in self.rings]
        self.connect()

    def _arrived(self) -> None:
        self.arrived += map(bytes, self.cable.receive())

    def _hear(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "vhost_user_refused":
            self.refusals.append(fields["why"])

    def connect(self) -> None:
        """Connect, as a guest that starts."""
        self._sock, theirs = socket.socketpair()
        self._sock.setblocking(False)
        self.port.connected(theirs, True)

    def turn(self) -> None:
        """What the loop does while there is anything to do."""
        while True:
            can_read, can_write = self.sources.wait(lambda: 0)
            if not can_read and not can_write:
                break
            self.sources.handle(can_read, can_write)
        self.port.send_calls()

    def post(self, request: int, body: bytes = b"", fds: Sequence[int] = ()) -> None:
        """A request, neither waited for nor served yet."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._sock.sendmsg([HEADER.pack(request, VERSION, len(body)) + body], rights)

    def send(
        self, request: int, body: bytes = b"", fds: Sequence[int] = (), flags: int = NEED_REPLY
    ) -> None:
        """Send one message and let it be served."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._sock.sendmsg([HEADER.pack(request, flags | VERSION, len(body)) + body], rights)
        self.turn()

    def offered(self, request: int) -> int:
        """The answer to a request for features."""
        self.send(request, flags=0)
        answer = self.answer()
        assert answer is not None
        return int(U64.unpack(answer)[0])

    def map_memory(self) -> None:
        """SET_MEM_TABLE of the one region."""
        region = MemRegion(GUEST_BASE, MEMORY_BYTES, GUEST_BASE, 0).pack()
        self.post(VhostRequest.SET_MEM_TABLE, struct.pack("<II", 1, 0) + region, [self.memory_fd])

    def set_up(self, features: int = 0) -> None:
        """Everything QEMU does until the guest's driver may kick, in one go."""
        self.post(VhostRequest.SET_OWNER)
        self.post(VhostRequest.SET_FEATURES, U64.pack(features))
        for ring in self.rings:
            self.post(VhostRequest.SET_VRING_ENABLE, VRING_STATE.pack(ring.index, 1))
        self.map_memory()
        for ring in self.rings:
            desc, avail, used = ring.parts()
            where = VringAddr(ring.index, 0, desc, used, avail, 0).pack()
            self.post(VhostRequest.SET_VRING_NUM, VRING_STATE.pack(ring.index, SIZE))
            self.post(VhostRequest.SET_VRING_BASE, VRING_STATE.pack(ring.index, ring.added))
            self.post(VhostRequest.SET_VRING_ADDR, where)
            fds = self.kicks[ring.index], self.call_fds[ring.index]
            self.post(VhostRequest.SET_VRING_KICK, U64.pack(ring.index), fds[:1])
            self.post(VhostRequest.SET_VRING_CALL, U64.pack(ring.index), fds[1:])
        self.turn()

    def kick(self, queue: int) -> int | None:
        """Kick; there is no answer."""
        os.eventfd_write(self.kicks[queue], 1)
        self.turn()
        return None

    def calls(self) -> list[int]:
        """Queues the guest was interrupted for since the last call."""
        found = []
        for queue, fd in enumerate(self.call_fds):
            if select.select([fd], [], [], 0)[0]:
                os.eventfd_read(fd)
                found.append(queue)
        return found

    def close(self) -> None:
        """Close everything."""
        self.port.close()
        self._sock.close()
        self.memory.close()
        for fd in (self.memory_fd, *self.kicks, *self.call_fds):
            os.close(fd)
