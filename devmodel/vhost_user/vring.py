# SPDX-License-Identifier: GPL-2.0-only
"""Split virtqueues seen from the device (virtio 1.2, section 2.7)."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from devmodel.budget import Budget
from devmodel.vhost_user.memory import MemoryTable
from devmodel.vhost_user.messages import MAX_QUEUE_SIZE, Refused, VringAddr

_DESC = struct.Struct("<QIHH")
_DESC_BYTES = _DESC.size
_U16 = struct.Struct("<H")
_USED = struct.Struct("<II")
_USED_WORDS = _USED.size // 2
_F_NEXT, _F_WRITE = 1, 2
_AVAIL_NO_INTERRUPT = 1
_USED_NO_NOTIFY = 1
_MAX_CHAIN_BYTES = 1 << 24
_REQUEST_UNITS = 10
_BYTES_OF_UNIT = 2048


def _store(words: memoryview, at: int, value: int) -> None:
    """A word of 16 bits that the driver may read meanwhile, in one go: struct.pack_into() makes it
    0 first, and a driver on another CPU sees that.

    :param words: memory as words of 16 bits; ``at`` is the number of one.
    """
    words[at] = value if sys.byteorder == "little" else value >> 8 | (value & 0xFF) << 8


@dataclass(slots=True)
class Chain:
    """One request: what the driver wrote (``readable``), and room for what the device answers."""

    head: int
    readable: list[memoryview]
    writable: list[memoryview]

    def read(self) -> bytes:
        """All readable bytes."""
        return b"".join(self.readable)

    @property
    def room(self) -> int:
        """Bytes that can be written."""
        return sum(map(len, self.writable))

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Fill the writable parts in order; returns how many bytes found room."""
        done = 0
        for part in self.writable:
            n = min(len(part), len(data) - done)
            part[:n] = data[done : done + n]
            done += n
            if done == len(data):
                break
        return done


