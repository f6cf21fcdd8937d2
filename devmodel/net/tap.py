# SPDX-License-Identifier: GPL-2.0-only
"""A tap of the host as the other end of the cable: one frame for each read and write.

Sources: Documentation/networking/tuntap.rst, drivers/net/tun.c.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections import Counter
from collections.abc import Callable, Sequence

from devmodel.net.port import MAX_FRAME_BYTES

DEVICE = "/dev/net/tun"
LONGEST_NAME = 15
_TUNSETIFF = 0x4004_54CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAMES = 256
"""So many at a time: the rest waits for the next turn of the loop."""


def open_tap(name: str) -> int:
    """The descriptor of the tap ``name``, which the host makes if it is not there.

    Raises OSError, and ValueError for what is no name of an interface.
    """
    if not 0 < len(name.encode()) <= LONGEST_NAME or "/" in name or not name.isprintable():
        raise ValueError(f"{name!r:.100} is no name of an interface")
    fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


class TapWire:
    """A :class:`~devmodel.net.wire.Wire` on an open tap.

    :param fd: of :func:`open_tap`; made non-blocking, and the wire's to close.
    :ivar closed: the interface has gone.
    """

    congested = False
    wants_write = False
    send_train: None = None

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.counters: Counter[str] = Counter()
        self.on_room: Callable[[], None] = lambda: None
        self.closed = False
        self.has_input = False
        self._fd = fd

    def fileno(self) -> int:
        """Descriptor for a selector."""
        return self._fd

    def receive(self) -> list[bytes]:
        """The frames that have arrived, some at a time."""
        frames: list[bytes] = []
        self.has_input = False
        while len(frames) < _FRAMES:
            try:
                frames.append(os.read(self._fd, MAX_FRAME_BYTES))
            except (BlockingIOError, InterruptedError):
                break
            except OSError as e:
                # EIO: it is down, and may come up again; EBADFD: it was removed.
                self.closed = e.errno != errno.EIO
                break
        else:
            self.has_input = True
        self.counters["rx_frames"] += len(frames)
        self.counters["rx_bytes"] += sum(map(len, frames))
        return frames

    def send(self, frames: Sequence[bytes]) -> None:
        """Hand them to the host's stack; what it does not take is dropped, and counted."""
        for frame in frames:
            try:
                os.write(self._fd, frame)
            except OSError:
                self.counters["drop_tx_tap"] += 1
                continue
            self.counters["tx_frames"] += 1
            self.counters["tx_bytes"] += len(frame)

    def flush(self) -> None:
        """Nothing ever waits."""

    def close(self) -> None:
        """Close the tap; one that is not persistent goes."""
        self.closed = True
        with contextlib.suppress(OSError):
            os.close(self._fd)
