# SPDX-License-Identifier: GPL-2.0-only
"""IOVA space of the card: the one place where a DMA is checked and carried out.

Every access is checked for bus mastering, bounds and permission, and split where mappings end. With
the vIOMMU each 4 KiB page is a mapping of its own; without it guest RAM is a few large ones.
"""

from __future__ import annotations

import bisect
import enum
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from devmodel.budget import Budget
from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.faults.engine import FaultEngine
from devmodel.faults.points import FaultRegistry
from devmodel.faults.rule import Event
from devmodel.trace import Trace

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
_SMALL = 4 * PAGE_SIZE
"""Up to this size a mapping is found by its pages, each an entry; beyond it by its start."""
_IOMMU_PAGE = 2 << 20
"""The most that one entry of an IOMMU's page table maps, as far as we know any."""
MAX_UNMAP_BYTES = 64 * _IOMMU_PAGE
"""The most that a driver is taken to unmap with one request."""
_ADDRESS_MASK = (1 << 64) - 1
_MAX_FAULTY_BYTES = 1 << 20
_FILLER = b"\xa5"
_UNMAP_UNITS = 10


class Access(enum.IntFlag):
    """What the device may do with a mapping (vfio-user DMA_MAP flags)."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """One live mapping. ``memory`` is None where the peer handed no memory (message DMA only)."""

    iova: int
    size: int
    access: Access
    memory: memoryview | None
    offset: int
    end: int = field(init=False)
    readable: bool = field(init=False)
    writable: bool = field(init=False)

    def __post_init__(self) -> None:
        # Flag arithmetic of an enum is too slow for every access.
        object.__setattr__(self, "end", self.iova + self.size)
        object.__setattr__(self, "readable", bool(self.access & Access.READ))
        object.__setattr__(self, "writable", bool(self.access & Access.WRITE))


@dataclass(slots=True)
class Who:
    """What an access is for, and for which ring: its kind ("RX", "TX", ...) and id.

    ``purpose`` and ``ring`` are the card's words. ``log``: where (address, bytes) of a write goes
    instead of to :attr:`DmaSpace.writes`.
    """

    purpose: str
    ring: str = ""
    ring_id: int = -1
    log: list[tuple[int, int]] | None = field(default=None, compare=False)


OTHER = Who("other")

Observer = Callable[[str, Mapping], None]
"""Called as (``"map"`` | ``"unmap"`` | ``"drop"``, mapping), before the answer goes out.

