# SPDX-License-Identifier: GPL-2.0-only
"""Life of the buffers of one receive or aggregation ring.

A buffer is *posted* when a doorbell passes its descriptor and *taken* when the card consumes it;
what is taken is written and completed before the batch ends. Everything is kept per batch, because
a set operation on 16 buffers costs what a look at one does.
"""

from __future__ import annotations

import itertools
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter, sub
from typing import Protocol

from devmodel.dma import PAGE_SHIFT, PAGE_SIZE, DmaSpace
from devmodel.errors import DmaFault

Bd = tuple[int, int, int]
"""(dword with the length in its upper half, opaque, buffer address), little-endian in memory.

A card whose descriptors look different gives the ledger its own in this form.
"""
BD_BYTES = 16
_BD = struct.Struct("<IIQ")
_AT, _SIZE = itemgetter(0), itemgetter(1)

Step = tuple[int, str, int, bytes]
"""(virtual ns, what happened, index of the first descriptor, descriptors as in memory)."""

KEPT_STEPS = 96
KEPT_BYTES = 256 << 10
"""Descriptors remembered of one ring, if that is more than one step."""
_MASK = 1023
"""Buffers looked at one by one, less one, until that is counted."""
MAX_DONE = 1 << 16
MAX_KNOWN = 1 << 17


class Memory(Protocol):
    """Where a ring's descriptors are."""

    def peek_entries(self, index: int, count: int) -> bytes:
        """``count`` descriptors from ``index`` on, which do not wrap. Raises DmaFault."""
        ...


class Ring(Protocol):
    """What the ledger needs of a ring of buffers."""

    id: int
    entries: int
    cons: int

    @property
    def memory(self) -> Memory:
        """Its descriptors."""
        ...


OpenBuffer = tuple[int, Ring, int]
"""A buffer taken whose packet is not complete: (address, ring, opaque that is still to come)."""


class BufferOracle(Protocol):
    """What the ledger needs of the oracle; see :class:`devmodel.oracle.oracle.Oracle`."""

    dma: DmaSpace
    live: dict[int, int]
    shared: set[int]
    fragment_pages: set[int]
    active: dict[BufferLedger, None]
    open_buffers: Callable[[], Sequence[OpenBuffer]]

    def now(self) -> int:
        """Virtual time in nanoseconds."""

    def known_buffers(self, length: int) -> set[int]:
        """Addresses of buffers of that size that lie in memory mapped for writing."""

    def unwritable(self, start: int, end: int) -> str:
        """The rule that posting this buffer breaks; empty if it is all mapped for writing."""

    def other_mappings(self, page: int) -> str:
        """Where else the memory behind ``page`` is mapped."""

    def other_owner(self, start: int, end: int) -> str:
        """The posted buffer that has some of these bytes by another mapping; or empty."""

    def name_slot(self, slot: int) -> str:
        """Ring and index of a slot."""

    def verdict(self, rule: str, **detail: object) -> None:
        """The rule was broken."""

    def worked(self, units: int) -> None:
        """So much was done in the midst of something: may pause."""


