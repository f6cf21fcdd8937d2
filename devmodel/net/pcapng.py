# SPDX-License-Identifier: GPL-2.0-only
"""Writes a pcapng file: one section, one Ethernet interface, one enhanced packet block per frame.

Source: draft-ietf-opsawg-pcapng (block types, options ``opt_comment`` 1, ``if_tsresol`` 9,
``epb_flags`` 2, ``isb_ifdrop`` 5, ``isb_usrdeliv`` 8).
"""

from __future__ import annotations

import enum
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from devmodel.net.checksum import Octets

_LINKTYPE_ETHERNET = 1
_BLOCK = struct.Struct("<II")
_EPB = struct.Struct("<IIIIIII")
_FLAGS = struct.Struct("<HHI")
_TAIL = struct.Struct("<II")
_NONE: Mapping[int, str] = {}
_LONGEST_COMMENT_BYTES = 1000
_PADS = (b"", b"\0\0\0", b"\0\0", b"\0")


class ByteSink(Protocol):
    """A binary file, or anything that takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class Direction(enum.IntEnum):
    """Low bits of ``epb_flags``, seen from the card."""

    INBOUND = 1
    OUTBOUND = 2


class PcapngWriter:
    """Bounded capture.

    :param snaplen_bytes: bytes kept of each frame; the original length is always recorded.
    :param limit_bytes: size at which frames are no longer written, only counted.
    """

    def __init__(
        self,
        sink: ByteSink,
        *,
        interface: str = "card",
        snaplen_bytes: int = 65536,
        limit_bytes: int = 256 << 20,
    ) -> None:
        self.frames: Counter[Direction] = Counter()
        self.not_written = 0
        self._sink = sink
        self._snaplen = snaplen_bytes
        self._limit = limit_bytes
        self._size = 0
        self._put(_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        options = _option(2, interface.encode()) + _option(9, b"\x09") + _option(0, b"")
        header = struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, snaplen_bytes)
        self._put(_block(1, header + options))

    def write(
        self,
        frames: Iterable[Octets],
        direction: Direction,
        time_ns: int,
        comments: Mapping[int, str] = _NONE,
    ) -> None:
        """Record a batch that passed at virtual time ``time_ns``.

        :param comments: of frames, by their number in the batch.
        """
        high, low = time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF
        parts: list[Octets] = []
        snaplen, room = self._snaplen, self._limit - self._size
        header, tail = _EPB.pack, _TAIL.pack
        flags = _FLAGS.pack(2, 4, direction)
        count = 0
        for frame in frames:
            comment = _comment(comments[count]) if count in comments else b""
            count += 1
            kept = length = len(frame)
            if length > snaplen:
                kept, frame = snaplen, frame[:snaplen]
            pad = _PADS[kept & 3]
            total = 44 + kept + len(pad) + len(comment)
            if total > room:
                self.not_written += 1
                continue
            room -= total
            parts += (
                header(6, total, 0, high, low, kept, length),
                frame,
                pad + flags + comment + tail(0, total),
            )
        self.frames[direction] += count
        self._size = self._limit - room
        self._sink.write(b"".join(parts))

    def finish(self, time_ns: int) -> None:
        """Write the interface statistics block: frames delivered, frames not written."""
        delivered = sum(self.frames.values())
        body = struct.pack("<III", 0, time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF)
        body += _option(5, struct.pack("<Q", self.not_written))
        body += _option(8, struct.pack("<Q", delivered)) + _option(0, b"")
        self._put(_block(5, body))

    def _put(self, data: bytes) -> None:
        self._size += len(data)
        self._sink.write(data)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + _PADS[len(value) & 3]


def _comment(text: str) -> bytes:
    return _option(1, text.encode(errors="replace")[:_LONGEST_COMMENT_BYTES])


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return _BLOCK.pack(kind, total) + body + struct.pack("<I", total)
