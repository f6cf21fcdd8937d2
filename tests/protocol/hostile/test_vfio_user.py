# SPDX-License-Identifier: GPL-2.0-only
"""vfio-user messages of any content: answered, refused, or the end of the connection."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devmodel.bnxt.make import make_card
from devmodel.clock import Clock, Timing
from devmodel.errors import ProtocolError
from devmodel.net.port import ScriptedWire
from devmodel.trace import Trace
from devmodel.vfio_user import server as server_module
from devmodel.vfio_user.server import Server
from tests.protocol import client as c
from tests.protocol.conftest import serve
from tests.protocol.hostile.strategies import integers, packed

MEMORY_BYTES = 1 << 18
NO_FD, MEMORY_FD, EVENT_FD, PIPE_FD, DEVICE_FD = range(5)


class Peer:
    """A card behind a server, and the other end of its socket."""

    def __init__(self, timing: Timing, *, is_set_up: bool = True) -> None:
        self.trace = Trace()
        self.clock = Clock(1, timing)
        self.card = make_card(self.clock, self.trace, ScriptedWire(), {})
        self.sock, theirs = socket.socketpair()
        self.server = Server(self.card, theirs)
        self.client = c.Client(self.sock)
        self.sock.setblocking(False)
        self.pipe, pipe_far = os.pipe()
        self.fds = {
            MEMORY_FD: os.memfd_create("guest"),
            EVENT_FD: os.eventfd(0, os.EFD_NONBLOCK),
            PIPE_FD: pipe_far,
            DEVICE_FD: os.open("/dev/null", os.O_RDWR),
        }
        os.ftruncate(self.fds[MEMORY_FD], MEMORY_BYTES)
        self.is_open = True
        self.sent = 0
        self.replies = 0
        if is_set_up:
            version = struct.pack("<HH", 0, 0) + b'{"capabilities":{}}\0'
            self.message(c.VERSION, version, 0, [])
            self.message(
                c.DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0, MEMORY_BYTES), 0, [MEMORY_FD]
            )
            self.message(c.REGION_WRITE, c.ACCESS.pack(4, c.CONFIG, 2) + b"\6\0", 0, [])

    def close(self) -> None:
        """Both ends."""
        self.sock.close()
        self.server.close()
        for fd in (self.pipe, *self.fds.values()):
            os.close(fd)

    def raw(self, data: bytes, kinds: list[int]) -> None:
        """Bytes with descriptors of some kinds; the server handles them, we read what it says."""
        if not self.is_open or not data:
            return
        fds = [self.fds[kind] for kind in kinds if kind != NO_FD]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([data], rights)
        try:
            while self._unread():
                serve(self.server, self.clock)
        except ProtocolError:
            self.is_open = False
        with contextlib.suppress(BlockingIOError):
            while self.sock.recv(1 << 20, socket.MSG_DONTWAIT):
                self.replies += 1

    def _unread(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(self.server._channel._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    def message(self, command: int, body: bytes, flags: int, kinds: list[int]) -> None:
        """A well-framed message."""
        self.raw(self.client.message(command, body, flags), kinds)

    def pass_time(self, nanoseconds: int) -> None:
        """Timers fire, with DMA by message where memory was not shared."""
        self.clock.budget.begin()
        self.clock.advance_to(self.clock.now_ns + nanoseconds)
        self.card.flush()


pages = st.one_of(st.integers(0, 80).map(lambda n: n << 12), integers(64))
kinds = st.lists(st.integers(0, 4), max_size=4)
regions = st.one_of(st.sampled_from((0, 2, 4, c.CONFIG)), integers(32))
accesses = st.builds(
    lambda region, offset, count, data: c.ACCESS.pack(offset, region, count) + data,
    regions,
    st.one_of(
        st.integers(0, 0x200), st.sampled_from((0x10000, 0x100, 0xFFFF, 0x7FF8)), integers(64)
    ),
    st.one_of(st.integers(0, 16), integers(32)),
    st.binary(max_size=16),
)
right_accesses = st.builds(
    lambda region, offset, data: c.ACCESS.pack(offset, region, len(data)) + data,
    st.sampled_from((0, 2, 4, c.CONFIG)),
    st.one_of(st.integers(0, 0x200), st.sampled_from((0x10000, 0x100, 0xA0, 0x7FF8))),
    st.binary(min_size=1, max_size=64),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(1 << 20)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("capabilities", "max_data_xfer_size", "max_msg_fds")),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
versions = st.builds(
    lambda major, value, tail: struct.pack("<HH", major, 0) + json.dumps(value).encode() + tail,
    st.sampled_from((0, 0, 0, 1)),
    st.one_of(json_values, json_values.map(lambda v: {"capabilities": {"max_data_xfer_size": v}})),
    st.sampled_from((b"", b"\0", b"\xff")),
)
multi_writes = st.builds(
    lambda count, writes: struct.pack("<Q", count if count else len(writes)) + b"".join(writes),
    st.one_of(st.just(0), integers(64)),
    st.lists(
        st.builds(
            lambda o, r, n, d: c.ACCESS.pack(o, r, n) + d,
            integers(16),
            regions,
            st.integers(0, 9),
            st.binary(min_size=8, max_size=8),
        ),
        max_size=4,
    ),
)
structured = st.one_of(
    st.tuples(st.just(c.VERSION), versions),
    st.tuples(
        st.just(c.DMA_MAP), packed("<IIQQQ", st.just(32), st.integers(0, 4), pages, pages, pages)
    ),
    st.tuples(st.just(c.DMA_UNMAP), packed("<IIQQ", st.just(24), st.integers(0, 3), pages, pages)),
    st.tuples(
        st.just(c.SET_IRQS),
        st.builds(
            lambda f, x, s, n, d: struct.pack("<IIIII", 20, f, x, s, n) + d,
            st.one_of(st.integers(0, 63), st.sampled_from((0x21, 0x22, 0x24))),
            st.integers(0, 6),
            st.one_of(st.integers(0, 80), integers(32)),
            st.one_of(st.integers(0, 4), integers(32)),
            st.binary(max_size=6),
        ),
    ),
    st.tuples(st.sampled_from((c.REGION_READ, c.REGION_WRITE)), accesses),
    st.tuples(st.just(c.REGION_WRITE), right_accesses),
    st.tuples(st.just(c.REGION_WRITE_MULTI), multi_writes),
    st.tuples(
        st.sampled_from((c.GET_REGION_INFO, c.GET_IRQ_INFO, c.GET_INFO, c.DEVICE_RESET)),
        packed("<III20x", integers(32), st.just(0), integers(32)),
    ),
    st.tuples(st.one_of(st.integers(0, 20), integers(16)), st.binary(max_size=64)),
)
messages = st.builds(
    lambda message, flags, fds: ("message", *message, flags, fds),
    structured,
    st.sampled_from((0, 0, 0, c.NO_REPLY, c.REPLY, c.REPLY | c.ERROR, 0xF0, 2)),
    kinds,
)
steps = st.one_of(
    messages,
    messages,
    st.tuples(st.just("raw"), st.binary(min_size=1, max_size=120), kinds),
    st.tuples(st.just("pass_time"), st.sampled_from((1, 10**6, 10**9))),
)


@settings(max_examples=settings.default.max_examples * 5)
@given(
    program=st.lists(steps, min_size=1, max_size=12),
    timing=st.sampled_from(Timing),
    is_set_up=st.booleans(),
)
def test_any_traffic(program: list[tuple[Any, ...]], timing: Timing, is_set_up: bool) -> None:
    """Nothing raises but the loss of framing; nothing waits for a client that says nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "_DMA_REPLY_TIMEOUT_S", 0.0)
        peer = Peer(timing, is_set_up=is_set_up)
        try:
            for name, *arguments in program:
                getattr(peer, name)(*arguments)
                assert len(peer.server._deferred) <= 4096
                assert len(peer.clock._heap) <= 4096
        finally:
            peer.close()