class BufferLedger:
    """What is posted in one ring, by descriptor index.

    :param length: buffer size of the ring, in bytes; every descriptor must say the same.
    :param pad: bytes the card leaves free at the start of each buffer.
    :ivar base: ``base + index`` names a slot among those of all rings.
    :ivar batch: addresses, without ``pad``, of what was taken in the present batch.
    :ivar writes: (address, bytes) of writes into buffers of this ring that nobody judged yet.
    :ivar done: opaques of what was taken and is not known to be completed.
    :ivar kept_bytes: descriptors remembered.
    :ivar is_odd: some descriptor had not the length it should have.
    :ivar fetched_to: index behind the last descriptor the card has read.
    """

    __slots__ = (
        "_image",
        "_known",
        "_oracle",
        "_words",
        "base",
        "batch",
        "cons",
        "done",
        "entries",
        "fetched_to",
        "is_freed",
        "is_odd",
        "kept_bytes",
        "kind",
        "length",
        "pad",
        "ring",
        "ring_id",
        "steps",
        "writes",
    )

    def __init__(
        self, oracle: BufferOracle, ring: Ring, kind: str, *, base: int, length: int, pad: int
    ) -> None:
        self._oracle = oracle
        self.ring = ring
        self.kind = kind
        self.ring_id = ring.id
        self.entries = ring.entries
        self.base = base
        self.length = length
        self.pad = pad
        self.cons = ring.cons
        self.fetched_to = ring.cons
        self.is_freed = False
        self.is_odd = False
        self.done: list[int] = []
        self.batch: list[int] = []
        self.writes: list[tuple[int, int]] = []
        self._image = bytearray(ring.entries * BD_BYTES)
        """The ring as it was at the doorbells."""
        self._words = memoryview(self._image).cast("Q")
        self._known = oracle.known_buffers(length)
        self.steps: deque[Step] = deque()
        self.kept_bytes = 0

    @property
    def has_fragments(self) -> bool:
        """Buffers are parts of pages, so that many share one."""
        return self.length < PAGE_SIZE

    def bd(self, index: int) -> Bd:
        """The descriptor last posted at ``index``."""
        word, opaque, address = _BD.unpack_from(self._image, index * BD_BYTES)
        return word, opaque, address

    # -- called by the ring -----------------------------------------------------------------
    def posted(self, first: int, count: int) -> None:
        """A doorbell moved the producer from ``first`` by ``count`` descriptors."""
        room = self.entries - first
        if count > room:
            self._post(first, room)
            first, count = 0, count - room
        if count:
            self._post(first, count)

    def fetched(self, first: int, data: bytes) -> None:
        """The card read descriptors; it consumes them before it reads more."""
        at, end = first * BD_BYTES, first * BD_BYTES + len(data)
        image = self._image
        known = image[at:end]
        if end > len(image):
            end -= len(image)
            known += image[:end]
        self.fetched_to = end // BD_BYTES & self.entries - 1
        self._oracle.active[self] = None
        if known != data:
            self._changed(first, known, data)

    def _remember(self, what: str, first: int, data: bytes) -> None:
        steps = self.steps
        steps.append((self._oracle.now(), what, first, data))
        self.kept_bytes += len(data)
        while len(steps) > KEPT_STEPS or (self.kept_bytes > KEPT_BYTES and len(steps) > 1):
            self.kept_bytes -= len(steps.popleft()[3])

    # -- posted -----------------------------------------------------------------------------
    def _post(self, first: int, count: int) -> None:
        try:
            data = self.ring.memory.peek_entries(first, count)
        except DmaFault:
            return  # the card will fail to fetch them, and say so
        oracle, live, length = self._oracle, self._oracle.live, self.length
        words = memoryview(data).cast("Q")
        addresses = words[1::2].tolist()
        unique = set(addresses)
        self._remember("posted", first, data)
        if len(unique) != count or not live.keys().isdisjoint(unique):
            self._twice(first, addresses)
        unfinished = oracle.open_buffers()
        if unfinished:
            self._while_open(first, addresses, unfinished)
        sizes = memoryview(data).cast("H")[1::8].tolist()
        if sizes.count(length) != count:
            self._lengths(first, data)
        if not unique <= self._known:
            self._look_closely(first, addresses, unique)
        if oracle.shared:
            self._shared(first, addresses)
        self._image[first * BD_BYTES : (first + count) * BD_BYTES] = data
        slots = range(self.base + first, self.base + first + count)
        live.update(zip(addresses, slots, strict=True))

    def _look_closely(self, first: int, addresses: Sequence[int], unique: set[int]) -> None:
        """Some of these buffers were not looked at since their pages were mapped."""
        oracle, length = self._oracle, self.length
        if self.has_fragments and oracle.dma.is_translated:
            oracle.fragment_pages.update(address >> PAGE_SHIFT for address in unique)
        ordered = sorted(unique)
        good = self._not_overlapping(first, ordered) and (
            self._in_one_mapping(ordered[0], ordered[-1] + length)
            or self._all_mapped(first, addresses)
        )
        # Of a buffer of several pages unmapping one would have to be noticed here.
        if good and length <= PAGE_SIZE and len(self._known) < MAX_KNOWN:
            self._known |= unique

    def _twice(self, first: int, addresses: Sequence[int]) -> None:
        here: dict[int, int] = {}
        for i, address in enumerate(addresses):
            if i & _MASK == _MASK:
                self._oracle.worked(_MASK)
            other = self._oracle.live.get(address, here.get(address))
            here[address] = self.base + first + i
            if other is not None and self._oracle.dma.find(address) is not None:
                also = self._oracle.name_slot(other)
                self._verdict("posted_twice", first + i, address, also=also)

    def _while_open(
        self, first: int, addresses: Sequence[int], unfinished: Sequence[OpenBuffer]
    ) -> None:
        """No buffer may be posted that an aggregation is still being written to."""
        for address, ring, _ in unfinished:
            if address in addresses and self._oracle.dma.find(address) is not None:
                also = f"an aggregation that has not ended, in ring {ring.id}"
                self._verdict("posted_twice", first + addresses.index(address), address, also=also)

    def _lengths(self, first: int, data: bytes) -> None:
        self.is_odd = True
        for i, (word, _, address) in enumerate(_BD.iter_unpack(data)):
            if word >> 16 != self.length:
                detail = {"length": word >> 16, "expected": self.length}
                self._verdict("buffer_length", first + i, address, **detail)
                return

    def _not_overlapping(self, first: int, addresses: list[int]) -> bool:
        """Neighbours in address order must not reach into each other."""
        if len(addresses) < 2 or min(map(sub, addresses[1:], addresses)) >= self.length:
            return True
        a, b = next(two for two in itertools.pairwise(addresses) if two[1] - two[0] < self.length)
        self._verdict("buffers_overlap", first, b, also=f"the {self.length} bytes at {a:#x}")
        return False

    def _in_one_mapping(self, start: int, end: int) -> bool:
        """Where nothing translates, one mapping is all of memory: nothing else is to be asked."""
        mapping = self._oracle.dma.find(start)
        return mapping is not None and mapping.writable and end <= mapping.end

    def _all_mapped(self, first: int, addresses: Sequence[int]) -> bool:
        good = True
        for i, address in enumerate(addresses):
            if i & _MASK == _MASK:
                self._oracle.worked(_MASK)
            rule = self._oracle.unwritable(address, address + self.length)
            if rule:
                good = False
                self._verdict(rule, first + i, address)
        return good

    def _shared(self, first: int, addresses: Sequence[int]) -> None:
        """Of a page that is mapped twice: a whole one must not be posted, of a fragment no byte
        must be another's.
        """
        oracle = self._oracle
        for i, address in enumerate(addresses):
            if i & _MASK == _MASK:
                oracle.worked(_MASK)
            if address >> PAGE_SHIFT not in oracle.shared:
                continue
            if self.has_fragments:
                also = oracle.other_owner(address, address + self.length)
            else:
                also = oracle.other_mappings(address >> PAGE_SHIFT)
            if also:
                self._verdict("two_owners", first + i, address, also=also)

    def _changed(self, first: int, known: bytearray, data: bytes) -> None:
        """What the card read is not what was there at the doorbell; the card goes by what it read.

        A fault that changes what the card reads is not the driver's doing.
        """
        oracle = self._oracle
        is_faulty = "dma.read" in oracle.dma.faults.points
        for i, (was, now) in enumerate(
            zip(_BD.iter_unpack(known), _BD.iter_unpack(data), strict=True)
        ):
            if was == now:
                continue
            index = first + i & self.entries - 1
            _BD.pack_into(self._image, index * BD_BYTES, *now)
            oracle.live.pop(was[2], None)
            if not is_faulty:
                detail = {"was": [hex(v) for v in was], "now": [hex(v) for v in now]}
                self._verdict("descriptor_changed", index, now[2], **detail)

    # -- taken ------------------------------------------------------------------------------
    def advance(self) -> list[int]:
        """Addresses of the buffers consumed since the last call."""
        start, end = self.cons, self.ring.cons
        if start == end:
            return []
        self.cons = end
        if end > start:
            return self._take(start, end)
        return self._take(start, self.entries) + self._take(0, end)

    def _take(self, start: int, end: int) -> list[int]:
        data = bytes(self._image[start * BD_BYTES : end * BD_BYTES])
        self._remember("taken", start, data)
        if len(self.done) < MAX_DONE:
            self.done += memoryview(data).cast("I")[1::4].tolist()
        return self._words[2 * start + 1 : 2 * end : 2].tolist()

    def strange_writes(self) -> list[tuple[int, int]]:
        """Writes that do not lie in a buffer of the batch, from its start on; forgets all."""
        writes = self.writes.copy()
        self.writes.clear()
        starts = set(self.batch)
        if self.pad:
            starts = {start + self.pad for start in starts}
        # Nearly always nothing is strange; this much is done in C.
        if (
            starts.issuperset(map(_AT, writes))
            and max(map(_SIZE, writes)) <= self.length - self.pad
        ):
            return []
        if self.length != PAGE_SIZE or self.pad:
            return writes
        mask = -PAGE_SIZE  # an aggregation goes on in a page where the last segment ended
        return [
            (at, size)
            for at, size in writes
            if at & mask not in starts or at + size > (at & mask) + PAGE_SIZE
        ]

    def release(self) -> None:
        """Freed or reset: everything goes back to the driver."""
        live, base = self._oracle.live, self.base
        mine = [a for a, slot in live.items() if base <= slot < base + self.entries]
        for address in mine:
            del live[address]
        self._remember("freed", self.cons, b"")
        self.is_freed = True

    def history(self, address: int, wanted: int = 1) -> Iterator[tuple[int, str]]:
        """(virtual ns, text) of what is remembered about buffers that have some of so many
        ``wanted`` bytes at ``address``."""
        name = f"{self.kind} ring {self.ring_id}"
        seen = False
        for ns, what, first, data in self.steps:
            for i, (word, opaque, start) in enumerate(_BD.iter_unpack(data)):
                size = word >> 16
                if start < address + wanted and address < start + max(self.length, size):
                    seen = True
                    index = first + i & self.entries - 1
                    yield ns, f"{what} in {name}, index {index}, opaque {opaque:#x}, {size} bytes"
            if seen and what == "freed":
                yield ns, f"{name} freed"

    def _verdict(self, rule: str, index: int, address: int, **detail: object) -> None:
        self._oracle.verdict(
            rule, ring=self.kind, id=self.ring_id, index=index, address=address, **detail
        )
