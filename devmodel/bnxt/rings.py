# SPDX-License-Identifier: GPL-2.0-only
"""Ring memory in the host: page tables, entries of 16 bytes, buffer descriptor fetch.

Every ring of the chip (BDs, completions, notifications) is an array of 16-byte entries in host
pages. RING_ALLOC names the pages directly (depth 0) or through one or two levels of page table.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import ClassVar

from devmodel.dma import OTHER, DmaSpace, Who
from devmodel.errors import DevModelError, DmaFault
from devmodel.oracle.buffers import BufferLedger
from devmodel.trace import Trace

ENTRY_BYTES = 16
PTE_VALID = 1
PTE_LAST = 2
PTE_ADDRESS = ~0xFFF & (1 << 64) - 1
MIN_PAGE_SHIFT = 12
MAX_PAGE_SHIFT = 30
_BD = struct.Struct("<IIQ")
PAGE_TABLE = Who("page_table")

Bd = tuple[int, int, int]
"""(flags and length dword, opaque, buffer address)."""


class BadPageTable(DevModelError):
    """The guest's page table cannot describe the ring; the command is refused."""


class RingMemory:
    """The entries of one ring.

    :param pages: bus address of each page, in ring order; one page may span the whole ring.
    :ivar who: what its accesses are for; the ring says so.
    :param entries: number of entries, a power of two.
    :param page_bytes: size of a page; ``None`` when ``pages[0]`` holds the whole ring.
    """

    __slots__ = ("_pages", "_per_page_mask", "_per_page_shift", "dma", "entries", "who")

    def __init__(
        self, dma: DmaSpace, pages: list[int], entries: int, page_bytes: int | None = None
    ) -> None:
        self.dma = dma
        self.who = OTHER
        self._pages = pages
        self.entries = entries
        per_page = entries if page_bytes is None else page_bytes // ENTRY_BYTES
        self._per_page_shift = per_page.bit_length() - 1
        self._per_page_mask = per_page - 1

    def address(self, index: int) -> int:
        """Bus address of an entry."""
        page = self._pages[index >> self._per_page_shift]
        return page + (index & self._per_page_mask) * ENTRY_BYTES

    def contiguous(self, index: int) -> int:
        """How many entries from ``index`` on lie in the same page (and before the ring's end)."""
        return min(self._per_page_mask + 1 - (index & self._per_page_mask), self.entries - index)

    def read_entry(self, index: int) -> bytes:
        """The 16 bytes of one entry. Raises DmaFault."""
        return self.dma.read(self.address(index), ENTRY_BYTES, self.who)

    def read_entries(self, index: int, count: int) -> bytes:
        """``count`` entries from ``index`` on, wrapping at the end. Raises DmaFault."""
        here = self.contiguous(index)
        if count <= here:
            return self.dma.read(self.address(index), count * ENTRY_BYTES, self.who)
        parts = []
        while count:
            n = min(count, self.contiguous(index))
            parts.append(self.dma.read(self.address(index), n * ENTRY_BYTES, self.who))
            index = (index + n) & (self.entries - 1)
            count -= n
        return b"".join(parts)

    def read_bd(self, index: int) -> Bd:
        """One descriptor: (flags/length dword, opaque, address). Raises DmaFault."""
        return _BD.unpack(self.dma.read(self.address(index), ENTRY_BYTES, self.who))

    def read_bds(self, index: int, count: int) -> list[Bd]:
        """``count`` descriptors from ``index`` on. Raises DmaFault."""
        return list(_BD.iter_unpack(self.read_entries(index, count)))

    def peek_entries(self, index: int, count: int) -> bytes:
        """``count`` entries, none beyond the ring's end, for an observer. Raises DmaFault."""
        if count <= self.contiguous(index):
            return self.dma.peek(self.address(index), count * ENTRY_BYTES)
        parts = []
        while count:
            n = min(count, self.contiguous(index))
            parts.append(self.dma.peek(self.address(index), n * ENTRY_BYTES))
            index += n
            count -= n
        return b"".join(parts)

    def ranges(self) -> list[tuple[int, int]]:
        """(bus address, bytes) of its pages."""
        entries = min(self._per_page_mask + 1, self.entries)
        return [(page, entries * ENTRY_BYTES) for page in self._pages]

    def write_entry(self, index: int, data: bytes | bytearray) -> None:
        """Store one entry. Raises DmaFault."""
        self.dma.write(self.address(index), data, self.who)

    def write_entries(self, index: int, data: bytes | bytearray | memoryview) -> None:
        """Store consecutive entries, wrapping at the end. Raises DmaFault."""
        view = memoryview(data)
        while view:
            n = min(len(view), self.contiguous(index) * ENTRY_BYTES)
            self.dma.write(self.address(index), view[:n], self.who)
            view = view[n:]
            index = (index + n // ENTRY_BYTES) & (self.entries - 1)


def read_page_table(
    dma: DmaSpace, address: int, *, depth: int, page_shift: int, entries: int
) -> RingMemory:
    """Build ring memory from the page-table fields of RING_ALLOC.

    Depth 0: ``address`` is the ring. Depth 1: ``address`` is an array of PTEs. Depth 2: an array of
    pointers to pages of PTEs. The last PTE of the ring, and no other, must carry PTE_LAST.

    Raises BadPageTable for an impossible or invalid table and DmaFault if it cannot be read.
    """
    if entries <= 0 or entries & (entries - 1):
        raise BadPageTable(f"{entries} entries is not a power of two")
    if address & (ENTRY_BYTES - 1):
        raise BadPageTable(f"ring at {address:#x}")
    if depth == 0:
        return RingMemory(dma, [address], entries)
    if depth not in (1, 2):
        raise BadPageTable(f"depth {depth}")
    if not MIN_PAGE_SHIFT <= page_shift <= MAX_PAGE_SHIFT:
        raise BadPageTable(f"page size 1 << {page_shift}")
    page_bytes = 1 << page_shift
    count = -(-entries * ENTRY_BYTES // page_bytes)
    if depth == 1:
        if count * 8 > page_bytes:
            raise BadPageTable(f"{count} pages do not fit one table page")
        return RingMemory(dma, _read_ptes(dma, address, count, count), entries, page_bytes)
    per_table = page_bytes // 8
    tables = -(-count // per_table)
    if tables > per_table:
        raise BadPageTable(f"{count} pages do not fit two levels")
    pages: list[int] = []
    directory = struct.unpack(f"<{tables}Q", dma.read(address, tables * 8, PAGE_TABLE))
    for i, pde in enumerate(directory):
        if not pde & PTE_VALID:
            raise BadPageTable(f"directory entry {i} is {pde:#x}")
        here = min(per_table, count - len(pages))
        pages += _read_ptes(dma, pde & PTE_ADDRESS, here, count - len(pages))
    return RingMemory(dma, pages, entries, page_bytes)


def _read_ptes(dma: DmaSpace, address: int, count: int, left: int) -> list[int]:
    """``count`` PTEs at ``address``; entry ``left - 1`` is the ring's last one."""
    pages = []
    for i, pte in enumerate(struct.unpack(f"<{count}Q", dma.read(address, count * 8, PAGE_TABLE))):
        if not pte & PTE_VALID:
            raise BadPageTable(f"entry {i} is {pte:#x}: not valid")
        if bool(pte & PTE_LAST) != (i == left - 1):
            raise BadPageTable(f"entry {i} of {left} is {pte:#x}: last bit")
        pages.append(pte & PTE_ADDRESS)
    return pages


class DescriptorRing:
    """A ring the host produces into (TX, RX, AGG): producer from the doorbell, consumer ours.

    :ivar prod: index of the first entry not yet posted.
    :ivar cons: index of the next entry to be consumed.
    :ivar most: so many entries were posted and not consumed at once, since RING_ALLOC.
    :ivar freed: RING_FREE was answered; nothing may touch host memory through the ring any more.
    :ivar ledger: the oracle's account of its buffers, if it keeps one.
    """

    KIND: ClassVar[str]

    __slots__ = (
        "_faulted",
        "_trace",
        "cons",
        "entries",
        "freed",
        "id",
        "ledger",
        "mask",
        "memory",
        "most",
        "prod",
    )

    def __init__(self, ring_id: int, memory: RingMemory, trace: Trace) -> None:
        self.id = ring_id
        self.memory = memory
        memory.who = Who("bd", self.KIND, ring_id)
        self.ledger: BufferLedger | None = None
        self.entries = memory.entries
        self.mask = memory.entries - 1
        self.prod = 0
        self.cons = 0
        self.most = 0
        self.freed = False
        self._faulted = False
        self._trace = trace

    def available(self) -> int:
        """Entries posted and not yet consumed."""
        return 0 if self._faulted or self.freed else (self.prod - self.cons) & self.mask

    def doorbell(self, index: int) -> bool:
        """The host moved its producer to ``index``. False, and no effect, if it cannot have."""
        if index > self.mask:
            self._trace.violation(
                "doorbell_index", ring=self.KIND, id=self.id, index=index, entries=self.entries
            )
            return False
        posted = (self.prod - self.cons) & self.mask
        if posted + ((index - self.prod) & self.mask) > self.mask:
            self._trace.violation(
                "doorbell_backwards",
                ring=self.KIND,
                id=self.id,
                index=index,
                prod=self.prod,
                cons=self.cons,
            )
            return False
        before, self.prod = self.prod, index
        self.most = max(self.most, (index - self.cons) & self.mask)
        if self.ledger is not None:
            self.ledger.posted(before, (index - before) & self.mask)
        return True

    def fault(self, fault: DmaFault) -> None:
        """A descriptor could not be fetched: the ring stops until it is freed."""
        self._faulted = True
        self._trace.violation(
            "bd_fetch", ring=self.KIND, id=self.id, address=fault.iova, detail=str(fault)
        )

    def free(self) -> None:
        """RING_FREE or reset: forget everything fetched ahead."""
        self.freed = True


class BufferRing(DescriptorRing):
    """A ring of receive buffers (RX, AGG): descriptors are taken strictly in order.

    ``payload`` and ``header`` say what a DMA into one of its buffers is for.

    Descriptors are fetched ahead in batches; what was fetched ahead is dropped by :meth:`free`.
    """

    BD_TYPE: ClassVar[int]
    PREFETCH = 16

    __slots__ = ("_ahead", "buf_size", "header", "payload")

    def __init__(self, ring_id: int, memory: RingMemory, trace: Trace, buf_size: int) -> None:
        super().__init__(ring_id, memory, trace)
        self.buf_size = buf_size
        self.payload = Who("payload", self.KIND, ring_id)
        self.header = Who("header", self.KIND, ring_id)
        self._ahead: deque[Bd] = deque()

    def watch(self, ledger: BufferLedger) -> None:
        """Let the oracle keep account of the buffers."""
        self.ledger = ledger
        self.payload.log = self.header.log = ledger.writes

    def repaid_late(self, index: int) -> bool:
        """A doorbell came after RING_FREE. False, and no effect, if it posts more than the card had
        consumed. It may post nothing: bnxt_rx_pkt() rings at the end of an aggregation, too."""
        posted = (index - self.cons) & self.mask
        if index > self.mask or not (self.prod - self.cons) & self.mask <= posted <= self.most:
            return False
        self.prod = index
        return True

    def take(self) -> Bd | None:
        """The next descriptor, consumed; None if none is posted or it could not be fetched.

        A descriptor of the wrong type is a violation; it is used all the same.
        """
        if not self._ahead:
            count = min(self.available(), self.PREFETCH)
            if not count:
                return None
            try:
                data = self.memory.read_entries(self.cons, count)
            except DmaFault as fault:
                self.fault(fault)
                return None
            if self.ledger is not None:
                self.ledger.fetched(self.cons, data)
            self._ahead.extend(_BD.iter_unpack(data))
        bd = self._ahead.popleft()
        if bd[0] & 0x3F != self.BD_TYPE:
            self._trace.violation("bd_type", ring=self.KIND, id=self.id, at=self.cons, word=bd[0])
        self.cons = (self.cons + 1) & self.mask
        return bd

    def free(self) -> None:
        """RING_FREE or reset: forget everything fetched ahead."""
        super().free()
        self._ahead.clear()
        self.payload.log = self.header.log = None
