# SPDX-License-Identifier: GPL-2.0-only
"""Context memory: what the chip keeps of rings, VNICs and statistics contexts in the host.

The driver gives a table of entries for each type of context, in pages that a page table of up to
two levels names. The card writes an entry when an object is made, and reads it back when the object
goes: it must be what was written, as the memory is the card's until FUNC_RESET.

What a real entry holds is not published. Here it names its object; sizes and counts are guesses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devmodel.bnxt.hsi.backing_store import ContextType
from devmodel.bnxt.identity import Limits
from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.bnxt.rings import PAGE_TABLE, PTE_ADDRESS, PTE_VALID
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DevModelError, DmaFault
from devmodel.trace import Trace

PAGE_SHIFTS: Mapping[int, int] = {0: 12, 1: 13, 2: 16, 3: 21, 4: 23, 5: 30}
"""Page size code (bits 7..4 of the attribute, FUNC_BACKING_STORE_CFG_REQ_*_PG_SIZE_*) -> shift."""
INIT_VALUE = 0x11
INIT_OFFSET_WORDS = 3
"""The driver puts INIT_VALUE at this 32-bit word of each entry: "no context"."""
TQM_FAST_PATH_RINGS = 8
QP1_ENTRIES = 2
_TQM_MIN_ENTRIES = 128
_TQM_MAX_ENTRIES = 4096
TQM_MULTIPLE = 32
_KIND_AT = INIT_OFFSET_WORDS * 4
_ENTRY = struct.Struct("<IQ")
_CONTEXT = Who("context")


class BadContextMemory(DevModelError):
    """The driver's description of a table is impossible; the command is refused."""


@dataclass(frozen=True, slots=True)
class ContextKind:
    """What the card wants of one type.

    :ivar entry_bytes: a power of two, so that no entry lies in two pages.
    :ivar instances: how many tables of the type there are.
    :ivar split: how the entries are divided, in the order of FUNC_BACKING_STORE_QCAPS_V2.
    """

    entry_bytes: int
    max_entries: int
    min_entries: int = 1
    instances: int = 1
    split: tuple[int, ...] = ()


def context_kinds(limits: Limits) -> dict[ContextType, ContextKind]:
    """What a card with these limits wants: an entry for each object that there can be."""
    tqm = ContextKind(32, _TQM_MAX_ENTRIES, _TQM_MIN_ENTRIES)
    tqm_rings = ContextKind(32, _TQM_MAX_ENTRIES, _TQM_MIN_ENTRIES, TQM_FAST_PATH_RINGS)
    vnics = limits.vnics + limits.rsscos_ctx
    return {
        ContextType.QP: ContextKind(
            512, limits.tx_rings + QP1_ENTRIES, split=(limits.tx_rings, QP1_ENTRIES)
        ),
        ContextType.SRQ: ContextKind(64, limits.rx_rings, split=(limits.rx_rings,)),
        ContextType.CQ: ContextKind(64, limits.cmpl_rings, split=(limits.cmpl_rings,)),
        ContextType.VNIC: ContextKind(128, vnics, split=(limits.vnics,)),
        ContextType.STAT: ContextKind(256, limits.stat_ctx),
        ContextType.SP_TQM_RING: tqm,
        ContextType.FP_TQM_RING: tqm_rings,
    }


