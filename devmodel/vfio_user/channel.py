# SPDX-License-Identifier: GPL-2.0-only
"""One vfio-user connection: framing, and descriptors matched to messages by byte position.

Bytes are received into one kept buffer (a fresh 256 KiB object per receive costs 15 us). Messages
are pipelined, some with a descriptor and some without. A receive ends with the piece of the stream
that carried descriptors, so they belong to the message that holds the last byte received.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence

from devmodel.errors import ProtocolError
from devmodel.outbox import Outbox
from devmodel.vfio_user.messages import (
    ERROR,
    MAX_DATA_BYTES,
    MAX_MESSAGE_FDS,
    TYPE_REPLY,
    Header,
)

_HEADER = struct.Struct("<HHIII")
_MAX_MESSAGE_BYTES = MAX_DATA_BYTES + 4096
_MAX_KERNEL_FDS = 253
_ANCILLARY_BYTES = socket.CMSG_SPACE(_MAX_KERNEL_FDS * 4)
MAX_UNREAD_BYTES = 8 << 20
"""Replies the client has not read: it has asked many things at once, or is not going to."""
_MAX_WAITING_FDS = 2 * _MAX_KERNEL_FDS

Message = tuple[int, int, int, int, memoryview, list[int]]
"""message_id, command, flags, error, body (valid until the next receive), descriptors."""


class Channel:
    """A connected Unix stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._outbox = Outbox(sock, MAX_UNREAD_BYTES)
        self._buffer = bytearray(_MAX_MESSAGE_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._received = 0
        self._consumed = 0
        self._fds: deque[tuple[int, list[int]]] = deque()
        self._fds_waiting = 0

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Replies wait for room: call :meth:`flush` when the socket is writable."""
        return self._outbox.is_waiting

    @property
    def has_left(self) -> bool:
        """The peer has closed, whatever of it is still to be received."""
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    def flush(self) -> None:
        """Send what waits."""
        self._outbox.flush()

    def receive(self) -> bool:
        """Take in what has arrived, without waiting. False when the peer has closed.

        Bodies of messages returned before are invalid afterwards.
        Raises ProtocolError if the peer sends more descriptors than messages can carry.
        """
        if self._start:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        try:
            got, ancillary, _, _ = self._sock.recvmsg_into(
                [self._view[self._end :]], _ANCILLARY_BYTES, socket.MSG_DONTWAIT
            )
        except (BlockingIOError, InterruptedError):
            return True
        except ConnectionResetError:
            return False
        self._end += got
        self._received += got
        if ancillary:
            self._keep_fds(ancillary)
        return got > 0

    def wait(self, deadline: float) -> bool:
        """Wait until there is something to receive or ``time.monotonic()`` passes ``deadline``.

        Meanwhile what waits is sent.
        """
        poll = select.poll()
        while True:
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self.wants_write else 0))
            left_s = max(0.0, deadline - time.monotonic())
            events = sum(event for _, event in poll.poll(left_s * 1000))
            if not events & select.POLLOUT:
                return bool(events)
            self.flush()

    def keep_bodies(self) -> None:
        """Bodies returned so far outlive the next receive: go on in another buffer."""
        left = self._view[self._start : self._end]
        self._buffer = bytearray(_MAX_MESSAGE_BYTES)
        self._buffer[: len(left)] = left
        self._view = memoryview(self._buffer)
        self._start, self._end = 0, len(left)

    def next_message(self) -> Message | None:
        """The next complete message, or None. Its descriptors are the caller's to close.

        Raises ProtocolError when the framing is lost.
        """
        have = self._end - self._start
        if have < Header.SIZE:
            return None
        message_id, command, size, flags, error = _HEADER.unpack_from(self._buffer, self._start)
        if size < Header.SIZE or size > _MAX_MESSAGE_BYTES:
            raise ProtocolError(f"message of {size} bytes (command {command})")
        if have < size:
            return None
        body = self._view[self._start + Header.SIZE : self._start + size]
        self._start += size
        self._consumed += size
        fds: list[int] = []
        while self._fds and self._fds[0][0] <= self._consumed:
            fds += self._fds.popleft()[1]
        self._fds_waiting -= len(fds)
        return message_id, command, flags, error, body, fds

    def send(
        self,
        message_id: int,
        command: int,
        flags: int,
        body: bytes = b"",
        *,
        error: int = 0,
        fds: Sequence[int] = (),
    ) -> None:
        """Send one message, or queue it. Raises ProtocolError if too much is unread."""
        size = Header.SIZE + len(body)
        self._outbox.send(_HEADER.pack(message_id, command, size, flags, error) + body, fds)

    def reply(self, message_id: int, command: int, body: bytes, fds: Sequence[int] = ()) -> None:
        """Answer a command."""
        self.send(message_id, command, TYPE_REPLY, body, fds=fds)

    def reply_error(self, message_id: int, command: int, error: int) -> None:
        """Refuse a command with an errno."""
        self.send(message_id, command, TYPE_REPLY | ERROR, error=error)

    def close(self, drain_s: float = 0.05) -> None:
        """Leave gracefully: QEMU 11.1 aborts if the socket closes with unread traffic in it."""
        deadline = time.monotonic() + drain_s
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline and self.wait(deadline):
                if not self._sock.recv(65536, socket.MSG_DONTWAIT):
                    break
        self._sock.close()
        for _, fds in self._fds:
            close_all(fds)
        self._fds.clear()

    def _keep_fds(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        fds: list[int] = []
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
                fds += numbers
        self._fds.append((self._received, fds))
        self._fds_waiting += len(fds)
        if self._fds_waiting > _MAX_WAITING_FDS:
            raise ProtocolError(f"{self._fds_waiting} descriptors for {MAX_MESSAGE_FDS} allowed")


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that nobody took."""
    for fd in fds:
        os.close(fd)