Dropped is what goes with many others at once: no driver unmaps so, but an IOMMU that is reset, or a
guest that ends.
"""


class MessageDma:
    """How to reach memory that was not shared; transports that can, override both."""

    def read(self, iova: int, length: int) -> bytes:
        """Fetch ``length`` bytes at ``iova``. Raises DmaFault."""
        raise DmaFault(iova, length, is_write=False, reason="no_memory")

    def write(self, iova: int, data: bytes | memoryview) -> None:
        """Store ``data`` at ``iova``. Raises DmaFault."""
        raise DmaFault(iova, len(data), is_write=True, reason="no_memory")


class DmaSpace:
    """All mappings of one device, and read/write through them.

    :param faults: what may interfere; none can if it is left out.
    :param budget: the work of the present entry.
    """

    def __init__(self, faults: FaultEngine | None = None, budget: Budget | None = None) -> None:
        self._budget = budget or Budget()
        self.faults = faults or FaultEngine(Clock(0), Trace(), FaultRegistry())
        self.bus_master_enabled = False
        self.message_dma = MessageDma()
        self.observers: list[Observer] = []
        self.writes: list[tuple[int, int]] | None = None
        """Log of (address, bytes) of every write done; whoever sets it empties it."""
        self.write_was_faulty: Callable[[], None] = lambda: None
        """Called after each write on behalf of an injected fault."""
        self.maps_total = 0
        self.unmaps_total = 0
        self._pages: dict[int, Mapping] = {}
        self._large: list[Mapping] = []
        self._large_starts: list[int] = []
        self._last_large: Mapping | None = None
        self._count = 0
        self._beyond_iommu = 0
        """Mappings that no IOMMU makes."""

    # -- mappings ---------------------------------------------------------------------------
    @property
    def live_mappings(self) -> int:
        """Number of mappings in force."""
        return self._count

    @property
    def is_translated(self) -> bool:
        """An IOMMU is on: what is mapped is what the driver mapped, not all of memory."""
        return not self._beyond_iommu and self._count > 0

    def mappings(self) -> list[Mapping]:
        """All mappings in force, ordered by IOVA."""
        small = (m for page, m in self._pages.items() if page == m.iova >> PAGE_SHIFT)
        return sorted([*small, *self._large], key=lambda m: m.iova)

    def map(self, mapping: Mapping) -> None:
        """Add a mapping. Raises ValueError if it is empty, wraps or overlaps another one."""
        if mapping.size <= 0 or mapping.iova + mapping.size > 1 << 64:
            raise ValueError("empty or wrapping mapping")
        if self._overlaps(mapping.iova, mapping.size):
            raise ValueError("overlaps a live mapping")
        self._beyond_iommu += self._is_beyond_iommu(mapping)
        if self._is_small(mapping):
            first = mapping.iova >> PAGE_SHIFT
            for page in range(first, first + (mapping.size >> PAGE_SHIFT)):
                self._pages[page] = mapping
        else:
            i = bisect.bisect_left(self._large_starts, mapping.iova)
            self._large_starts.insert(i, mapping.iova)
            self._large.insert(i, mapping)
        self._count += 1
        self.maps_total += 1
        for observe in self.observers:
            observe("map", mapping)

    def unmap(self, iova: int, size: int) -> int:
        """Remove every mapping that lies inside the range. Returns how many."""
        end = iova + size
        first = bisect.bisect_left(self._large_starts, iova)
        last = bisect.bisect_left(self._large_starts, end)
        found = self._large[first:last]
        pages = range(iova >> PAGE_SHIFT, end >> PAGE_SHIFT)
        if len(pages) <= len(self._pages):
            found += [m for p in pages if (m := self._pages.get(p)) and m.iova >> PAGE_SHIFT == p]
        else:
            found += [m for p, m in self._pages.items() if m.iova >> PAGE_SHIFT == p]
        gone = [m for m in found if iova <= m.iova and m.end <= end]
        kind = "unmap" if size <= MAX_UNMAP_BYTES else "drop"
        self._remove_all(gone, kind)
        return len(gone)

    def unmap_all(self) -> int:
        """Remove every mapping. Returns how many."""
        gone = self.mappings()
        self._remove_all(gone, "drop")
        return len(gone)

    def _remove_all(self, gone: list[Mapping], kind: str) -> None:
        for m in gone:
            self._remove(m, kind)
            self._budget.left -= _UNMAP_UNITS
            self._budget.pause(is_whole=False)

    def _remove(self, m: Mapping, kind: str) -> None:
        if self._is_small(m):
            first = m.iova >> PAGE_SHIFT
            for page in range(first, first + (m.size >> PAGE_SHIFT)):
                del self._pages[page]
        else:
            i = bisect.bisect_left(self._large_starts, m.iova)
            del self._large[i]
            del self._large_starts[i]
            self._last_large = None
        self._count -= 1
        self._beyond_iommu -= self._is_beyond_iommu(m)
        self.unmaps_total += 1
        for observe in self.observers:
            observe(kind, m)

    @staticmethod
    def _is_small(m: Mapping) -> bool:
        return m.size <= _SMALL and not (m.iova | m.size) & (PAGE_SIZE - 1)

    @staticmethod
    def _is_beyond_iommu(m: Mapping) -> bool:
        return m.size > _IOMMU_PAGE or bool((m.iova | m.size) & (PAGE_SIZE - 1))

    def _overlaps(self, iova: int, size: int) -> bool:
        i = bisect.bisect_right(self._large_starts, iova + size - 1)
        if i and self._large[i - 1].iova + self._large[i - 1].size > iova:
            return True
        pages = range(iova >> PAGE_SHIFT, (iova + size - 1 >> PAGE_SHIFT) + 1)
        if len(pages) <= len(self._pages):
            return any(p in self._pages for p in pages)
        return any(p in pages for p in self._pages)

    def find(self, iova: int) -> Mapping | None:
        """The mapping that holds ``iova``, or None."""
        m = self._pages.get(iova >> PAGE_SHIFT)
        if m is not None:
            return m
        i = bisect.bisect_right(self._large_starts, iova)
        if i:
            m = self._large[i - 1]
            if iova < m.end:
                self._last_large = m
                return m
        return None

    # -- access -----------------------------------------------------------------------------
    def read(self, iova: int, length: int, who: Who = OTHER) -> bytes:
        """Device reads host memory. Raises DmaFault (nothing is returned then)."""
        if self.faults.armed and "dma.read" in self.faults.points:
            return self._read_faulty(iova, length, who)
        m = self._pages.get(iova >> PAGE_SHIFT) or self._last_large
        if (
            m is not None
            and m.iova <= iova
            and iova + length <= m.end
            and m.readable
            and m.memory is not None
            and self.bus_master_enabled
        ):
            at = iova - m.iova + m.offset
            return bytes(m.memory[at : at + length])
        return self._read(iova, length)

    def peek(self, iova: int, length: int) -> bytes:
        """Read for an observer: no fault may interfere. Raises DmaFault."""
        m = self._pages.get(iova >> PAGE_SHIFT) or self._last_large
        if (
            m is not None
            and m.iova <= iova
            and iova + length <= m.end
            and m.readable
            and m.memory is not None
        ):
            at = iova - m.iova + m.offset
            return bytes(m.memory[at : at + length])
        return self._read(iova, length)

    def _read(self, iova: int, length: int) -> bytes:
        pieces = self._pieces(iova, length, is_write=False)
        return b"".join([self._read_piece(start, n) for start, n in pieces])

    def write(self, iova: int, data: bytes | bytearray | memoryview, who: Who = OTHER) -> None:
        """Device writes host memory. Raises DmaFault; nothing is written unless all may be."""
        if self.faults.armed and "dma.write" in self.faults.points:
            self._write_faulty(iova, data, who)
            return
        length = len(data)
        m = self._pages.get(iova >> PAGE_SHIFT) or self._last_large
        if (
            m is not None
            and m.iova <= iova
            and iova + length <= m.end
            and m.writable
            and m.memory is not None
            and self.bus_master_enabled
        ):
            at = iova - m.iova + m.offset
            m.memory[at : at + length] = data
            if who.log is not None:
                who.log.append((iova, length))
            elif self.writes is not None:
                self.writes.append((iova, length))
            return
        self._write(iova, data)

    def store(self, iova: int, data: bytes, who: Who = OTHER) -> None:
        """Write eight bytes at once, if ``iova`` is a multiple of that. Raises DmaFault.

        What :meth:`write` copies may be stored twice over (memcpy of the C library): a host busy
        enough to stop us in between gives the driver time to use the memory for something else.
        """
        m = self.find(iova)
        if (
            iova & 7
            or m is None
            or m.memory is None
            or not m.writable
            or iova + len(data) > m.end
            or not self.bus_master_enabled
            or (self.faults.armed and "dma.write" in self.faults.points)
        ):
            DmaSpace.write(self, iova, data, who)
            return
        at = iova - m.iova + m.offset
        m.memory.cast("Q")[at >> 3] = int.from_bytes(data, sys.byteorder)
        if who.log is not None:
            who.log.append((iova, len(data)))
        elif self.writes is not None:
            self.writes.append((iova, len(data)))

    def _write(self, iova: int, data: bytes | bytearray | memoryview) -> None:
        pieces = self._pieces(iova, len(data), is_write=True)
        view = memoryview(data)
        done = 0
        for start, n in pieces:
            self._write_piece(start, view[done : done + n])
            done += n
        if self.writes is not None:
            self.writes.append((iova, len(data)))

    def _read_faulty(self, iova: int, length: int, who: Who) -> bytes:
        def perform(event: Event) -> bytes:
            size = min(max(event["length"], 0), _MAX_FAULTY_BYTES)
            data = bytearray(self._read(event["iova"] & _ADDRESS_MASK, size))
            _invert(data, event["xor_at"])
            return bytes(data[:length]).ljust(length, _FILLER)

        event = _event(iova, length, who)
        return self.faults.pass_on("dma.read", event, perform, _FILLER * length)

    def _write_faulty(self, iova: int, data: bytes | bytearray | memoryview, who: Who) -> None:
        whole = bytes(data)  # it may be written later

        def perform(event: Event) -> None:
            size = min(max(event["length"], 0), _MAX_FAULTY_BYTES)
            changed = bytearray(whole[:size].ljust(size, _FILLER))
            _invert(changed, event["xor_at"])
            self._write(event["iova"] & _ADDRESS_MASK, changed)
            self.write_was_faulty()

        self.faults.pass_on("dma.write", _event(iova, len(whole), who), perform, None)

    def _check(self, iova: int, length: int, is_write: bool) -> Mapping:
        if not self.bus_master_enabled:
            raise DmaFault(iova, length, is_write=is_write, reason="bus_master_off")
        m = self.find(iova)
        if m is None:
            raise DmaFault(iova, length, is_write=is_write, reason="unmapped")
        if not (m.writable if is_write else m.readable):
            raise DmaFault(iova, length, is_write=is_write, reason="permission")
        return m

    def _pieces(self, iova: int, length: int, *, is_write: bool) -> list[tuple[int, int]]:
        pieces = []
        while length:
            m = self._check(iova, length, is_write)
            n = min(length, m.end - iova)
            pieces.append((iova, n))
            iova += n
            length -= n
        return pieces

    def _read_piece(self, iova: int, length: int) -> bytes:
        m = self.find(iova)
        if m is None or m.memory is None:
            return self.message_dma.read(iova, length)
        at = m.offset + iova - m.iova
        return bytes(m.memory[at : at + length])

    def _write_piece(self, iova: int, data: memoryview) -> None:
        m = self.find(iova)
        if m is None or m.memory is None:
            self.message_dma.write(iova, data)
            return
        at = m.offset + iova - m.iova
        m.memory[at : at + len(data)] = data


def _event(iova: int, length: int, who: Who) -> Event:
    return {
        "purpose": who.purpose,
        "ring": who.ring,
        "ring_id": who.ring_id,
        "iova": iova,
        "length": length,
        "xor_at": -1,
    }


def _invert(data: bytearray, at: int) -> None:
    if 0 <= at < len(data):
        data[at] ^= 0xFF
