# SPDX-License-Identifier: GPL-2.0-only
"""A host whose memory notices every access the card has no right to, and every step without end.

Guest memory is cut into mappings as a guest with an IOMMU makes them: single pages, larger pieces,
a page the card may only read, one it may only write, holes in between. Behind each mapping lies a
:class:`Guarded` window: it raises as soon as the card uses memory outside of it, against its
permission or after it was unmapped, and when the card makes more accesses between two looks at
its control channel than its budget can mean.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from devmodel.bnxt.card import BnxtCard
from devmodel.bnxt.hsi.func import FuncQcapsFlags, FuncQcapsFlagsExt
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.identity import Identity, Limits
from devmodel.bnxt.module import ModuleKind
from devmodel.clock import Timing
from devmodel.dma import PAGE_SIZE, Access, Mapping
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES, CardHost

MAX_ACCESSES = 1 << 17
"""Between two looks at the control channel: each stands for some of the 20,000 units of a slice,
and the posting of a whole ring, one access to each of 65536 buffers' mappings, is one step.
"""
MAX_TURNS = 1 << 14
MAX_TIMERS = 4096
MAX_RULES = 200

CONTAINERS = (dict, list, set, frozenset, deque, bytearray, tuple)
PAGED_BYTES = 1 << 20
"""The first part of memory is mapped page by page."""
HOLE = BASE + (3 << 20)
WRITE_ONLY = HOLE + 0x10000
HOLE_BYTES = 0x20000
BOTH = Access.READ | Access.WRITE
EDGES = (
    0, BASE - 16, BASE, BASE + PAGE_SIZE - 8, BASE + PAGED_BYTES - 16, HOLE - 16, HOLE, WRITE_ONLY,
    WRITE_ONLY + PAGE_SIZE - 16, HOLE + HOLE_BYTES, BASE + MEMORY_BYTES - 16, BASE + MEMORY_BYTES,
    BASE + MEMORY_BYTES + PAGE_SIZE - 8, (1 << 64) - 16,
)  # fmt: skip
"""Addresses where something begins or ends."""


class Trespass(AssertionError):
    """The card touched memory it was not given."""


class Runaway(AssertionError):
    """One step of the guest does not come to an end."""


class Meter:
    """Accesses since the card last looked at its control channel.

    :ivar looked: called each time it does.
    """

    def __init__(self) -> None:
        self.accesses = 0
        self.looked: Callable[[], None] = lambda: None

    def look(self) -> None:
        """The card looks."""
        self.accesses = 0
        self.looked()

    def count(self) -> None:
        """One more."""
        self.accesses += 1
        if self.accesses > MAX_ACCESSES:
            raise Runaway(f"more than {MAX_ACCESSES} accesses without a look")


class Guarded:
    """What one mapping lets the card see; used like the memoryview it stands for."""

    def __init__(self, view: memoryview, start: int, size: int, access: Access, meter: Meter):
        self._view = view
        self._start = start
        self._end = start + size
        self._access = access
        self._meter = meter
        self.is_live = True

    def __len__(self) -> int:
        return len(self._view)

    def check(self, span: slice, need: Access) -> None:
        """Raise Trespass if the card may not do that there."""
        self._meter.count()
        if not self.is_live:
            raise Trespass("access through a mapping that is gone")
        if not need & self._access:
            raise Trespass(f"{need.name} of a mapping for {self._access!r}")
        if not self._start <= span.start <= span.stop <= self._end:
            raise Trespass(f"{span} lies outside {self._start:#x}..{self._end:#x}")

    def cast(self, _format: str) -> GuardedWords:
        """As words of eight bytes."""
        return GuardedWords(self, self._view.cast("Q"))

    def __getitem__(self, span: slice) -> memoryview:
        self.check(span, Access.READ)
        return self._view[span]

    def __setitem__(self, span: slice, data: Any) -> None:
        self.check(span, Access.WRITE)
        self._view[span] = data


class GuardedWords:
    """The same by words of eight bytes."""

    def __init__(self, memory: Guarded, words: memoryview) -> None:
        self._memory = memory
        self._words = words

    def __setitem__(self, number: int, value: int) -> None:
        self._memory.check(slice(number * 8, number * 8 + 8), Access.WRITE)
        self._words[number] = value


class NullSink:
    """Records are made, so that a field JSON cannot carry shows, and thrown away."""

    def write(self, text: str, /) -> object:
        """Forget it."""
        return len(text)


OTHER_CARD = Identity(
    module=ModuleKind.SR4, keeps_link=False,
    func_flags=Identity().func_flags | FuncQcapsFlags.WOL_MAGICPKT_SUPPORTED,
    func_flags_ext=Identity().func_flags_ext | FuncQcapsFlagsExt.BS_V2_SUPPORTED,
)  # fmt: skip
"""A card that answers what the default one refuses."""
CARDS = (Identity(), OTHER_CARD, Identity(virtual_functions=2))


class GuardedHost(CardHost):
    """:class:`CardHost` with guarded memory, and one small queue pair with its VNIC open.

    :ivar queue: ids of the queue, ``vnic`` of the VNIC.
    :ivar is_honest: no fault was ever armed in the card.
    """

    def __init__(
        self, timing: Timing = Timing.SYNCHRONOUS, nic: Identity = CARDS[0], *,
        is_open: bool = True, small: bool = False, card: BnxtCard | None = None,
    ) -> None:  # fmt: skip
        limits = Limits(stat_ctx=8, l2_filters=4, ntuple_filters=8, vnics=4) if small else Limits()
        super().__init__(replace(nic, limits=limits), timing=timing, card=card)
        self._ring_entries = 16 if small else 256
        self.meter = Meter()
        self.is_honest = True
        self.trace = self.card.trace
        self._record_everything(self.card)
        self.clock.budget.look_up = lambda is_whole: self.meter.look()
        self._map_memory()
        if is_open:
            self.open()

    @staticmethod
    def _record_everything(card: BnxtCard) -> None:
        trace: Trace = card.trace
        trace._sink = NullSink()
        trace.now = lambda: card.clock.now_ns

    def _map_memory(self) -> None:
        dma = self.card.dma
        dma.unmap_all()
        dma.observers.append(self._mapping_changed)
        for at in range(BASE, BASE + PAGED_BYTES, PAGE_SIZE):
            self.map(at, PAGE_SIZE)
        self.map(BASE + PAGED_BYTES, HOLE - BASE - PAGED_BYTES)
        self.map(WRITE_ONLY, PAGE_SIZE, Access.WRITE)
        self.map(HOLE + HOLE_BYTES, BASE + MEMORY_BYTES - HOLE - HOLE_BYTES)
        self.map(BASE + MEMORY_BYTES, PAGE_SIZE, Access.READ)

    def map(self, iova: int, size: int, access: Access = BOTH) -> None:
        """Map guest memory; the host's address is the IOVA less BASE."""
        at = iova - BASE
        guarded: Any = Guarded(self.memory, at, size, access, self.meter)
        self.card.dma.map(Mapping(iova, size, access, guarded, at))

    @staticmethod
    def _mapping_changed(what: str, mapping: Mapping) -> None:
        if what != "map":
            memory: Any = mapping.memory
            memory.is_live = False

    def ring_request(self, ring_type: RingType, entries: int = 0, **more: Any) -> Any:
        """As the base does, of a size that is full soon if the host was asked for."""
        return super().ring_request(ring_type, entries or self._ring_entries, **more)

    def ring(self, ring_type: RingType, entries: int = 0, **more: int) -> int:
        """The same for :meth:`CardHost.ring`."""
        return super().ring(ring_type, entries, **more)

    def open(self) -> None:
        """As a driver opens: reservations, a queue, a VNIC that takes every frame."""
        self._next = 8192
        self.reserve()
        self.queue = self.open_queue()
        self.vnic = self.vnic_of(self.queue)
        self.card.resources.vnics[self.vnic].rx_mask = 0x1E
        self.card.resources.steering_changed()

    def go_on(self, until_ns: int) -> None:
        """Turns of the card's loop, until nothing is left that is due."""
        for _ in range(MAX_TURNS):
            self.clock.budget.begin()
            self.meter.look()
            self.clock.advance_to(until_ns)
            due_ns = self.clock.next_due_ns()
            if due_ns is None or due_ns > until_ns:
                self.clock.budget.begin()
                return
        raise Runaway(f"more than {MAX_TURNS} turns")

    def end_step(self) -> None:
        """What a transport does after each access."""
        self.go_on(self.clock.now_ns)
        if self.clock.timing is Timing.SYNCHRONOUS:
            self.card.settle()
        self.card.flush()
        self.wire.sent.clear()
        self.interrupts.clear()
        self.meter.look()

    # -- limits -------------------------------------------------------------------------------
    def check_bounds(self) -> None:
        """Nothing the card keeps has outgrown its limit."""
        card, trace = self.card, self.card.trace
        assert len(trace.violations) <= Trace.MAX_KEPT
        assert len(trace.violation_counts) <= MAX_RULES
        assert len(trace.counters) <= MAX_RULES
        assert len(self.clock._heap) <= MAX_TIMERS
        self._check_resources()
        receive = card.state()["receive"]
        assert receive["waiting_bytes"] <= 4 << 20
        assert receive["buffer_writes_after_free"] == 0 or not self.is_honest

    def _check_resources(self) -> None:
        resources = self.card.resources
        limits = resources.limits
        have = resources.ledger()
        assert have["nqs"] <= limits.msix
        assert have["rx_rings"] + have["agg_rings"] <= limits.rx_rings
        for table, limit in (
            ("tx_rings", limits.tx_rings),
            ("cmpl_rings", limits.cmpl_rings),
            ("vnics", limits.vnics),
            ("rss_contexts", limits.rsscos_ctx),
            ("l2_filters", limits.l2_filters),
            ("ntuple_filters", limits.ntuple_filters),
            ("stat_ctxs", limits.stat_ctx),
        ):
            assert have[table] <= limit, table
        rings = (*resources.descriptor_rings(), *resources.cmpl_rings.values())
        for ring in (*rings, *resources.nqs.values()):
            assert ring.entries <= 1 << 16
            assert len(ring.memory._pages) <= 1 << 9

    def footprint(self) -> int:
        """Entries of all containers the card reaches, itself excluded the bounded records."""
        return count_entries(self.card, apart_from=(self.memory, self.card.trace))


def count_entries(root: object, apart_from: tuple[object, ...]) -> int:
    """Sum of the lengths of every container reachable from ``root`` through the card's objects."""
    seen = {id(thing) for thing in apart_from}
    todo, total = [root], 0
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, deque) and thing.maxlen is not None:
            continue  # a history that forgets
        if isinstance(thing, CONTAINERS):
            total += 0 if isinstance(thing, tuple) else len(thing)
        elif not type(thing).__module__.startswith("devmodel"):
            continue
        todo += gc.get_referents(thing)
    return total