@dataclass(slots=True)
class ContextTable:
    """The memory of one type and instance, as it was configured.

    :ivar page_attributes: page size code and levels, as in the request.
    :ivar used: slot -> what the card has written there.
    """

    type: ContextType
    instance: int
    entries: int
    entry_bytes: int
    page_attributes: int
    page_dir: int
    pages: list[int]
    page_shift: int
    used: dict[int, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people."""
        return f"context memory {self.type.name} {self.instance}"

    def address(self, slot: int) -> int:
        """Bus address of an entry."""
        at = slot * self.entry_bytes
        return self.pages[at >> self.page_shift] + (at & (1 << self.page_shift) - 1)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """(bus address, bytes) of what the card may touch."""
        left = self.entries * self.entry_bytes
        for page in self.pages:
            yield page, min(left, 1 << self.page_shift)
            left -= 1 << self.page_shift


class BackingStore:
    """All tables of the function.

    :ivar kinds: what the card wants; empty if it keeps its contexts itself.
    """

    def __init__(
        self,
        kinds: Mapping[ContextType, ContextKind],
        dma: DmaSpace,
        trace: Trace,
        ledger: FirmwareLedger,
    ) -> None:
        self.kinds = kinds
        self._dma = dma
        self._trace = trace
        self._ledger = ledger
        self._staged: dict[tuple[ContextType, int], ContextTable] = {}
        self._tables: dict[tuple[ContextType, int], ContextTable] = {}
        self._slots: dict[tuple[str, int], int] = {}
        """(kind of object, its id) -> slot of the first instance of its type."""

    def reset(self) -> None:
        """The memory is the driver's again; nothing is written any more."""
        for table in self._tables.values():
            self._ledger.memory_returned(table.name)
        self._tables.clear()
        self._staged.clear()
        self._slots.clear()

    # -- configuration ------------------------------------------------------------------------
    def table(self, kind: ContextType, instance: int = 0) -> ContextTable | None:
        """What is configured, in force or not yet."""
        return self._staged.get((kind, instance)) or self._tables.get((kind, instance))

    def configure(
        self,
        kind: ContextType,
        instance: int,
        *,
        entries: int,
        entry_bytes: int,
        page_attributes: int,
        page_dir: int,
    ) -> None:
        """Take a table; it is in force after :meth:`activate`.

        Raises BadContextMemory, and DmaFault if the page table cannot be read.
        """
        wanted = self.kinds.get(kind)
        if wanted is None or instance >= wanted.instances:
            raise BadContextMemory(f"type {kind}, instance {instance} is not wanted")
        if entry_bytes != wanted.entry_bytes:
            raise BadContextMemory(f"{kind.name}: entries of {entry_bytes} bytes")
        if not wanted.min_entries <= entries <= wanted.max_entries:
            raise BadContextMemory(f"{kind.name}: {entries} entries")
        shift = PAGE_SHIFTS.get(page_attributes >> 4)
        if shift is None:
            raise BadContextMemory(f"{kind.name}: page size code {page_attributes >> 4}")
        count = -(-entries * entry_bytes // (1 << shift))
        pages = self._pages(page_dir, page_attributes & 0xF, count, shift)
        self._staged[kind, instance] = ContextTable(
            kind, instance, entries, entry_bytes, page_attributes, page_dir, pages, shift
        )

    def drop_staged(self) -> None:
        """What was told since the last time is not taken."""
        self._staged.clear()

    def activate(self) -> None:
        """All tables are told: they are in force, in the place of older ones."""
        for key, table in self._staged.items():
            old = self._tables.get(key)
            if old is not None:
                self._ledger.memory_returned(old.name)
            self._tables[key] = table
            self._ledger.memory_given(table.name, table.ranges())
        self._staged.clear()

    def _pages(self, address: int, levels: int, count: int, shift: int) -> list[int]:
        if levels == 0:
            if count > 1 or address & ~PTE_ADDRESS or not address:
                raise BadContextMemory(f"{count} pages at {address:#x} without a page table")
            return [address]
        if levels > 2:
            raise BadContextMemory(f"{levels} levels of page tables")
        per_table = (1 << shift) // 8
        tables = [address]
        if levels == 2:
            tables = self._entries(address, -(-count // per_table), per_table)
        pages: list[int] = []
        for table in tables:
            pages += self._entries(table, min(per_table, count - len(pages)), per_table)
        if len(pages) < count:
            raise BadContextMemory(f"{count} pages do not fit one table page")
        return pages

    def _entries(self, address: int, count: int, most: int) -> list[int]:
        """The addresses that a table page holds."""
        if address & 7 or not address or count > most:
            raise BadContextMemory(f"a table of {count} entries at {address:#x}")
        data = self._dma.read(address, count * 8, PAGE_TABLE)
        found = []
        for i, (entry,) in enumerate(struct.iter_unpack("<Q", data)):
            if not entry & PTE_VALID:
                raise BadContextMemory(f"entry {i} at {address:#x} is {entry:#x}: not valid")
            found.append(entry & PTE_ADDRESS)
        return found

    # -- use ----------------------------------------------------------------------------------
    def created(self, kind: ContextType, what: str, object_id: int) -> None:
        """An object was made: its context is written, where the driver gave memory for it."""
        table = self._tables.get((kind, 0))
        if table is None:
            return
        slot = next((i for i in range(table.entries) if i not in table.used), None)
        if slot is None:
            self._trace.violation("context_memory_full", type=kind.name, entries=table.entries)
            return
        found = self._read(table, slot)
        if found is not None and found[_KIND_AT] != INIT_VALUE:
            self._trace.counters["contexts_not_initialised"] += 1
            self._trace.violation(
                "context_not_initialised", type=kind.name, index=slot, found=found[_KIND_AT],
                address=table.address(slot),
            )  # fmt: skip
        entry = bytearray(table.entry_bytes)
        _ENTRY.pack_into(entry, 0, object_id, table.address(slot))
        entry[_KIND_AT] = kind
        table.used[slot] = bytes(entry)
        self._slots[what, object_id] = slot
        self._write(table, slot, entry)

    def destroyed(self, kind: ContextType, what: str, object_id: int) -> None:
        """The object is gone: its context is read back, compared, and marked as none."""
        slot = self._slots.pop((what, object_id), None)
        if slot is None:
            return
        table = self._tables[kind, 0]
        wanted = table.used.pop(slot, None)
        found = self._read(table, slot)
        if found is not None and wanted is not None and found != wanted:
            at = next(i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
            self._trace.violation(
                "context_changed", type=kind.name, index=slot, offset=at, found=found[at],
                wanted=wanted[at], address=table.address(slot),
            )  # fmt: skip
        entry = bytearray(table.entry_bytes)
        entry[_KIND_AT] = INIT_VALUE
        self._write(table, slot, entry)

    def _read(self, table: ContextTable, slot: int) -> bytes | None:
        try:
            return self._dma.read(table.address(slot), table.entry_bytes, _CONTEXT)
        except DmaFault as fault:
            self._trace.violation("context_read", type=table.type.name, detail=str(fault))
            return None

    def _write(self, table: ContextTable, slot: int, entry: bytearray) -> None:
        try:
            self._dma.write(table.address(slot), entry, _CONTEXT)
        except DmaFault as fault:
            self._trace.violation("context_write", type=table.type.name, detail=str(fault))
