# SPDX-License-Identifier: GPL-2.0-only
"""One vhost-user connection: framing, descriptors, replies, and the pipe for calls."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket
import stat

from devmodel.errors import ProtocolError
from devmodel.outbox import Outbox
from devmodel.vhost_user.messages import (
    HEADER,
    MAX_MESSAGE_BYTES,
    REPLY,
    U64,
    VERSION,
    VRING_STATE,
    Refused,
    SlaveRequest,
)

_MAX_FDS = 8
MAX_UNREAD_BYTES = 1 << 20
"""Answers the front end has not read; UML waits for each."""
_ANCILLARY_BYTES = socket.CMSG_SPACE(_MAX_FDS * 4)
_RECEIVE_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
_REPLY = VERSION | REPLY
_DONE, _FAILED = U64.pack(0), U64.pack(1)
_TRUNCATED = int(socket.MSG_CTRUNC)
_FIONREAD, _SIOCOUTQ = 0x541B, 0x5411
"""Bytes that nobody has read: of a pipe, and of a socket (asm-generic/ioctls.h, sockios.h)."""
_CALL_HEADER = HEADER.pack(SlaveRequest.VRING_CALL, VERSION, VRING_STATE.size)

Message = tuple[int, int, bytes, list[int]]
"""request, flags, body, descriptors (the receiver's to close)."""


class Channel:
    """A connected Unix stream socket and, once the front end has handed it over, a pipe."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._outbox = Outbox(sock, MAX_UNREAD_BYTES)
        self._buffer = b""
        self._fds: list[tuple[int, list[int]]] = []
        """With each list, how many bytes from the start of the buffer its message reaches."""
        self._calls: int | None = None
        self._ask_unread = _SIOCOUTQ
        self._called: set[int] = set()
        """Virtqueues whose call may not have been read."""

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Answers wait for room: call :meth:`flush` when the socket is writable."""
        return self._outbox.is_waiting

    def flush(self) -> None:
        """Send what waits."""
        self._outbox.flush()

    def receive(self) -> bool:
        """Take in what has arrived, without waiting. False when the front end has closed."""
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(
                2 * MAX_MESSAGE_BYTES, _ANCILLARY_BYTES, _RECEIVE_FLAGS
            )
        except (BlockingIOError, InterruptedError):
            return True
        except ConnectionResetError:
            return False
        self._buffer += data
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                self._fds.append((len(self._buffer), list(numbers)))
        if flags & _TRUNCATED or sum(len(fds) for _, fds in self._fds) > _MAX_FDS:
            raise ProtocolError("more descriptors than a message can carry")
        return bool(data)

    def next_message(self) -> Message | None:
        """The next complete message, or None.

        Descriptors belong to the last message they arrive with: nothing behind it is read with
        them (unix(7)). Raises ProtocolError when the framing is lost.
        """
        have = len(self._buffer)
        if have < HEADER.size:
            return None
        request, flags, size = HEADER.unpack_from(self._buffer)
        if size > MAX_MESSAGE_BYTES:
            raise ProtocolError(f"message of {size} bytes (request {request})")
        end = HEADER.size + size
        if have < end:
            return None
        body = self._buffer[HEADER.size : end]
        self._buffer = self._buffer[end:]
        fds: list[int] = []
        if self._fds:
            while self._fds and self._fds[0][0] <= end:
                fds += self._fds.pop(0)[1]
            self._fds = [(reach - end, theirs) for reach, theirs in self._fds]
        return request, flags, body, fds

    def reply(self, request: int, body: bytes) -> None:
        """Answer a request. Raises ProtocolError if too many answers are unread."""
        self._outbox.send(HEADER.pack(request, _REPLY, len(body)) + body)

    def acknowledge(self, request: int, *, failed: bool = False) -> None:
        """Answer a request whose answer is only that it was carried out, or not."""
        self._outbox.send(HEADER.pack(request, _REPLY, U64.size) + (_FAILED if failed else _DONE))

    def take_call_pipe(self, fd: int) -> None:
        """Calls go to this descriptor from now on; it is ours. Raises Refused, then it is not."""
        try:
            kind = stat.S_IFMT(os.fstat(fd).st_mode)
            if kind not in (stat.S_IFIFO, stat.S_IFSOCK):
                raise Refused("a call pipe that is no pipe")
            os.set_blocking(fd, False)  # a guest that does not read must not stop the card
        except OSError as e:
            raise Refused(f"call pipe: {e}") from e
        if self._calls is not None:
            os.close(self._calls)
        self._calls = fd
        self._ask_unread = _FIONREAD if kind == stat.S_IFIFO else _SIOCOUTQ
        self._called.clear()

    @property
    def can_call(self) -> bool:
        """The front end has handed over the pipe."""
        return self._calls is not None

    def call(self, queue: int) -> None:
        """Interrupt the guest: ``queue`` has news.

        UML does not read calls while it is busy with what one of them led to, which may take
        thousands. A further one for the same queue then says nothing new; and of those that a
        socket has no room for (one of the usual size has it for 278) one might be the first for its
        queue.
        """
        if self._calls is None:
            return
        if not self._are_calls_unread(self._calls):
            self._called.clear()
        elif queue in self._called:
            return
        self._called.add(queue)
        with contextlib.suppress(OSError):
            os.write(self._calls, _CALL_HEADER + VRING_STATE.pack(queue, 0))

    def _are_calls_unread(self, fd: int) -> bool:
        answer = array.array("i", [0])
        try:
            fcntl.ioctl(fd, self._ask_unread, answer)
        except OSError:
            return False
        return answer[0] > 0

    def close(self) -> None:
        """Close socket and pipe."""
        self._sock.close()
        for _, fds in self._fds:
            for fd in fds:
                os.close(fd)
        self._fds.clear()
        if self._calls is not None:
            os.close(self._calls)
            self._calls = None
