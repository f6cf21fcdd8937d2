# SPDX-License-Identifier: GPL-2.0-only
"""A vhost-user front end as small as UML's: memory, virtqueues, requests, kicks, calls."""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
from collections.abc import Sequence

from devmodel.trace import Trace
from devmodel.vhost_user.backend import Backend, Machine, VirtioDevice
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

GUEST_BASE = 0x1000_0000
MEMORY_BYTES = 1 << 20
RING_BYTES = 0x4000
DATA_AT = 0x4_0000
SIZE = 16
_F_NEXT, _F_WRITE = 1, 2


class Ring:
    """The driver's side of one virtqueue; its memory is at ``index * RING_BYTES``."""

    def __init__(self, guest: VhostGuest, index: int) -> None:
        self.guest = guest
        self.index = index
        self.at = index * RING_BYTES
        self.added = 0
        self.seen = 0
        self.next_data = DATA_AT + index * 0x1_0000

    def parts(self) -> tuple[int, int, int]:
        """Guest addresses of descriptors, available and used ring."""
        base = GUEST_BASE + self.at
        return base, base + 0x1000, base + 0x2000

    def add(self, readable: Sequence[bytes], writable: Sequence[int] = ()) -> list[int]:
        """Make a request available; returns the offsets of the writable parts."""
        memory = self.guest.memory
        head = (self.added * 4) % SIZE
        pieces = [(data, len(data), 0) for data in readable]
        pieces += [(b"", room, _F_WRITE) for room in writable]
        places = []
        for i, (data, length, flags) in enumerate(pieces):
            at = self.next_data
            self.next_data += (length + 63) & ~63
            memory[at : at + len(data)] = data
            if flags:
                places.append(at)
            more = _F_NEXT if i + 1 < len(pieces) else 0
            struct.pack_into(
                "<QIHH", memory, self.at + 16 * (head + i),
                GUEST_BASE + at, length, flags | more, head + i + 1,
            )  # fmt: skip
        struct.pack_into("<H", memory, self.at + 0x1000 + 4 + 2 * (self.added % SIZE), head)
        self.added += 1
        struct.pack_into("<H", memory, self.at + 0x1000 + 2, self.added)
        return places

    @property
    def is_kick_wanted(self) -> bool:
        """The device wants to hear of further requests."""
        return struct.unpack_from("<H", self.guest.memory, self.at + 0x2000) == (0,)

    def used(self) -> list[int]:
        """Bytes written into each request given back since the last call."""
        memory, found = self.guest.memory, []
        (index,) = struct.unpack_from("<H", memory, self.at + 0x2000 + 2)
        while self.seen != index:
            at = self.at + 0x2000 + 4 + 8 * (self.seen % SIZE)
            found.append(struct.unpack_from("<II", memory, at)[1])
            self.seen += 1
        return found


class VhostGuest:
    """Front end and back end in one thread: every request is served as it is made."""

    def __init__(self, device: VirtioDevice, trace: Trace, machine: Machine | None = None) -> None:
        self._sock, theirs = socket.socketpair()
        self._sock.setblocking(False)
        self.backend = Backend(
            device, theirs, machine=machine or Machine(), trace=trace, settle=lambda: None
        )
        self.memory_fd, self.memory = self._make_memory(MEMORY_BYTES)
        # UML's os_pipe() makes a socket pair.
        self._calls, self._calls_far = (end.detach() for end in socket.socketpair())
        os.set_blocking(self._calls, False)
        self.rings = [Ring(self, i) for i in range(device.queue_count)]

    @staticmethod
    def _make_memory(size: int) -> tuple[int, mmap.mmap]:
        fd = os.memfd_create("guest")
        os.ftruncate(fd, size)
        return fd, mmap.mmap(fd, size)

    def send(
        self, request: int, body: bytes = b"", fds: Sequence[int] = (), flags: int = NEED_REPLY
    ) -> None:
        """Send one message and let the back end serve it."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        message = HEADER.pack(request, flags | VERSION, len(body)) + body
        self._sock.sendmsg([message], rights)
        self.backend.serve()

    def answer(self) -> bytes | None:
        """The body of the answer, or None if there is none yet."""
        try:
            data = self._sock.recv(8192)
        except BlockingIOError:
            return None
        return data[HEADER.size :]

    def ask(self, request: int, body: bytes = b"", fds: Sequence[int] = ()) -> int:
        """A request whose answer is an integer; 0 is success for those that only acknowledge."""
        self.send(request, body, fds)
        answer = self.answer()
        assert answer is not None, "no answer"
        return int(U64.unpack(answer)[0])

    def memory_table(self, *, size: int = MEMORY_BYTES, fds: int = 1) -> int:
        """SET_MEM_TABLE of one region."""
        region = MemRegion(GUEST_BASE, size, GUEST_BASE, 0).pack()
        body = struct.pack("<II", 1, 0) + region
        return self.ask(VhostRequest.SET_MEM_TABLE, body, [self.memory_fd] * fds)

    def set_up(self) -> None:
        """Everything UML does until the device's driver may kick."""
        assert self.ask(VhostRequest.SET_OWNER) == 0
        assert self.ask(VhostRequest.SET_SLAVE_REQ_FD, fds=[self._calls_far]) == 0
        assert self.memory_table() == 0
        for ring in self.rings:
            desc, avail, used = ring.parts()
            where = VringAddr(ring.index, 0, desc, used, avail, 0).pack()
            assert self.ask(VhostRequest.SET_VRING_NUM, VRING_STATE.pack(ring.index, SIZE)) == 0
            assert self.ask(VhostRequest.SET_VRING_BASE, VRING_STATE.pack(ring.index, 0)) == 0
            assert self.ask(VhostRequest.SET_VRING_ADDR, where) == 0
            assert self.ask(VhostRequest.SET_VRING_ENABLE, VRING_STATE.pack(ring.index, 1)) == 0

    def kick(self, queue: int) -> int | None:
        """Kick; the acknowledged status, or None while the answer is held back."""
        self.send(VhostRequest.VRING_KICK, VRING_STATE.pack(queue, 0))
        answer = self.answer()
        return None if answer is None else int(U64.unpack(answer)[0])

    def calls(self) -> list[int]:
        """Queues the guest was interrupted for since the last call."""
        try:
            data = os.read(self._calls, 4096)
        except BlockingIOError:
            return []
        step = HEADER.size + VRING_STATE.size
        return [
            VRING_STATE.unpack_from(data, at + HEADER.size)[0] for at in range(0, len(data), step)
        ]

    def close(self) -> None:
        """Close everything."""
        self.backend.close()
        self._sock.close()
        self.memory.close()
        for fd in (self.memory_fd, self._calls, self._calls_far):
            os.close(fd)