class Vring:
    """One virtqueue. Whatever breaks it (:class:`Refused`) leaves it broken until set up again.

    :ivar event_index: F_EVENT_IDX is in force: the device says after which request to kick.
    """

    def __init__(self, memory: MemoryTable, budget: Budget) -> None:
        self._memory = memory
        self._budget = budget
        self.size = 0
        self.enabled = False
        self.event_index = False
        self._desc: memoryview | None = None
        self._avail: memoryview | None = None
        self._used: memoryview | None = None
        self._used_words: memoryview | None = None
        """The same, as words of 16 bits."""
        self._next = 0
        self._where: tuple[VringAddr, bool] | None = None

    @property
    def base(self) -> int:
        """Index of the next available entry."""
        return self._next

    @property
    def ready(self) -> bool:
        """Set up and enabled."""
        return self.enabled and self._desc is not None

    def set_size(self, size: int) -> None:
        """SET_VRING_NUM; addresses given before were for another size. Raises Refused."""
        if not 0 < size <= MAX_QUEUE_SIZE or size & (size - 1):
            raise Refused(f"virtqueue of {size} entries")
        if size != self.size:
            self._desc = self._avail = self._used = self._used_words = None
            self._where = None
        self.size = size

    def set_base(self, index: int) -> None:
        """SET_VRING_BASE: index of the next available entry."""
        self._next = index & 0xFFFF

    def set_addresses(self, where: VringAddr, *, buffers: bool = False) -> None:
        """SET_VRING_ADDR; ``buffers``: the driver need not kick for each. Raises Refused."""
        if not self.size:
            raise Refused("virtqueue without a size")
        self._where = None
        self._desc = self._memory.at_user(where.desc, _DESC.size * self.size)
        tail_bytes = _U16.size if self.event_index else 0
        self._avail = self._memory.at_user(where.avail, 4 + 2 * self.size + tail_bytes)
        self._used = self._memory.at_user(where.used, 4 + _USED.size * self.size + tail_bytes)
        self._used_words = self._used.cast("H")
        self._where = where, buffers
        self.kick_after(0 if buffers else 1)

    def find_again(self) -> None:
        """Memory has changed. Raises Refused, and the queue is gone, if it is not in there."""
        if self._where is None:
            return
        was_enabled = self.enabled
        where, buffers = self._where
        self.forget()
        self.set_addresses(where, buffers=buffers)
        self.enabled = was_enabled

    def forget(self) -> None:
        """Drop the memory; the queue is not set up any more."""
        self._desc = self._avail = self._used = self._used_words = None
        self._where = None
        self.enabled = False

    def pop(self) -> Chain | None:
        """Take the next request, or None. Raises Refused for a malformed chain.

        May pause in the midst of what the caller does.
        """
        chain = self._pop()
        self._budget.pause(is_whole=False)
        return chain

    def _pop(self) -> Chain | None:
        avail, desc = self._avail, self._desc
        if avail is None or desc is None:
            return None
        waiting = (_U16.unpack_from(avail, 2)[0] - self._next) & 0xFFFF
        if not waiting:
            return None
        if waiting > self.size:
            self.forget()
            raise Refused(f"{waiting} requests in a virtqueue of {self.size} entries")
        (head,) = _U16.unpack_from(avail, 4 + 2 * (self._next % self.size))
        self._next = (self._next + 1) & 0xFFFF
        chain = Chain(head, [], [])
        try:
            self._follow(desc, chain)
        except Refused:
            self.forget()
            raise
        return chain

    def _follow(self, desc: memoryview, chain: Chain) -> None:
        at, total = chain.head, 0
        for _ in range(self.size):
            if at >= self.size:
                raise Refused(f"descriptor {at} of {self.size}")
            address, length, flags, following = _DESC.unpack_from(desc, _DESC_BYTES * at)
            total += length
            if total > _MAX_CHAIN_BYTES or not length:
                raise Refused(f"descriptor chain of {total} bytes")
            part = self._memory.at_guest(address, length)
            (chain.writable if flags & _F_WRITE else chain.readable).append(part)
            if not flags & _F_NEXT:
                break
            at = following
        else:
            raise Refused("descriptor chain without an end")
        parts = len(chain.readable) + len(chain.writable)
        self._budget.left -= _REQUEST_UNITS + parts + total // _BYTES_OF_UNIT

    def pop_buffer(self) -> Chain | None:
        """As :meth:`pop`, on a queue of buffers to fill: kicks only when there was none."""
        chain = self.pop()
        if chain is None:
            self.kick_after(1)
            chain = self.pop()
        if chain is not None:
            self.kick_after(0)
        return chain

    def kick_after(self, requests: int) -> None:
        """Ask for a kick after so many further requests; 0: for none.

        More than one is only kept with F_EVENT_IDX; the driver then holds all of them back, so it
        must be certain that they come.
        """
        words = self._used_words
        if words is None or self._avail is None:
            return
        if self.event_index:
            (index,) = _U16.unpack_from(self._avail, 2)
            _store(words, 2 + _USED_WORDS * self.size, (index + requests - 1) & 0xFFFF)
        else:
            _store(words, 0, 0 if requests else _USED_NO_NOTIFY)

    def put_back(self, count: int) -> None:
        """The last ``count`` requests taken have not been served: they are available again."""
        self._next = (self._next - count) & 0xFFFF
        self.kick_after(1)

    def requests(self) -> Iterator[Chain]:
        """Every request that is available. Raises Refused.

        May pause between two of them.
        """
        while (chain := self._pop()) is not None:
            yield chain
            self._budget.pause()
        if self.event_index:
            self.kick_after(1)

    def push(self, chain: Chain, written: int) -> None:
        """Give a request back, with ``written`` bytes of answer."""
        used, words = self._used, self._used_words
        if used is None or words is None:
            return
        (index,) = _U16.unpack_from(used, 2)
        _USED.pack_into(used, 4 + _USED.size * (index % self.size), chain.head, written)
        _store(words, 1, (index + 1) & 0xFFFF)

    @property
    def uncollected(self) -> int:
        """Requests given back that the driver has not looked at yet; only with F_EVENT_IDX."""
        avail, used = self._avail, self._used
        if avail is None or used is None or not self.event_index:
            return 0
        (collected,) = _U16.unpack_from(avail, 4 + 2 * self.size)
        (given,) = _U16.unpack_from(used, 2)
        return int(given - collected) & 0xFFFF

    @property
    def wants_calls(self) -> bool:
        """The driver has not asked to be left alone."""
        avail = self._avail
        return avail is not None and not _U16.unpack_from(avail)[0] & _AVAIL_NO_INTERRUPT
