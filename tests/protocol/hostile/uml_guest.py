# SPDX-License-Identifier: GPL-2.0-only
"""A User Mode Linux guest gone mad: all four devices of its machine, and any message to each."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from devmodel.bnxt.make import make_card
from devmodel.clock import Clock, Timing
from devmodel.net.cable import Cable
from devmodel.trace import Trace
from devmodel.vhost_user.backend import Backend
from devmodel.vhost_user.machine import UmlMachine
from devmodel.vhost_user.messages import (
    HEADER,
    NEED_REPLY,
    VERSION,
    VRING_STATE,
    MemRegion,
    PcidevMsg,
    PcidevOp,
    VhostRequest,
    VringAddr,
)
from tests.protocol.hostile.strategies import integers, packed

BASE = 0x1000_0000
MEMORY_BYTES = 1 << 18
RING_BYTES = 0x4000
SIZE = 16
QUEUES = {"card": 2, "peer": 2, "disk": 1, "agent": 4}
DEVICES = tuple(QUEUES)
NO_FD, MEMORY_FD, PIPE_FD, DEVICE_FD = range(4)


class UmlGuest:
    """Sockets, memory and the machine. ``lost`` names devices whose framing was lost."""

    def __init__(self, *, turns: bool) -> None:
        self.trace = Trace()
        self.clock = Clock(1, Timing.SYNCHRONOUS)
        self.cable = Cable(lambda: self.clock.now_ns, self.trace.record)
        self.card = make_card(self.clock, self.trace, self.cable, {})
        self.runner, agent = socket.socketpair()
        self.runner.setblocking(False)
        image = os.memfd_create("image")
        os.ftruncate(image, 1 << 16)
        self.machine = UmlMachine(
            self.card, self.cable, settle=self.card.settle, frames_arrived=self._frames_arrived,
            tell_time=lambda ns: self.clock.advance_to(min(ns, self.clock.now_ns + 10**9)),
            image_fd=image, agent_fd=agent.detach(), turns=turns,
        )  # fmt: skip
        self.memory_fd = os.memfd_create("guest")
        os.ftruncate(self.memory_fd, MEMORY_BYTES)
        self.pipe, self.pipe_far = os.pipe()
        os.set_blocking(self.pipe, False)
        self.null = os.open("/dev/null", os.O_RDWR)
        self.lost: set[str] = set()
        self.sockets: dict[str, socket.socket] = {}
        self.backends: dict[str, Backend] = {}
        for name in DEVICES:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            backend = self.machine.connect(name, theirs)
            assert backend is not None
            self.sockets[name], self.backends[name] = ours, backend
            self.set_up(name)

    def close(self) -> None:
        """Everything the guest opened."""
        self.machine.close()
        for sock in (*self.sockets.values(), self.runner):
            sock.close()
        for fd in (self.memory_fd, self.pipe, self.pipe_far, self.null):
            os.close(fd)

    def _frames_arrived(self) -> None:
        self.card.receive(self.cable.receive())

    # -- messages -----------------------------------------------------------------------------
    def send(self, name: str, data: bytes, kinds: Sequence[int] = ()) -> None:
        """Bytes to a device, with descriptors of some kinds; what it answers is thrown away."""
        by_kind = {MEMORY_FD: self.memory_fd, PIPE_FD: self.pipe_far, DEVICE_FD: self.null}
        fds = [by_kind[kind] for kind in kinds if kind != NO_FD]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        if name in self.lost or not data:
            return
        self.sockets[name].sendmsg([data], rights)
        while self._pending(name):
            if not self.backends[name].serve():
                self.lost.add(name)
                break
        self.drain()

    def _pending(self, name: str) -> bool:
        channel = self.backends[name]._channel
        with contextlib.suppress(BlockingIOError):
            return bool(channel._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    def drain(self) -> None:
        """Take answers, calls, and what the agent was told."""
        for sock in (*self.sockets.values(), self.runner):
            with contextlib.suppress(BlockingIOError):
                while sock.recv(1 << 16):
                    pass
        with contextlib.suppress(BlockingIOError):
            while os.read(self.pipe, 1 << 16):
                pass

    def request(self, name: str, request: int, body: bytes, kinds: Sequence[int] = ()) -> None:
        """A well-framed message."""
        self.send(name, HEADER.pack(request, VERSION | NEED_REPLY, len(body)) + body, kinds)

    def set_up(self, name: str) -> None:
        """What UML does; each queue has its rings at a place of its own."""
        table = struct.pack("<II", 1, 0) + MemRegion(BASE, MEMORY_BYTES, BASE, 0).pack()
        self.request(name, VhostRequest.SET_SLAVE_REQ_FD, b"", [PIPE_FD])
        self.request(name, VhostRequest.SET_MEM_TABLE, table, [MEMORY_FD])
        for queue in range(QUEUES[name]):
            at = BASE + self.ring_at(name, queue)
            where = VringAddr(queue, 0, at, at + 0x2000, at + 0x1000, 0).pack()
            self.request(name, VhostRequest.SET_VRING_NUM, VRING_STATE.pack(queue, SIZE))
            self.request(name, VhostRequest.SET_VRING_BASE, VRING_STATE.pack(queue, 0))
            self.request(name, VhostRequest.SET_VRING_ADDR, where)
            self.request(name, VhostRequest.SET_VRING_ENABLE, VRING_STATE.pack(queue, 1))

    @staticmethod
    def ring_at(name: str, queue: int) -> int:
        """Offset of a queue's rings in memory."""
        return (sum(QUEUES[d] for d in DEVICES[: DEVICES.index(name)]) + queue) * RING_BYTES

    # -- memory -------------------------------------------------------------------------------
    def poke(self, at: int, data: bytes) -> None:
        """The guest writes its memory."""
        os.pwrite(self.memory_fd, data[: MEMORY_BYTES - at], at)

    def add(
        self, name: str, queue: int, pieces: Sequence[tuple[bytes, int, int]], more: int
    ) -> None:
        """A request of (data, length, descriptor flags); ``more`` entries become available."""
        ring = self.ring_at(name, queue)
        data_at = ring + 0x3000
        for i, (data, length, flags) in enumerate(pieces):
            self.poke(data_at, data)
            following = 1 if i + 1 < len(pieces) else 0
            descriptor = struct.pack("<QIHH", BASE + data_at, length, flags | following, i + 1)
            self.poke(ring + 16 * i, descriptor)
            data_at += len(data)
        (index,) = struct.unpack("<H", os.pread(self.memory_fd, 2, ring + 0x1002))
        self.poke(ring + 0x1004 + 2 * (index % SIZE), b"\0\0")
        self.poke(ring + 0x1002, struct.pack("<H", (index + more) & 0xFFFF))
        self.request(name, VhostRequest.VRING_KICK, VRING_STATE.pack(queue, 0))


