# SPDX-License-Identifier: GPL-2.0-only
"""The oracle: what the driver shows the card, what the card does with it, and verdicts.

It is fed by the observers of :class:`devmodel.dma.DmaSpace` (mappings), by the rings (doorbells,
fetches, frees) and by the log of DMA writes, which :meth:`Oracle.settle` judges once a batch is
over. It never touches host memory except to read descriptors a doorbell has just passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from devmodel.budget import Budget
from devmodel.dma import PAGE_SHIFT, PAGE_SIZE, DmaSpace, Mapping
from devmodel.oracle.buffers import BufferLedger, OpenBuffer, Ring
from devmodel.oracle.imports import Imports
from devmodel.oracle.rules import RuleTable
from devmodel.oracle.spans import Spans
from devmodel.oracle.verdicts import Describe, Verdicts, seconds
from devmodel.trace import Trace

_PAGE_MASK = -PAGE_SIZE
_IN_PAGE = PAGE_SIZE - 1
_KEPT_MAPPING_EVENTS = 1 << 14
_RETIRED_RINGS = 32
_MAX_ALIASES = 256
"""So often is one page of memory followed at different addresses: each map looks at all others."""
_NOWHERE: deque[None] = deque(maxlen=0)
_drain = _NOWHERE.extend
_HISTORY_LINES = 24
_TOLD_UNITS, _EVENTS_OF_UNIT, _BYTES_OF_UNIT = 15, 8, 32
"""What a verdict costs; of its history, how many mappings and bytes of descriptors cost a unit."""

Region = tuple[int, int, str]
"""(first address, address behind the last, what it is)."""


class Oracle:
    """Judge of one card. One exists per card, and its rings know it.

    :param rules: every rule that :meth:`verdict` is called with.
    :param describe: by kind of trace record, for kinds that read badly as ``key=value``.
    :param budget: the work of the present entry; a driver may break a rule 65,000 times in one.
    :ivar live: buffer address -> slot, of every receive buffer posted and not taken.
    :ivar fragment_pages: pages that buffers smaller than a page lie in, or lay in.
    :ivar shared: pages whose memory is mapped at another address too.
    :ivar batches: batches with receive buffers judged so far.
    :ivar judged_bytes: what the receive buffers taken so far have room for.
    :ivar active: ledgers with descriptors fetched and not yet accounted for (ordered set).
    """

    def __init__(
        self,
        dma: DmaSpace,
        trace: Trace,
        rules: RuleTable,
        describe: dict[str, Describe] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._budget = budget or Budget()
        self.dma = dma
        self.live: dict[int, int] = {}
        self.shared: set[int] = set()
        self.fragment_pages: set[int] = set()
        self.active: dict[BufferLedger, None] = {}
        self.open_buffers: Callable[[], Sequence[OpenBuffer]] = tuple
        """Buffers taken that are still being filled (aggregations that wait)."""
        self.posted_for_transmit: Callable[[int, int], str] = lambda start, end: ""
        """Names the transmit descriptor not yet consumed that reaches into the range, if any."""
        self.batches = 0
        self.judged_bytes = 0
        self._trace = trace
        self._writes: list[tuple[int, int]] = []
        self._batch: dict[BufferLedger, None] = {}
        """Ledgers with buffers taken in the present batch (ordered set)."""
        self._allowed: list[tuple[int, int]] = []
        self._ledgers: dict[int, BufferLedger] = {}
        self._retired: deque[BufferLedger] = deque(maxlen=_RETIRED_RINGS)
        self._next_base = 0
        self._known: dict[int, set[int]] = {}
        """By buffer size."""
        self._regions: dict[int, list[Region]] = {}
        self._region_pages: dict[str, set[int]] = {}
        self._memory_pages: dict[int, list[int]] = {}
        self._mapping_events: deque[tuple[int, str, int, int]] = deque(maxlen=_KEPT_MAPPING_EVENTS)
        self._imports = Imports()
        self._spans = Spans(dma, self._unmapped_in_part)
        self._suspects: list[dict[str, Any]] = []
        """Verdicts of two_owners, should the mapping just made be of that page alone."""
        self._is_translated = False
        """As of the last map: without an IOMMU memory goes when the guest does."""
        dma.observers.append(self._mapping_changed)
        dma.writes = self._writes
        dma.write_was_faulty = self.judge
        self._verdicts = Verdicts(dma, trace, rules, describe or {}, self.history)

    def now(self) -> int:
        """Virtual time in nanoseconds."""
        return self._trace.now()

    # -- rings ------------------------------------------------------------------------------
    def watch_buffers(self, ring: Ring, kind: str, *, length: int, pad: int = 0) -> BufferLedger:
        """A ring was allocated; it tells the ledger what happens. Verdicts name its ``kind``."""
        base = self._next_base
        self._next_base += ring.entries
        ledger = self._ledgers[base] = BufferLedger(
            self, ring, kind, base=base, length=length, pad=pad
        )
        return ledger

    def forget_buffers(self, ledger: BufferLedger) -> None:
        """The ring was freed: the card may not touch the buffers any more."""
        self.conclude()
        self.settle()
        self.active.pop(ledger, None)
        self._batch.pop(ledger, None)
        if self._ledgers.pop(ledger.base, None) is not None:
            ledger.release()
            if all(other.length != ledger.length for other in self._ledgers.values()):
                self._known.pop(ledger.length, None)
            self._retired.append(ledger)

    def watch_memory(self, what: str, ranges: Iterable[tuple[int, int]]) -> None:
        """The card may write to these (address, bytes) until :meth:`forget_memory`."""
        pages = self._region_pages.setdefault(what, set())
        for start, size in ranges:
            for page in range(start >> PAGE_SHIFT, (start + size - 1 >> PAGE_SHIFT) + 1):
                self._regions.setdefault(page, []).append((start, start + size, what))
                pages.add(page)

    def forget_memory(self, what: str) -> None:
        """Freed or reset: the memory is the driver's again."""
        self.settle()
        for page in self._region_pages.pop(what, ()):
            kept = [region for region in self._regions[page] if region[2] != what]
            if kept:
                self._regions[page] = kept
            else:
                del self._regions[page]

    def allow(self, address: int, length: int) -> None:
        """The driver named this memory for one write: the answer to a command."""
        self._allowed.append((address, address + length))

    def reset(self) -> None:
        """The function was reset: nothing is the card's any more."""
        self.conclude()
        self.settle()
        for ledger in list(self._ledgers.values()):
            self.forget_buffers(ledger)
        self._regions.clear()
        self._region_pages.clear()
        self._allowed.clear()
        self.live.clear()

    def posted_pages(self) -> list[Mapping]:
        """What maps the posted buffers that are a page each."""
        found = []
        for ledger in self._ledgers.values():
            if ledger.length == PAGE_SIZE:
                slots = range(ledger.base, ledger.base + ledger.entries)
                posted = [address for address, slot in self.live.items() if slot in slots]
                found += [m for m in map(self.dma.find, posted) if m is not None]
        return [mapping for mapping in found if mapping.size == PAGE_SIZE]

    def name_slot(self, slot: int) -> str:
        """Ring and index of a slot."""
        for ledger in self._ledgers.values():
            if ledger.base <= slot < ledger.base + ledger.entries:
                return f"{ledger.kind} ring {ledger.ring_id}, index {slot - ledger.base}"
        return "a freed ring"

    # -- mappings ---------------------------------------------------------------------------
    def known_buffers(self, length: int) -> set[int]:
        """Addresses of buffers of that size that lie in memory mapped for writing."""
        return self._known.setdefault(length, set())

    def unwritable(self, start: int, end: int) -> str:
        """The rule that posting this buffer breaks; empty if it is all mapped for writing."""
        while start < end:
            mapping = self.dma.find(start)
            if mapping is None:
                return "posted_unmapped"
            if not mapping.writable:
                return "posted_not_writable"
            start = mapping.end
        return ""

    def other_mappings(self, page: int) -> str:
        """Where else the memory behind ``page`` is mapped."""
        mapping = self.dma.find(page << PAGE_SHIFT)
        if mapping is None:
            return ""
        pages = self._memory_pages.get(mapping.offset >> PAGE_SHIFT, [])
        return ", ".join(f"{p << PAGE_SHIFT:#x}" for p in pages if p != page)

    def transmitted(self, pieces: Iterable[tuple[int, int]]) -> None:
        """The card read a packet from these (address, bytes); each is of one ``dma_map``."""
        if not self._is_translated:
            return
        for start, size in pieces:
            if (start & _IN_PAGE) + size > PAGE_SIZE:
                self._spans.add(start, size)
            if self.shared and self.fragment_pages:
                owner = self.other_owner(start, start + size)
                if owner:
                    self.verdict("two_owners", address=start, length=size, also=owner)

    def other_owner(self, start: int, end: int) -> str:
        """The posted buffer that has some of these bytes by another mapping of theirs; or empty."""
        while start < end:
            here = min(end, (start & _PAGE_MASK) + PAGE_SIZE)
            page = start >> PAGE_SHIFT
            mapping = self.dma.find(start) if page in self.shared else None
            if mapping is not None:
                for other in self._memory_pages.get(mapping.offset >> PAGE_SHIFT, ()):
                    moved = other - page << PAGE_SHIFT
                    if other in self.fragment_pages:
                        for address, slot in self._buffers_in(start + moved, here + moved):
                            return f"{self.name_slot(slot)}, at {address:#x}"
            start = here
        return ""

    def _unmapped_in_part(self, page: int, pages: int, left: int) -> None:
        self.verdict(
            "unmap_length",
            address=page << PAGE_SHIFT,
            mapped=pages * PAGE_SIZE,
            left=left * PAGE_SIZE,
        )

    def _mapping_changed(self, kind: str, mapping: Mapping) -> None:
        self._mapping_events.append((self.now(), kind, mapping.iova, mapping.size))
        if self._spans.cuts:
            self._spans.passed()
        if kind == "map":
            self._is_translated = self.dma.is_translated
            if mapping.size == PAGE_SIZE and mapping.memory is not None:
                self._mapped_page(mapping)
            return
        self.conclude()
        if kind == "drop":
            self._spans.clear()
        elif self._is_translated:
            if self._spans.span_of:
                self._spans.unmapped(mapping.iova >> PAGE_SHIFT)
            if self.dma.bus_master_enabled:
                self._unmapped(mapping)
        if mapping.size == PAGE_SIZE:
            self._forget_page(mapping)
        else:
            for known in self._known.values():
                known.clear()

    def _mapped_page(self, mapping: Mapping) -> None:
        page = mapping.iova >> PAGE_SHIFT
        memory = mapping.offset >> PAGE_SHIFT
        known = self._memory_pages.setdefault(memory, [])
        if len(known) >= _MAX_ALIASES:
            return
        if self._imports.goes_on(page, known):
            self.shared.difference_update(self._imports.first)
            self._suspects.clear()
        else:
            self.conclude()
            if known:
                self._imports.begin(page, known)
                self._suspect(mapping, known)
                self.shared.update((page, *known))
        known.append(page)

    def _suspect(self, mapping: Mapping, known: Sequence[int]) -> None:
        """Posted pages are mapped again; whether as part of a larger import the next map tells."""
        for other in known:
            slot = self.live.get(other << PAGE_SHIFT)
            if slot is not None and not self._ledger_of(slot).has_fragments:
                also = f"mapped at {mapping.iova:#x}"
                suspect = {"address": other << PAGE_SHIFT, "also": also, **self._where(slot)}
                self._suspects.append(suspect)

    def conclude(self) -> None:
        """Nothing more belongs to the last mapping: if posted pages have two owners, say so."""
        self._imports.end()
        while self._suspects:
            self.verdict("two_owners", **self._suspects.pop(0))

    def _forget_page(self, mapping: Mapping) -> None:
        page = mapping.iova >> PAGE_SHIFT
        for buffers in self._known.values():
            buffers.discard(mapping.iova)
        if page in self.fragment_pages:
            self.fragment_pages.discard(page)
            for length, buffers in self._known.items():
                if length < PAGE_SIZE:
                    buffers.difference_update(range(mapping.iova, mapping.end))
        memory = mapping.offset >> PAGE_SHIFT
        known = self._memory_pages.get(memory)
        if known is None or page not in known:
            return
        known.remove(page)
        self.shared.discard(page)
        if len(known) == 1:
            self.shared.discard(known[0])
        elif not known:
            del self._memory_pages[memory]

    def _unmapped(self, mapping: Mapping) -> None:
        """Nothing of what is unmapped may be the card's."""
        start, end = mapping.iova, mapping.end
        for address, slot in self._buffers_in(start, end):
            self.verdict("unmap_while_owned", address=address, **self._where(slot))
        for address, ring, _ in self.open_buffers():
            if start <= address < end:
                what = f"a buffer of ring {ring.id} that an aggregation is being written to"
                self.verdict("unmap_while_owned", address=address, what=what)
        if end - start == PAGE_SIZE:
            regions = self._regions.get(start >> PAGE_SHIFT, [])
        else:
            regions = [
                region
                for page, here in self._regions.items()
                if start <= page << PAGE_SHIFT < end
                for region in here
            ]
        for what in sorted({region[2] for region in regions}):
            self.verdict("unmap_of_ring", address=start, what=what)
        transmit = self.posted_for_transmit(start, end)
        if transmit:
            self.verdict("unmap_while_owned", address=start, what=transmit)

    def _buffers_in(self, start: int, end: int) -> list[tuple[int, int]]:
        """(address, slot) of live buffers that reach into the range."""
        live = self.live
        if end - start == PAGE_SIZE and start >> PAGE_SHIFT not in self.fragment_pages:
            slot = live.get(start)
            if slot is not None:
                return [(start, slot)]
            if all(ledger.length <= PAGE_SIZE for ledger in self._ledgers.values()):
                return []
        return [
            (address, slot)
            for address, slot in live.items()
            if address < end and address + self._ledger_of(slot).length > start
        ]

    def _ledger_of(self, slot: int) -> BufferLedger:
        return next(
            ledger
            for ledger in self._ledgers.values()
            if ledger.base <= slot < ledger.base + ledger.entries
        )

    def _where(self, slot: int) -> dict[str, Any]:
        ledger = self._ledger_of(slot)
        return {"ring": ledger.kind, "id": ledger.ring_id, "index": slot - ledger.base}

    # -- writes -----------------------------------------------------------------------------
    def settle(self) -> None:
        """A batch is over: judge its DMA writes. Call it before what they depend on goes."""
        self.judge()
        if self._batch:
            self.batches += 1
            unfinished = {address for address, _, _ in self.open_buffers()}
            for ledger in list(self._batch):
                ledger.batch = [start for start in ledger.batch if start in unfinished]
                if not ledger.batch:
                    del self._batch[ledger]
        self._allowed.clear()

    def judge(self) -> None:
        """Judge the DMA writes since the last call; the batch goes on."""
        strange = []
        if self.active:
            for ledger in list(self.active):
                self._account(ledger)
        for ledger in self._ledgers.values():
            if ledger.writes:
                strange += ledger.strange_writes()
        if self._writes:
            strange += self._writes
            self._writes.clear()
        for start, size in strange:
            self._judge_write(start, start + size)

    def _account(self, ledger: BufferLedger) -> None:
        """What the card consumed is no longer posted."""
        starts = ledger.advance()
        if starts:
            try:
                _drain(map(self.live.__delitem__, starts))
            except KeyError:  # one of them was posted twice
                for start in starts:
                    self.live.pop(start, None)
            ledger.batch += starts
            self.judged_bytes += len(starts) * ledger.length
            self._batch[ledger] = None
        if ledger.cons == ledger.fetched_to:
            del self.active[ledger]

    def _taken_buffer(self, address: int) -> tuple[int, int]:
        """(address, address behind the end) of the buffer of the batch that holds it, or zeros."""
        for ledger in self._batch:
            length = ledger.length
            for start in (address & _PAGE_MASK, *ledger.batch):
                if start <= address < start + length and start in ledger.batch:
                    return start + ledger.pad, start + length
        return 0, 0

    def _judge_write(self, start: int, end: int) -> None:
        """A write that is not plainly one into a buffer of the batch."""
        for first, last, _ in self._regions.get(start >> PAGE_SHIFT, ()):
            if first <= start and end <= last:
                return
        for first, last in self._allowed:
            if first <= start and end <= last:
                return
        first, last = self._taken_buffer(start)
        if first <= start and end <= last:
            return
        rule = "write_outside_buffer" if last else "write_never_posted"
        if not last:
            for ledger in (*self._retired, *self._ledgers.values()):
                if next(ledger.history(start), None) is not None:
                    rule = "write_after_free" if ledger.is_freed else "write_after_completion"
        self.verdict(rule, address=start, length=end - start)

    def state(self) -> dict[str, int]:
        """That it is at work, now that all is judged."""
        self.conclude()
        return {
            "rings": len(self._ledgers),
            "buffers": len(self.live),
            "batches": self.batches,
            "judged_bytes": self.judged_bytes,
        }

    # -- verdicts ---------------------------------------------------------------------------
    def verdict(self, rule: str, **detail: Any) -> None:
        """The rule was broken; see :meth:`devmodel.oracle.verdicts.Verdicts.tell`."""
        self._verdicts.tell(rule, detail)
        self.worked(_TOLD_UNITS)

    def worked(self, units: int) -> None:
        """So much was done in the midst of something: may pause."""
        self._budget.left -= units
        self._budget.pause(is_whole=False)

    def history(self, address: int) -> list[str]:
        """What is remembered about the page and the buffer at ``address``, oldest first."""
        self._budget.left -= len(self._mapping_events) // _EVENTS_OF_UNIT
        return self._recall(address, 1, self.worked)

    def remembered(self, address: int, size: int) -> list[str]:
        """The same about all that has some of these bytes, for somebody who is no guest."""
        return self._recall(address, size, lambda units: None)

    def _recall(self, address: int, size: int, worked: Callable[[int], None]) -> list[str]:
        lines: list[tuple[int, str]] = []
        for ns, kind, iova, length in self._mapping_events:
            if iova < address + size and address < iova + length:
                lines.append((ns, f"{kind}ped {iova:#x}, {length:#x} bytes"))
        for ledger in (*self._retired, *self._ledgers.values()):
            lines += ledger.history(address, size)
            worked(ledger.kept_bytes // _BYTES_OF_UNIT)
        lines.sort(key=lambda line: line[0])
        return [f"{seconds(ns)} {text}" for ns, text in lines[-_HISTORY_LINES:]]
