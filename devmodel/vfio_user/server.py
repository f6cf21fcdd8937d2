# SPDX-License-Identifier: GPL-2.0-only
"""vfio-user server for one PCI function and one client, every command as QEMU 11.1 speaks it.

A bad message is answered with an errno and recorded; only lost framing ends the connection
(ProtocolError). Accesses are carried out in the order in which they arrive, whole batches at a
time.
"""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable

from devmodel.clock import Timing
from devmodel.pci.config import CONFIG_SPACE_SIZE
from devmodel.pci.function import Function, ResetKind
from devmodel.vfio_user.channel import Channel, Message, close_all
from devmodel.vfio_user.irqs import Irqs
from devmodel.vfio_user.memory import ClientDma, GuestMemory
from devmodel.vfio_user.messages import (
    CONFIG_REGION,
    DEVICE_FLAGS_PCI,
    DEVICE_FLAGS_RESET,
    ERROR,
    IRQ_COUNT,
    MAX_DATA_BYTES,
    MAX_DMA_MAPS,
    MAX_MESSAGE_FDS,
    MAX_MULTI_WRITES,
    NO_REPLY,
    PAGE_SIZES,
    REGION_COUNT,
    TYPE_COMMAND,
    TYPE_MASK,
    TYPE_REPLY,
    Command,
    DeviceInfo,
    MultiWrite,
    Refused,
    RegionAccess,
    RegionInfo,
    SparseMmapArea,
    SparseMmapCap,
    Version,
    fixed_part,
)

_MESSAGE_UNITS = 20
_WAIT_S = 0.05
"""How long control requests wait at most while the client is asked for memory."""
_ACCESS = struct.Struct("<QII")
_ACCESS_SIZE = RegionAccess.SIZE
_MAX_MMIO_BYTES = 8
_MAX_DEFERRED = 1 << 12
"""Posted writes that wait while a DMA by message does; more of them end it."""
_DMA_REPLY_TIMEOUT_S = 4.0
"""Shorter than QEMU's own x-msg-timeout of 5 s, after which its connection is dead for good."""