# -- what it can do --------------------------------------------------------------------------
def raw(guest: UmlGuest, name: str, data: bytes, kinds: Sequence[int]) -> None:
    """Any bytes."""
    guest.send(name, data, kinds)


def message(guest: UmlGuest, name: str, request: int, body: bytes, kinds: Sequence[int]) -> None:
    """A well-framed message of any content."""
    guest.request(name, request, body, kinds)


def offer(
    guest: UmlGuest, name: str, queue: int, pieces: Sequence[tuple[bytes, int, int]], more: int
) -> None:
    """A request through a queue."""
    guest.add(name, queue % QUEUES[name], pieces, more)


def scribble(guest: UmlGuest, name: str, queue: int, at: int, data: bytes) -> None:
    """Rings of any content."""
    guest.poke(guest.ring_at(name, queue % QUEUES[name]) + at, data)


def frame_arrives(guest: UmlGuest, length: int) -> None:
    """The card sends to the peer, and the runner talks to the agent, outside of any kick."""
    guest.cable.send([bytes(length)])
    guest.runner.send(struct.pack("<I", length) + bytes(length))
    assert guest.machine.agent is not None
    guest.machine.agent.serve()
    guest.card.raise_msix(length % 64)
    guest.machine.send_calls()
    guest.drain()


