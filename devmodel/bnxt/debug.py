# SPDX-License-Identifier: GPL-2.0-only
"""What the firmware tells of itself to whoever looks for a bug: live dump, crash dump.

The contents of a real card's dump are the vendor's own. Here a segment has what this card knows:
the numbers of its components and their sizes are guesses.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

from devmodel.bnxt.hsi.dbg import CRASHDUMP_PAGE_SHIFTS, CoredumpSegmentRecord
from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.bnxt.resources import Resources
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DmaFault
from devmodel.trace import Trace

Segment = tuple[int, int]
"""Component and segment id."""

SEGMENT_HEADER_BYTES = 64
"""struct bnxt_coredump_segment_hdr, which the driver puts before each segment."""
CHUNK_BYTES = 4096
"""What one DBG_COREDUMP_RETRIEVE gives at most."""
CRASHDUMP_BYTES = 32 << 10
_MAX_SEGMENT_BYTES = 32 << 10
_CRASH_SIGNATURE = int.from_bytes(b"CrSh", "little")
_RING = struct.Struct("<8sIIII")
_COUNTER = struct.Struct("<Q")
CRASHDUMP = Who("crashdump")


SEGMENTS: tuple[Segment, ...] = ((1, 0), (1, 1), (1, 2))
"""State of the firmware, rings, statistics contexts.

Component 2 is the driver's (VER_GET), 0xd as well (context memory): bnxt_coredump.h.
"""
COREDUMP_BYTES = len(SEGMENTS) * (SEGMENT_HEADER_BYTES + _MAX_SEGMENT_BYTES)
"""The most that all segments take, with the driver's headers: a dump may be smaller."""


class Debug:
    """Segments as they were when a dump of them began, and the memory for a crash dump.

    :param tell: what the firmware says of itself.
    """

    def __init__(
        self,
        resources: Resources,
        dma: DmaSpace,
        ledger: FirmwareLedger,
        trace: Trace,
        tell: Callable[[], dict[str, Any]],
    ) -> None:
        self._resources = resources
        self._dma = dma
        self._ledger = ledger
        self._trace = trace
        self._tell = tell
        self._taken: dict[Segment, bytes] = {}
        self._crash_pages: list[int] = []
        self._page_bytes = 0
        self._crash_bytes = 0

    def reset(self) -> None:
        """The function was reset: host memory is not ours any more."""
        self._taken.clear()
        self.forget_crash_memory()

    # -- live dump ----------------------------------------------------------------------------
    @staticmethod
    def records() -> Iterator[CoredumpSegmentRecord]:
        """What there is to dump."""
        for component, segment in SEGMENTS:
            yield CoredumpSegmentRecord(component_id=component, segment_id=segment, max_instances=1)

    def take(self, segment: Segment) -> bool:
        """Keep a segment as it is now. False if there is no such one."""
        if segment not in SEGMENTS:
            return False
        make = (self._summary, self._rings, self._statistics)[SEGMENTS.index(segment)]
        self._taken[segment] = make()[:_MAX_SEGMENT_BYTES]
        return True

    def _summary(self) -> bytes:
        return json.dumps(self._tell(), sort_keys=True).encode("ascii")

    def _rings(self) -> bytes:
        return b"".join(
            _RING.pack(ring.KIND.encode("ascii"), ring.id, ring.entries, ring.prod, ring.cons)
            for ring in self._resources.descriptor_rings()
        )

    def _statistics(self) -> bytes:
        return b"".join(
            _COUNTER.pack(value & (1 << 64) - 1)
            for ctx in self._resources.stat_ctxs.values()
            for value in (ctx.id, *ctx.counters)
        )

    def taken(self, segment: Segment) -> bytes | None:
        """A segment as it was when it was taken, or None."""
        return self._taken.get(segment)

    # -- crash dump ---------------------------------------------------------------------------
    def use_crash_memory(self, pages: list[int], page_shift: int, size: int) -> None:
        """Bus addresses of the pages a crash dump goes to, and how many bytes they take."""
        self._crash_pages = pages
        self._crash_bytes = size
        self._page_bytes = 1 << page_shift

    def forget_crash_memory(self) -> None:
        """The driver takes its pages back."""
        self._crash_pages = []

    def write_crash_dump(self, fw_status: int) -> None:
        """The firmware crashes: what it knows goes to the host, if the host gave memory."""
        dump = struct.pack("<II", _CRASH_SIGNATURE, fw_status) + self._summary() + self._rings()
        dump = dump[: self._crash_bytes]
        for number, page in enumerate(self._crash_pages):
            part = dump[number * self._page_bytes : (number + 1) * self._page_bytes]
            if not part:
                break
            self._ledger.allow(page, len(part))
            try:
                self._dma.write(page, part, CRASHDUMP)
            except DmaFault as fault:
                self._trace.violation("crash_dump_write", detail=str(fault))
                break


def page_shift_of(pg_size_lvl: int) -> int | None:
    """log2 of the page size that DBG_CRASHDUMP_MEDIUM_CFG names, or None."""
    number = pg_size_lvl >> 2 & 0x7
    return CRASHDUMP_PAGE_SHIFTS[number] if number < len(CRASHDUMP_PAGE_SHIFTS) else None
