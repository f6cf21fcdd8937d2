# SPDX-License-Identifier: GPL-2.0-only
"""Sending without ever waiting: what a peer does not take is queued, up to a limit."""

from __future__ import annotations

import array
import socket
from collections import deque
from collections.abc import Sequence

from devmodel.errors import ProtocolError


class Outbox:
    """The sending half of a connected Unix stream socket.

    :param limit_bytes: a peer that leaves more than this unread breaks the protocol.
    """

    def __init__(self, sock: socket.socket, limit_bytes: int) -> None:
        self._socket = sock
        self._limit = limit_bytes
        self._queue: deque[tuple[bytes | memoryview, Sequence[int]]] = deque()
        self._queued_bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Something is queued: call :meth:`flush` when the socket is writable."""
        return bool(self._queue)

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send or queue; descriptors must stay open. Raises ProtocolError beyond the limit.

        The end of a stream is reported where it is read.
        """
        if not self._queue:
            sent = self._try(data, fds)
            if sent == len(data):
                return
            self._queue.append((memoryview(data)[sent:], () if sent else fds))
            self._queued_bytes = len(data) - sent
            return
        self._queue.append((data, fds))
        self._queued_bytes += len(data)
        if self._queued_bytes > self._limit:
            raise ProtocolError(f"the peer leaves {self._queued_bytes} bytes of replies unread")

    def flush(self) -> None:
        """Send as much as the socket takes."""
        while self._queue:
            data, fds = self._queue[0]
            sent = self._try(data, fds)
            self._queued_bytes -= sent
            if sent < len(data):
                self._queue[0] = (memoryview(data)[sent:], () if sent else fds)
                return
            self._queue.popleft()

    def _try(self, data: bytes | memoryview, fds: Sequence[int]) -> int:
        try:
            if fds:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
                return self._socket.sendmsg([data], [rights], socket.MSG_DONTWAIT)
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return 0
        except (BrokenPipeError, ConnectionResetError):
            return len(data)
