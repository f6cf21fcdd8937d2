# SPDX-License-Identifier: GPL-2.0-only
"""Sending to a peer that does not read: never waits, loses nothing, and has an end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from devmodel.errors import ProtocolError
from devmodel.outbox import Outbox

LIMIT = 1 << 20
PIECE = b"0123456789abcdef" * 1024

Ends = tuple[Outbox, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    yield Outbox(ours, LIMIT), theirs
    ours.close()
    theirs.close()


def drain(ends: Ends, count: int) -> bytes:
    """Read so many bytes while the outbox goes on."""
    outbox, theirs = ends
    data = b""
    while len(data) < count:
        data += theirs.recv(count - len(data))
        outbox.flush()
    return data


def test_everything_arrives_in_order(ends: Ends) -> None:
    outbox, _ = ends
    pieces = [bytes([i]) * 20_000 for i in range(50)]
    for piece in pieces:
        outbox.send(piece)
    assert outbox.is_waiting
    assert drain(ends, 50 * 20_000) == b"".join(pieces)
    assert not outbox.is_waiting


def test_what_nobody_reads_has_an_end(ends: Ends) -> None:
    outbox, _ = ends
    for _ in range(LIMIT // len(PIECE)):
        outbox.send(PIECE)
    with pytest.raises(ProtocolError, match="unread"):  # noqa: PT012 - which one is the kernel's
        for _ in range(1000):
            outbox.send(PIECE)


def test_descriptors_go_with_their_bytes(ends: Ends) -> None:
    outbox, theirs = ends
    reader, writer = os.pipe()
    while not outbox.is_waiting:
        outbox.send(PIECE)
    outbox.send(b"!", [writer])
    fds: list[int] = []
    data = b""
    while not data.endswith(b"!"):
        more, found, _, _ = socket.recv_fds(theirs, 1 << 16, 4)
        data += more
        fds += found
        outbox.flush()
    (fd,) = fds
    os.write(fd, b"x")
    assert os.read(reader, 1) == b"x"
    for each in (fd, reader, writer):
        os.close(each)


def test_a_peer_that_is_gone_is_no_error_here(ends: Ends) -> None:
    outbox, theirs = ends
    theirs.close()
    outbox.send(PIECE)
    assert not outbox.is_waiting
