# SPDX-License-Identifier: GPL-2.0-only
"""A small vfio-user client, able to send what no sane client sends.

It does not use the server's message declarations: formats are written out here a second time, from
QEMU's docs/interop/vfio-user.rst, so that a wrong declaration cannot agree with itself.
"""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS = range(1, 7)
GET_IRQ_INFO, SET_IRQS, REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE = range(7, 13)
DEVICE_RESET, DIRTY_PAGES, REGION_WRITE_MULTI, DEVICE_FEATURE = range(13, 17)

REPLY, NO_REPLY, ERROR = 0x1, 0x10, 0x20
CONFIG = 7
NONE, BOOL, EVENTFD, MASK, UNMASK, TRIGGER = (1 << bit for bit in range(6))
INTX, MSI, MSIX, ERR, REQ = range(5)

HEADER = struct.Struct("<HHIII")
ACCESS = struct.Struct("<QII")


@dataclass
class Reply:
    """One message from the server; a command from it, if ``flags`` lack REPLY."""

    message_id: int
    command: int
    flags: int
    error: int
    body: bytes
    fds: list[int] = field(default_factory=list)


class Client:
    """Speaks on ``sock``; ``pump`` lets the server work (None if it runs elsewhere)."""

    def __init__(self, sock: socket.socket, pump: Callable[[], object] | None = None) -> None:
        self.sock = sock
        self.pump = pump
        self._next_id = 0
        sock.settimeout(10)

    def message(
        self, command: int, body: bytes = b"", flags: int = 0, size: int | None = None
    ) -> bytes:
        """Bytes of a message; ``size`` overrides the header's truth."""
        self._next_id = (self._next_id + 1) & 0xFFFF
        length = HEADER.size + len(body) if size is None else size
        return HEADER.pack(self._next_id, command, length, flags, 0) + body

    def send_raw(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send bytes with descriptors attached to the first of them."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.sock.sendmsg([data], rights)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def send(self, command: int, body: bytes = b"", fds: Sequence[int] = (), flags: int = 0) -> int:
        """Send a message. Returns its id."""
        self.send_raw(self.message(command, body, flags), fds)
        return self._next_id

    def receive(self) -> Reply:
        """Wait for the next message of the server. Raises EOFError."""
        head, ancillary, _, _ = self.sock.recvmsg(HEADER.size, socket.CMSG_SPACE(64 * 4))
        if not head:
            raise EOFError
        fds: list[int] = []
        for _, _, data in ancillary:
            numbers = array.array("i")
            numbers.frombytes(data)
            fds += numbers
        message_id, command, size, flags, error = HEADER.unpack(head)
        body = b""
        while len(body) < size - HEADER.size:
            body += self.sock.recv(size - HEADER.size - len(body))
        return Reply(message_id, command, flags, error, body, fds)

    def call(
        self, command: int, body: bytes = b"", fds: Sequence[int] = (), flags: int = 0
    ) -> Reply:
        """Send, let the server work, take the reply, which must be this message's."""
        message_id = self.send(command, body, fds, flags)
        if self.pump is not None:
            self.pump()
        reply = self.receive()
        assert (reply.message_id, reply.command) == (message_id, command)
        assert reply.flags & 0xF == REPLY
        assert bool(reply.flags & ERROR) == bool(reply.error)
        if reply.error:
            assert reply.body == b""
        return reply

    def silent(self) -> bool:
        """True if the server has nothing to say."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(10)
        return False

    # -- whole commands ---------------------------------------------------------------------
    def version(self, **capabilities: object) -> Reply:
        """VERSION 0.0 with a JSON of ``capabilities``."""
        data = json.dumps({"capabilities": capabilities}).encode() + b"\0"
        return self.call(VERSION, struct.pack("<HH", 0, 0) + data)

    def dma_map(
        self, iova: int, size: int, fd: int | None = None, flags: int = 3, offset: int = 0
    ) -> Reply:
        """DMA_MAP."""
        body = struct.pack("<IIQQQ", 32, flags, offset, iova, size)
        return self.call(DMA_MAP, body, () if fd is None else (fd,))

    def dma_unmap(self, iova: int, size: int, flags: int = 0) -> Reply:
        """DMA_UNMAP."""
        return self.call(DMA_UNMAP, struct.pack("<IIQQ", 24, flags, iova, size))

    def read(self, region: int, offset: int, count: int) -> bytes:
        """REGION_READ that must succeed."""
        reply = self.call(REGION_READ, ACCESS.pack(offset, region, count))
        assert reply.error == 0
        assert reply.body[: ACCESS.size] == ACCESS.pack(offset, region, count)
        return reply.body[ACCESS.size :]

    def read_int(self, region: int, offset: int, count: int = 4) -> int:
        """REGION_READ as a little-endian number."""
        return int.from_bytes(self.read(region, offset, count), "little")

    def write(self, region: int, offset: int, data: bytes) -> None:
        """Non-posted REGION_WRITE that must succeed."""
        reply = self.call(REGION_WRITE, ACCESS.pack(offset, region, len(data)) + data)
        assert reply.error == 0
        assert reply.body == ACCESS.pack(offset, region, len(data))

    def write_int(self, region: int, offset: int, value: int, count: int = 4) -> None:
        """Non-posted write of a little-endian number."""
        self.write(region, offset, value.to_bytes(count, "little"))

    def post(self, region: int, offset: int, data: bytes) -> None:
        """Posted REGION_WRITE."""
        body = ACCESS.pack(offset, region, len(data)) + data
        self.send(REGION_WRITE, body, flags=NO_REPLY)

    def set_irqs(
        self,
        flags: int,
        index: int,
        start: int,
        count: int,
        fds: Sequence[int] = (),
        data: bytes = b"",
    ) -> Reply:
        """DEVICE_SET_IRQS."""
        body = struct.pack("<IIIII", 20 + len(data), flags, index, start, count) + data
        return self.call(SET_IRQS, body, fds)
