# SPDX-License-Identifier: GPL-2.0-only
"""What thinking about hostile vfio-user clients, and drawing them, found: each by itself."""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Iterator

import pytest

from devmodel.clock import Timing
from devmodel.errors import ProtocolError
from devmodel.vfio_user import channel
from tests.protocol import client as c
from tests.protocol.conftest import Bench, serve
from tests.protocol.hostile.test_vfio_user import EVENT_FD, Peer

SET_TRIGGER_EVENTFD, SET_TRIGGER_NONE = 0x24, 0x21
MSIX = 2


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer(Timing.SYNCHRONOUS)
    yield peer
    peer.close()


@pytest.mark.parametrize("limit", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_transfer_size_that_is_no_number(fresh: Bench, limit: str) -> None:
    text = '{"capabilities":{"max_data_xfer_size":' + limit + "}}"
    reply = fresh.client.call(c.VERSION, struct.pack("<HH", 0, 0) + text.encode())
    assert reply.error == errno.EINVAL


def test_interrupts_of_an_eventfd_at_its_end_do_not_block(peer: Peer) -> None:
    os.eventfd_write(peer.fds[EVENT_FD], (1 << 64) - 2)
    os.set_blocking(peer.fds[EVENT_FD], True)
    connect = struct.pack("<IIIII", 20, SET_TRIGGER_EVENTFD, MSIX, 0, 1)
    peer.message(c.SET_IRQS, connect, 0, [EVENT_FD])
    peer.message(c.SET_IRQS, struct.pack("<IIIII", 20, SET_TRIGGER_NONE, MSIX, 0, 1), 0, [])
    assert peer.replies >= 2


def test_client_that_takes_no_replies_is_given_up(peer: Peer) -> None:
    """Nothing waits for it: some replies are queued, then its connection ends."""
    request = c.ACCESS.pack(0, c.CONFIG, 4096)
    began = time.monotonic()
    for _ in range(channel.MAX_UNREAD_BYTES // 4096 // 8):
        ask(peer, request * 8)
    with pytest.raises(ProtocolError, match="of replies unread"):  # noqa: PT012 - one of them
        for _ in range(1000):
            ask(peer, request)
    assert time.monotonic() - began < 5


def ask(peer: Peer, request: bytes) -> None:
    """One question, or several; the answers are not read."""
    for at in range(0, len(request), c.ACCESS.size):
        one = request[at : at + c.ACCESS.size]
        peer.sock.send(peer.client.message(c.REGION_READ, one))
    serve(peer.server, peer.clock)


def test_replies_that_waited_arrive_whole_and_in_order(peer: Peer) -> None:
    request = c.ACCESS.pack(0, c.CONFIG, 4096)
    asked = [peer.client.send(c.REGION_READ, request) for _ in range(200)]
    serve(peer.server, peer.clock)
    assert peer.server.wants_write
    answered = []
    for _ in asked:
        answered.append(peer.client.receive())
        peer.server.flush()
    assert not peer.server.wants_write
    assert [reply.message_id for reply in answered] == asked
    assert {len(reply.body) for reply in answered} == {c.ACCESS.size + 4096}
