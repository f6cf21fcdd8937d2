# SPDX-License-Identifier: GPL-2.0-only
"""Life of the buffers of one receive or aggregation ring.

A buffer is *posted* when a doorbell passes its descriptor and *taken* when the card consumes it;
what is taken is written and completed before the batch ends. Everything is kept per batch, because
a set operation on 16 buffers costs what a look at one does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from devmodel.dma import PAGE_SHIFT, PAGE_SIZE
from devmodel.errors import DmaFault

if TYPE_CHECKING:
    from devmodel.oracle.oracle import Oracle

Bd = tuple[int, int, int]
"""(flags and length dword, opaque, buffer address)."""

Step = tuple[int, str, int, list[Bd]]
"""(virtual ns, what happened, index of the first descriptor, descriptors)."""

KEPT_STEPS = 96


class Memory(Protocol):
    """Where a ring's descriptors are."""

    def peek_bds(self, index: int, count: int) -> list[Bd]:
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


class BufferLedger:
    """What is posted in one ring, by descriptor index.

    :param length: buffer size told to RING_ALLOC, in bytes; every descriptor must say the same.
    :param pad: bytes the card leaves free at the start of each buffer.
    :ivar base: ``base + index`` names a slot among those of all rings.
    :ivar done: descriptors taken whose completions have not been looked at yet.
    """

    __slots__ = (
        "_oracle",
        "base",
        "cons",
        "done",
        "fetched_to",
        "is_freed",
        "kind",
        "length",
        "pad",
        "ring",
        "ring_id",
        "slots",
        "steps",
    )

    def __init__(
        self, oracle: Oracle, ring: Ring, kind: str, *, base: int, length: int, pad: int
    ) -> None:
        self._oracle = oracle
        self.ring = ring
        self.kind = kind
        self.ring_id = ring.id
        self.base = base
        self.length = length
        self.pad = pad
        self.cons = ring.cons
        self.fetched_to = ring.cons
        self.is_freed = False
        self.slots: list[Bd | None] = [None] * ring.entries
        self.done: list[Bd] = []
        self.steps: deque[Step] = deque(maxlen=KEPT_STEPS)

    @property
    def has_fragments(self) -> bool:
        """Buffers are parts of pages, so that many share one."""
        return self.length < PAGE_SIZE

    # -- called by the ring -----------------------------------------------------------------
    def posted(self, first: int, count: int) -> None:
        """A doorbell moved the producer from ``first`` by ``count`` descriptors."""
        room = self.ring.entries - first
        if count > room:
            self._post(first, room)
            first, count = 0, count - room
        if count:
            self._post(first, count)

    def fetched(self, first: int, bds: list[Bd]) -> None:
        """The card read descriptors; it consumes them before it reads more."""
        entries = self.ring.entries
        end = first + len(bds)
        known = self.slots[first:end]
        if end > entries:
            known += self.slots[: end - entries]
        self.fetched_to = end & entries - 1
        self._oracle.active[self] = None
        if known != bds:
            self._changed(first, known, bds)

    # -- posted -----------------------------------------------------------------------------
    def _post(self, first: int, count: int) -> None:
        try:
            bds = self.ring.memory.peek_bds(first, count)
        except DmaFault:
            return  # the card will fail to fetch them, and say so
        words, _, addresses = zip(*bds, strict=True)
        oracle = self._oracle
        live = oracle.live
        length = self.length
        unique = set(addresses)
        if len(unique) != count or not live.keys().isdisjoint(unique):
            self._twice(first, bds)
        sizes = {word >> 16 for word in set(words)}
        if sizes != {length}:
            self._lengths(first, bds)
        pages = {address >> PAGE_SHIFT for address in addresses}
        if length != PAGE_SIZE:
            pages |= {address + length - 1 >> PAGE_SHIFT for address in addresses}
            self._overlaps(first, sorted(unique))
            if self.has_fragments:
                oracle.note_fragments(pages)
            else:
                for address in addresses:
                    pages.update(range(address >> PAGE_SHIFT, address + length - 1 >> PAGE_SHIFT))
        if not pages <= oracle.writable:
            self._unmapped(first, bds)
        if oracle.shared and not self.has_fragments and not oracle.shared.isdisjoint(pages):
            self._shared(first, bds)
        self.slots[first : first + count] = bds
        slots = range(self.base + first, self.base + first + count)
        live.update(zip(addresses, slots, strict=True))
        self.steps.append((oracle.now(), "posted", first, bds))

    def _twice(self, first: int, bds: list[Bd]) -> None:
        here: dict[int, int] = {}
        for i, (_, _, address) in enumerate(bds):
            other = self._oracle.live.get(address, here.get(address))
            here[address] = self.base + first + i
            if other is not None:
                self._verdict(
                    "posted_twice", first + i, address, also=self._oracle.name_slot(other)
                )

    def _lengths(self, first: int, bds: list[Bd]) -> None:
        for i, (word, _, address) in enumerate(bds):
            if word >> 16 != self.length:
                self._verdict(
                    "buffer_length", first + i, address, length=word >> 16, expected=self.length
                )
                return

    def _overlaps(self, first: int, addresses: list[int]) -> None:
        """Neighbours in address order must not reach into each other."""
        length = self.length
        for a, b in zip(addresses, addresses[1:]):  # noqa: B905, RUF007 - C speed matters here
            if b - a < length:
                self._verdict("posted_twice", first, b, also=f"the buffer at {a:#x} of {length}")
                return

    def _unmapped(self, first: int, bds: list[Bd]) -> None:
        oracle = self._oracle
        for i, (_, _, address) in enumerate(bds):
            for page in range(address >> PAGE_SHIFT, (address + self.length - 1 >> PAGE_SHIFT) + 1):
                if page in oracle.writable:
                    continue
                mapping = oracle.dma.find(page << PAGE_SHIFT)
                if mapping is None:
                    self._verdict("posted_unmapped", first + i, address)
                elif not mapping.writable:
                    self._verdict("posted_not_writable", first + i, address)
                elif mapping.size <= PAGE_SIZE << 9:
                    oracle.writable.add(page)

    def _shared(self, first: int, bds: list[Bd]) -> None:
        for i, (_, _, address) in enumerate(bds):
            if address >> PAGE_SHIFT in self._oracle.shared:
                also = self._oracle.other_mappings(address >> PAGE_SHIFT)
                self._verdict("two_owners", first + i, address, also=also)

    def _changed(self, first: int, known: list[Bd | None], bds: list[Bd]) -> None:
        """What the card read is not what was there at the doorbell; the card goes by what it read.

        A fault that changes what the card reads is not the driver's doing.
        """
        oracle = self._oracle
        is_faulty = "dma.read" in oracle.dma.faults.points
        for i, (was, now) in enumerate(zip(known, bds, strict=True)):
            if was == now:
                continue
            index = first + i & self.ring.entries - 1
            self.slots[index] = now
            if was is None:
                continue
            oracle.live.pop(was[2], None)
            if not is_faulty:
                self._verdict(
                    "descriptor_changed",
                    index,
                    now[2],
                    was=[hex(value) for value in was],
                    now=[hex(value) for value in now],
                )

    # -- taken ------------------------------------------------------------------------------
    def advance(self) -> list[Bd]:
        """Descriptors consumed since the last call; they are no longer the card's."""
        start, end = self.cons, self.ring.cons
        if start == end:
            return []
        slots = self.slots
        part = slots[start:end] if end > start else slots[start:] + slots[:end]
        self.cons = end
        taken = [bd for bd in part if bd is not None]
        pop = self._oracle.live.pop
        for bd in taken:
            pop(bd[2], None)
        self.steps.append((self._oracle.now(), "taken", start, taken))
        self.done += taken
        return taken

    def owned(self) -> Iterator[tuple[int, Bd]]:
        """(index, descriptor) of everything posted and not taken."""
        base = self.base
        for address, slot in self._oracle.live.items():
            if base <= slot < base + self.ring.entries:
                bd = self.slots[slot - base]
                if bd is not None and bd[2] == address:
                    yield slot - base, bd

    def release(self) -> None:
        """RING_FREE or reset: everything goes back to the driver."""
        for _, bd in list(self.owned()):
            del self._oracle.live[bd[2]]
        self.steps.append((self._oracle.now(), "ring freed", self.cons, []))
        self.is_freed = True
        self.done.clear()
        self.slots = []

    def history(self, address: int) -> Iterator[tuple[int, str]]:
        """(virtual ns, text) of what is remembered about the buffer that holds ``address``."""
        seen = False
        for ns, what, first, bds in self.steps:
            for i, bd in enumerate(bds):
                if bd[2] <= address < bd[2] + max(self.length, bd[0] >> 16):
                    seen = True
                    index = first + i & self.ring.entries - 1
                    name = f"{self.kind} ring {self.ring_id}, index {index}"
                    yield ns, f"{what} in {name}, opaque {bd[1]:#x}, {bd[0] >> 16} bytes"
            if seen and not bds:
                yield ns, f"{self.kind} ring {self.ring_id} freed"

    def _verdict(self, rule: str, index: int, address: int, **detail: object) -> None:
        self._oracle.verdict(
            rule, ring=self.kind, id=self.ring_id, index=index, address=address, **detail
        )