def set_up_again(guest: UmlGuest, name: str) -> None:
    """The driver starts over."""
    guest.set_up(name)


names = st.sampled_from(DEVICES)
kinds = st.lists(st.integers(0, 3), max_size=3)
addresses = st.one_of(
    st.integers(-1, MEMORY_BYTES // 64).map(lambda n: BASE + 64 * n), integers(64)
)
sizes = st.one_of(st.sampled_from((4096, MEMORY_BYTES // 2, MEMORY_BYTES)), integers(64))
regions = st.builds(
    lambda a, n, u, o: MemRegion(a, n, u, o).pack(),
    addresses,
    sizes,
    addresses,
    st.one_of(st.just(0), integers(64)),
)
queues = st.one_of(st.integers(0, 4), integers(32))
structured: st.SearchStrategy[tuple[int, bytes]] = st.one_of(
    st.tuples(
        st.just(VhostRequest.SET_MEM_TABLE),
        st.lists(regions, max_size=3).map(lambda r: struct.pack("<II", len(r), 0) + b"".join(r)),
    ),
    st.tuples(
        st.sampled_from(
            (VhostRequest.SET_VRING_NUM, VhostRequest.SET_VRING_BASE, VhostRequest.SET_VRING_ENABLE)
        ),
        st.builds(
            VRING_STATE.pack, queues, st.one_of(st.sampled_from((1, 2, 16, 1024)), integers(32))
        ),
    ),
    st.tuples(
        st.just(VhostRequest.SET_VRING_ADDR),
        st.builds(
            lambda q, f, d, u, a: VringAddr(q, f, d, u, a, 0).pack(),
            queues,
            integers(32),
            addresses,
            addresses,
            addresses,
        ),
    ),
    st.tuples(st.just(VhostRequest.VRING_KICK), st.builds(VRING_STATE.pack, queues, integers(32))),
    st.tuples(
        st.sampled_from((VhostRequest.GET_CONFIG, VhostRequest.SET_CONFIG)),
        st.builds(
            lambda o, n: struct.pack("<III", o, n, 0) + bytes(n % 300), integers(8), integers(9)
        ),
    ),
    st.tuples(
        st.one_of(st.sampled_from(list(VhostRequest)), st.integers(0, 40)), st.binary(max_size=64)
    ),
)
accesses = st.builds(
    lambda op, bar, size, at, data: PcidevMsg(op, bar, 0, size, at).pack() + data,
    st.one_of(st.sampled_from([int(op) for op in PcidevOp]), st.integers(0, 9)),
    st.integers(0, 6),
    st.one_of(st.sampled_from((1, 2, 4, 8, 16, 4096)), integers(32)),
    st.one_of(st.sampled_from((4, 0xA0, 0x100, 0x10000)), integers(16), integers(64)),
    st.binary(max_size=32),
)
requests = st.one_of(
    accesses,
    packed("<I4xQ", st.integers(0, 9), integers(64)),
    packed("<I40x", integers(32)),
    packed("<IHH", integers(32), st.integers(0, 8), integers(16)),
    st.integers(0, 100).map(bytes),
)
pieces = st.lists(
    st.one_of(
        requests.map(lambda data: (data, len(data), 0)),
        st.integers(0, 200).map(lambda room: (bytes(room), room, 2)),
        st.tuples(st.binary(max_size=8), integers(32), integers(16)),
    ),
    min_size=1,
    max_size=4,
)
Step = tuple[Any, ...]
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just(raw), names, st.binary(min_size=1, max_size=200), kinds),
    st.builds(lambda n, m, k: (message, n, *m, k), names, structured, kinds),
    st.tuples(
        st.just(offer), names, st.integers(0, 3), pieces, st.sampled_from((1, 1, 1, 2, 17, 65535))
    ),
    st.tuples(
        st.just(scribble), names, st.integers(0, 3), st.integers(0, 0x2100), st.binary(max_size=48)
    ),
    st.tuples(st.just(frame_arrives), st.sampled_from((14, 60, 1514, 9000))),
    st.tuples(st.just(set_up_again), names),
)
