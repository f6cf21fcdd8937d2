# SPDX-License-Identifier: GPL-2.0-only
"""Wires (:mod:`devmodel.net.wire`): of a stream socket, and of a script.

Losses are never silent: whatever a wire drops is counted by reason, so that a TCP retransmit seen
by the guest can be charged to the wire or else to the card.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable, Sequence

Frame = bytes | memoryview
"""A frame; a memoryview is valid only until the next ``receive()`` of the wire it came from."""

MAX_FRAME_BYTES = 4096 + 65536
"""Largest frame QEMU's stream netdev carries (NET_BUFSIZE, include/net/net.h)."""

MIN_FRAME_BYTES = 60
"""Shorter ones are padded on the wire."""

_LENGTH = struct.Struct(">I")
_SENDMSG_BUFFERS = 512
_RECEIVE_FRAMES = 1024
"""So many frames at a time: they may be very small."""


class StreamWire:
    """QEMU's ``-netdev stream``: each frame behind its length, 4 bytes big-endian.

    :param sock: connected stream socket; made non-blocking.
    :param on_room: called when a congested wire has drained.
    :ivar corked: frames are only queued, for the loop's :meth:`flush` to write all in one call,
        unless so much has been queued that the wire would be congested.
    """

    send_train: None = None
    HIGH_WATER_BYTES = 512 << 10
    LIMIT_BYTES = 2 << 20

    def __init__(self, sock: socket.socket, on_room: Callable[[], None] = lambda: None) -> None:
        sock.setblocking(False)
        self.counters: Counter[str] = Counter()
        self.closed = False
        self.corked = False
        self.on_room = on_room
        self._socket = sock
        self._buffer = bytearray(256 << 10)
        self._view = memoryview(self._buffer)
        self._frozen = self._view.toreadonly()
        self._start = 0
        self._end = 0
        self._skip = 0
        self._queue: deque[bytes | memoryview] = deque()
        self._queued_bytes = 0
        self._was_congested = False
        self._has_input = False

    def fileno(self) -> int:
        """Descriptor for a selector."""
        return self._socket.fileno()

    @property
    def congested(self) -> bool:
        """More waits in the card than a NIC's transmit FIFO would hold."""
        return self._queued_bytes >= self.HIGH_WATER_BYTES

    @property
    def wants_write(self) -> bool:
        """The selector should call :meth:`flush` when the socket is writable."""
        return bool(self._queue)

    @property
    def has_input(self) -> bool:
        """More frames have been read than :meth:`receive` returned: call it again."""
        return self._has_input

    # -- receive ----------------------------------------------------------------------------
    def receive(self) -> list[memoryview]:
        """One read of the socket, cut into frames, or the rest of one before.

        Sets ``closed`` when the peer has gone.
        """
        if self._has_input:
            return self._cut()
        if self._start:
            left = self._end - self._start
            self._view[:left] = self._view[self._start : self._end]
            self._start, self._end = 0, left
        try:
            got = self._socket.recv_into(self._view[self._end :])
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            got = 0
        if not got:
            self.closed = True
            return []
        self._end += got
        return self._cut()

    def _cut(self) -> list[memoryview]:
        frames: list[memoryview] = []
        at, end, view = self._start, self._end, self._frozen
        unpack = _LENGTH.unpack_from
        total = 0
        self._has_input = True
        while len(frames) < _RECEIVE_FRAMES:
            if self._skip:
                step = min(self._skip, end - at)
                self._skip -= step
                at += step
            if end - at < 4:
                self._has_input = False
                break
            (length,) = unpack(self._buffer, at)
            if length > MAX_FRAME_BYTES:
                self.counters["drop_rx_oversize"] += 1
                self._skip = length
                at += 4
                continue
            if end - at - 4 < length:
                self._has_input = False
                break
            at += 4
            frames.append(view[at : at + length])
            at += length
            total += length
        self._start = at
        if frames:
            self.counters["rx_frames"] += len(frames)
            self.counters["rx_bytes"] += total
        return frames

    # -- transmit ---------------------------------------------------------------------------
    def send(self, frames: Sequence[bytes]) -> None:
        """Queue and, unless corked, try to write. Beyond ``LIMIT_BYTES`` frames are dropped."""
        if self.closed:
            self.counters["drop_tx_closed"] += len(frames)
            return
        pack = _LENGTH.pack
        queue = self._queue
        size = self._queued_bytes
        sent = total = 0
        for frame in frames:
            length = len(frame)
            if size > self.LIMIT_BYTES:
                self.counters["drop_tx_queue_full"] += 1
                continue
            queue.append(pack(length))
            queue.append(frame)
            size += length + 4
            sent += 1
            total += length
        self._queued_bytes = size
        self.counters["tx_frames"] += sent
        self.counters["tx_bytes"] += total
        if not self.corked or self.congested:
            self.flush()

    def flush(self) -> None:
        """Write as much as the socket takes; call when it is writable."""
        while self._queue:
            batch = [self._queue[i] for i in range(min(len(self._queue), _SENDMSG_BUFFERS))]
            try:
                done = self._socket.sendmsg(batch)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._lose_queue()
                break
            self._queued_bytes -= done
            self._consume(batch, done)
        if self.congested:
            self._was_congested = True
        elif self._was_congested:
            self._was_congested = False
            self.on_room()

    def _consume(self, batch: list[bytes | memoryview], done: int) -> None:
        queue = self._queue
        for piece in batch:
            if done < len(piece):
                if done:
                    queue[0] = memoryview(piece)[done:]
                return
            done -= len(piece)
            queue.popleft()

    def _lose_queue(self) -> None:
        self.closed = True
        self.counters["drop_tx_closed"] += (len(self._queue) + 1) // 2
        self._queue.clear()
        self._queued_bytes = 0

    def close(self) -> None:
        """Close the socket; later sends are counted as lost."""
        if not self.closed:
            self._lose_queue()
        with contextlib.suppress(OSError):
            self._socket.close()


class ScriptedWire:
    """In-process endpoint for tests and for senders that live in the card's process.

    What the card sends collects in ``sent`` and, if set, goes to ``on_frames``; what a test puts in
    with :meth:`inject` is what the card receives next. It takes no trains unless a test says how.
    """

    send_train: Callable[..., object] | None = None

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.on_room: Callable[[], None] = lambda: None
        self.congested = False
        self.keep = True
        self.sent: list[bytes] = []
        self.on_frames: Callable[[Sequence[bytes]], None] | None = None
        self._pending: list[Frame] = []

    def inject(self, frames: Sequence[Frame]) -> None:
        """Frames for the card's next ``receive()``."""
        self._pending.extend(frames)

    def receive(self) -> Sequence[Frame]:
        """Hand out everything injected."""
        frames, self._pending = self._pending, []
        self.counters["rx_frames"] += len(frames)
        self.counters["rx_bytes"] += sum(map(len, frames))
        return frames

    def send(self, frames: Sequence[bytes]) -> None:
        """Keep the frames and tell ``on_frames``."""
        self.counters["tx_frames"] += len(frames)
        self.counters["tx_bytes"] += sum(map(len, frames))
        if self.keep:
            self.sent.extend(frames)
        if self.on_frames is not None:
            self.on_frames(frames)