class Server:
    """Serves ``function`` on a connected Unix stream socket; is the function's Host.

    :ivar counters: messages by command name, ``multi_writes``, ``refused``, ``stray_replies``.
    :ivar greeted: the client has sent VERSION, as whoever means it does first.
    :param signalled: called after each MSI-X message that was sent.
    """

    keeps_msix_table = True

    def __init__(
        self,
        function: Function,
        sock: socket.socket,
        signalled: Callable[[], None] = lambda: None,
    ) -> None:
        self.function = function
        self.counters: Counter[str] = Counter()
        self._channel = Channel(sock)
        self._trace = function.trace
        self._synchronous = function.clock.timing is Timing.SYNCHRONOUS
        self._memory = GuestMemory(function.dma)
        self._budget = function.clock.budget
        self._is_behind = False
        self._irqs = Irqs(function.msix_vectors, function.msix_connected, signalled)
        self._client_dma = ClientDma(self._ask)
        self._region_sizes = [function.bar_sizes.get(i, 0) for i in range(REGION_COUNT)]
        self._region_sizes[CONFIG_REGION] = CONFIG_SPACE_SIZE
        self.greeted = False
        self._deferred: deque[Message] = deque()
        self._replies: dict[int, tuple[int, memoryview] | None] = {}
        self._next_id = 0
        self._answer: Callable[[], None] | None = None
        self._inside_read = False
        self._commands: dict[int, Callable[[memoryview, list[int]], bytes]] = {
            Command.VERSION: self._version,
            Command.DMA_MAP: self._memory.map,
            Command.DMA_UNMAP: self._memory.unmap,
            Command.DEVICE_GET_INFO: self._device_info,
            Command.DEVICE_GET_IRQ_INFO: lambda body, fds: self._irqs.info(body),
            Command.DEVICE_SET_IRQS: self._irqs.set,
            Command.DEVICE_RESET: self._reset,
            Command.REGION_WRITE_MULTI: self._write_multi,
        }
        function.attach(self)
        function.dma.message_dma = self._client_dma

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._channel.fileno()

    def msix(self, vector: int) -> bool:
        """Deliver an MSI-X vector. False if the client has not connected it."""
        return self._irqs.msix(vector)

    def serve(self) -> bool:
        """Handle what has arrived, as much as the budget allows. False when the client has closed.

        Raises ProtocolError if the framing is lost.
        """
        self._budget.waited_s = 0.0
        alive = self._is_behind or self._channel.receive()
        self._is_behind = False
        while (message := self._channel.next_message()) is not None:
            self._handle(message)
            while self._deferred:
                self._budget.pause()
                self._handle(self._deferred.popleft())
            if self._budget.left <= 0:
                self._is_behind = True
                break
        self.function.flush()
        return alive

    @property
    def has_input(self) -> bool:
        """More has arrived than the last call of :meth:`serve` handled: call it again."""
        return self._is_behind

    @property
    def has_left(self) -> bool:
        """The client has closed its end; what it sent before may not have been handled."""
        return self._channel.has_left

    @property
    def wants_write(self) -> bool:
        """The client does not take its replies: call :meth:`flush` when it does."""
        return self._channel.wants_write

    def flush(self) -> None:
        """Send what waits."""
        self._channel.flush()

    def close(self) -> None:
        """Leave gracefully and forget the client's memory and eventfds."""
        self._channel.close()
        self._irqs.close()
        self._memory.forget()

    # -- dispatch -----------------------------------------------------------------------------
    def _handle(self, message: Message) -> None:
        message_id, command, flags, error, body, fds = message
        self._budget.left -= _MESSAGE_UNITS
        try:
            if flags & TYPE_MASK == TYPE_REPLY:
                self._take_reply(message_id, error if flags & ERROR else 0, body)
                return
            if flags & TYPE_MASK != TYPE_COMMAND:
                raise Refused(errno.EINVAL, f"message flags {flags:#x}")
            if not self.greeted and command != Command.VERSION:
                raise Refused(errno.EINVAL, f"command {command} before VERSION")
            if command == Command.REGION_WRITE:
                self._region_write(message_id, flags, body)
            elif command == Command.REGION_READ:
                self._region_read(message_id, body)
            elif command == Command.DEVICE_GET_REGION_INFO:
                self._region_info(message_id, body)
            else:
                self._command(message_id, command, flags, body, fds)
        except Refused as e:
            self.counters["refused"] += 1
            self._trace.emit("vfio_user_refused", command=command, error=e.error, why=str(e))
            if not flags & NO_REPLY:
                self._channel.reply_error(message_id, command, e.error)
        finally:
            if fds:
                close_all(fds)

    def _command(
        self, message_id: int, command: int, flags: int, body: memoryview, fds: list[int]
    ) -> None:
        call = self._commands.get(command)
        if call is None:
            known = command in Command.__members__.values()
            raise Refused(errno.EOPNOTSUPP if known else errno.EINVAL, "no such command")
        if len(fds) > MAX_MESSAGE_FDS:
            raise Refused(errno.EINVAL, f"{len(fds)} descriptors")
        self.counters[Command(command).name] += 1
        answer = call(body, fds)
        if not flags & NO_REPLY:
            self._channel.reply(message_id, command, answer)

    # -- regions ------------------------------------------------------------------------------
    def _check_access(self, body: memoryview) -> tuple[int, int, int]:
        if len(body) < _ACCESS_SIZE:
            raise Refused(errno.EINVAL, f"region access of {len(body)} bytes")
        offset, region, count = _ACCESS.unpack_from(body)
        if region >= REGION_COUNT or not 0 < count <= MAX_DATA_BYTES:
            raise Refused(errno.EINVAL, f"{count} bytes of region {region}")
        if offset + count > self._region_sizes[region]:
            raise Refused(errno.EINVAL, f"{count} bytes at {offset:#x} of region {region}")
        return offset, region, count

    def _region_read(self, message_id: int, body: memoryview) -> None:
        self.counters["REGION_READ"] += 1
        offset, region, count = self._check_access(body)
        function = self.function
        self._inside_read = True
        try:
            if region == CONFIG_REGION:
                data = function.config_read(offset, count)
            elif count <= _MAX_MMIO_BYTES:
                data = function.mmio_read(region, offset, count)
            else:
                pieces = _mmio_pieces(offset, count)
                data = b"".join(function.mmio_read(region, at, n) for at, n in pieces)
        finally:
            self._inside_read = False
        if self._synchronous:
            function.settle()
        self._channel.reply(
            message_id, Command.REGION_READ, _ACCESS.pack(offset, region, count) + data
        )

    def _region_write(self, message_id: int, flags: int, body: memoryview) -> None:
        self.counters["REGION_WRITE"] += 1
        offset, region, count = self._check_access(body)
        data = body[_ACCESS_SIZE:]
        if len(data) != count:
            raise Refused(errno.EINVAL, f"write of {count} bytes carries {len(data)}")
        if not flags & NO_REPLY:
            echo = bytes(body[:_ACCESS_SIZE])
            self._answer = lambda: self._channel.reply(message_id, Command.REGION_WRITE, echo)
        self._write(region, offset, data)
        self._answer_now()

    def _write(self, region: int, offset: int, data: memoryview) -> None:
        function = self.function
        if region == CONFIG_REGION:
            function.config_write(offset, data)
        elif len(data) <= _MAX_MMIO_BYTES:
            function.mmio_write(region, offset, data)
        else:
            for at, n in _mmio_pieces(offset, len(data)):
                self._budget.left -= 5
                self._budget.pause()
                function.mmio_write(region, at, data[at - offset : at - offset + n])
        if self._synchronous:
            function.settle()

    def _write_multi(self, body: memoryview, fds: list[int]) -> bytes:
        if len(body) < 8:
            raise Refused(errno.EINVAL, f"WRITE_MULTI of {len(body)} bytes")
        count = int.from_bytes(body[:8], "little")
        if count > MAX_MULTI_WRITES or len(body) != 8 + count * MultiWrite.SIZE:
            raise Refused(errno.EINVAL, f"WRITE_MULTI of {count} writes in {len(body)} bytes")
        writes = []
        for at in range(8, len(body), MultiWrite.SIZE):
            offset, region, size = self._check_access(body[at : at + _ACCESS_SIZE])
            if size > _MAX_MMIO_BYTES:
                raise Refused(errno.EINVAL, f"WRITE_MULTI with a write of {size} bytes")
            data = body[at + _ACCESS_SIZE : at + _ACCESS_SIZE + size]
            writes.append((region, offset, data))
        self.counters["multi_writes"] += count
        for region, offset, data in writes:
            self._budget.pause()
            self._write(region, offset, data)
        return bytes(body[:8])

    def _answer_now(self) -> None:
        """Send the pending reply of a write, if it has not gone out early."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer()

    def _region_info(self, message_id: int, body: memoryview) -> None:
        self.counters["DEVICE_GET_REGION_INFO"] += 1
        requested = fixed_part(RegionInfo, body)
        if requested.index >= REGION_COUNT:
            raise Refused(errno.EINVAL, f"region {requested.index}")
        size = self._region_sizes[requested.index]
        flags = RegionInfo.FLAG_READ | RegionInfo.FLAG_WRITE if size else 0
        info = RegionInfo(RegionInfo.SIZE, flags, requested.index, 0, size, 0)
        shared = self.function.shared_bars.get(requested.index)
        tail, fds = b"", []
        if shared is not None:
            info.flags |= RegionInfo.FLAG_MMAP
            fds = [shared.fd]
            if shared.areas:
                tail = SparseMmapCap(nr_areas=len(shared.areas)).pack()
                tail += b"".join(SparseMmapArea(*area).pack() for area in shared.areas)
                info.flags |= RegionInfo.FLAG_CAPS
                info.cap_offset = RegionInfo.SIZE
                info.argsz += len(tail)
                if requested.argsz < info.argsz:
                    # The client asks again with the argsz it is told; the descriptor goes then.
                    info.cap_offset, tail, fds = 0, b"", []
        command = Command.DEVICE_GET_REGION_INFO
        self._channel.reply(message_id, command, info.pack() + tail, fds)

    # -- the other commands -------------------------------------------------------------------
    def _version(self, body: memoryview, fds: list[int]) -> bytes:
        version = fixed_part(Version, body)
        if self.greeted or version.major != 0:
            raise Refused(errno.EINVAL, f"VERSION {version.major}.{version.minor}")
        try:
            text = bytes(body[Version.SIZE :]).rstrip(b"\0").decode()
            capabilities = (json.loads(text) if text else {}).get("capabilities", {})
            limit = int(capabilities.get("max_data_xfer_size", MAX_DATA_BYTES))
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as e:
            raise Refused(errno.EINVAL, f"VERSION data: {e}") from e
        if limit <= 0:
            raise Refused(errno.EINVAL, f"max_data_xfer_size {limit}")
        self._client_dma.max_bytes = min(limit, MAX_DATA_BYTES)
        self.greeted = True
        self._trace.emit("vfio_user_connected", client=text[:1000])
        ours = {
            "max_msg_fds": MAX_MESSAGE_FDS,
            "max_data_xfer_size": MAX_DATA_BYTES,
            "pgsizes": PAGE_SIZES,
            "max_dma_maps": MAX_DMA_MAPS,
            "write_multiple": not self._synchronous,
        }
        return Version().pack() + json.dumps({"capabilities": ours}).encode() + b"\0"

    def _device_info(self, body: memoryview, fds: list[int]) -> bytes:
        fixed_part(DeviceInfo, body)
        flags = DEVICE_FLAGS_RESET | DEVICE_FLAGS_PCI
        return DeviceInfo(DeviceInfo.SIZE, flags, REGION_COUNT, IRQ_COUNT).pack()

    def _reset(self, body: memoryview, fds: list[int]) -> bytes:
        self.function.reset(ResetKind.TRANSPORT)
        return b""

    # -- DMA by message -----------------------------------------------------------------------
    def _ask(self, command: Command, body: bytes) -> memoryview:
        """Send a command to the client and wait for its reply. Raises Refused.

        The client cannot answer while one of its vCPUs waits for us, so a pending reply goes out
        first, and what arrives meanwhile is answered at once or, where it has effects, kept for
        later. A reset or a config write ends the wait instead: the access has failed.
        """
        if self._inside_read:
            raise Refused(errno.EDEADLK, "DMA by message inside a read")
        self._answer_now()
        self._next_id = (self._next_id + 1) & 0xFFFF
        message_id = self._next_id
        self._replies[message_id] = None
        self._channel.keep_bodies()
        self._channel.send(message_id, command, 0, body)
        deadline = time.monotonic() + _DMA_REPLY_TIMEOUT_S - self._budget.waited_s
        try:
            while (reply := self._replies[message_id]) is None:
                self._wait(deadline, command)
                if not self._channel.receive():
                    raise Refused(errno.ENOTCONN, f"client left before replying to {command.name}")
                while (
                    self._replies[message_id] is None
                    and (message := self._channel.next_message()) is not None
                ):
                    self._handle_nested(message)
        finally:
            del self._replies[message_id]
        error, answer = reply
        if error:
            raise Refused(error, f"client refuses {command.name}")
        return answer

    def _wait(self, deadline: float, command: Command) -> None:
        """Until there is something to receive. Raises Refused.

        However many replies one entry needs, it waits for all of them together so long.
        """
        began = time.monotonic()
        try:
            while not self._channel.wait(min(deadline, time.monotonic() + _WAIT_S)):
                if time.monotonic() >= deadline:
                    raise Refused(errno.ETIMEDOUT, f"no reply to {command.name}")
                self._budget.wait()
        finally:
            self._budget.waited_s += time.monotonic() - began

    def _handle_nested(self, message: Message) -> None:
        message_id, command, flags, error, body, fds = message
        if flags & TYPE_MASK == TYPE_COMMAND and command in (
            Command.REGION_WRITE,
            Command.REGION_WRITE_MULTI,
            Command.DEVICE_RESET,
        ):
            if command == Command.REGION_WRITE and not flags & NO_REPLY:
                with contextlib.suppress(Refused):
                    _, region, _ = self._check_access(body)
                    if region != CONFIG_REGION:
                        echo = bytes(body[:_ACCESS_SIZE])
                        self._channel.reply(message_id, command, echo)
                        flags |= NO_REPLY
            kept = memoryview(bytes(body))
            self._deferred.append((message_id, command, flags, error, kept, fds))
            if not flags & NO_REPLY or len(self._deferred) >= _MAX_DEFERRED:
                raise Refused(errno.EINTR, "DMA by message overtaken by a waiting command")
        else:
            self._handle(message)

    def _take_reply(self, message_id: int, error: int, body: memoryview) -> None:
        if message_id in self._replies:
            self._replies[message_id] = error, memoryview(bytes(body))
        else:
            self.counters["stray_replies"] += 1


def _mmio_pieces(offset: int, count: int) -> list[tuple[int, int]]:
    """A long access as naturally aligned ones of at most 8 bytes, as a root complex splits it."""
    pieces = []
    end = offset + count
    while offset < end:
        n = min(_MAX_MMIO_BYTES - offset % _MAX_MMIO_BYTES, end - offset)
        pieces.append((offset, n))
        offset += n
    return pieces
