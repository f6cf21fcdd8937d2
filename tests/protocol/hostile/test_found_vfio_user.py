# SPDX-License-Identifier: GPL-2.0-only
"""What thinking about hostile vfio-user clients, and drawing them, found: each by itself."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator

import pytest

from devmodel.clock import Timing
from devmodel.errors import ProtocolError
from devmodel.vfio_user import channel
from tests.protocol import client as c
from tests.protocol.conftest import Bench
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


def test_client_that_takes_no_replies_is_given_up(
    fresh: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_SEND_TIMEOUT", struct.pack("@ll", 0, 10_000))
    peer = Peer(Timing.SYNCHRONOUS)
    with pytest.raises(ProtocolError, match="takes no replies"):
        ask_only(peer)
    peer.close()


def ask_only(peer: Peer) -> None:
    """Many questions, and no answer is read."""
    request = c.ACCESS.pack(0, c.CONFIG, 4096)
    for _ in range(1000):
        peer.sock.send(peer.client.message(c.REGION_READ, request))
        peer.server.serve()
