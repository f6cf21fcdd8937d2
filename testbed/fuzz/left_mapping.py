# SPDX-License-Identifier: GPL-2.0-only
"""A mapping that a driver has left behind, as DMA-API debugging names one, and what the card knows
of that memory: many bugs lose a page, and differ in where.

Wording of linux 7.2: dma_debug_device_change() and type2name in kernel/dma/debug.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from testbed.findings.kernel_log import KernelEvent, Splat

PAGE = "phy"
"""How a page of a page pool is mapped."""
MOST_ASKED = 8
"""Mappings of one log that the card is asked about: a guest can print any number."""
_LEFT = re.compile(
    r"pending DMA allocations.*?\[device address=0x(?P<address>[0-9a-f]{1,16})\]"
    r" \[size=(?P<size>\d{1,18}) bytes\] \[mapped with (?P<direction>\w+)\]"
    r" \[mapped as (?P<how>[\w-]+)\]",
    re.DOTALL,
)  # fmt: skip
_STEP = re.compile(r"(?P<what>posted|taken) in (?P<ring>\w+) ring \d+, index ")

Ask = Callable[[int, int], Sequence[str]]
"""Address and bytes -> what the card remembers of them, oldest first."""


@dataclass(frozen=True)
class LeftMapping:
    """One of those that were left: ``how`` it was mapped, and in which ``direction``, in the
    kernel's words."""

    address: int
    size: int
    direction: str
    how: str

    @property
    def is_received_page(self) -> bool:
        """What this driver maps so is of a page pool; the backtrace of a mapping ends too early to
        say."""
        return self.how == PAGE and self.direction in ("DMA_FROM_DEVICE", "DMA_BIDIRECTIONAL")


def left_mapping(event: KernelEvent) -> LeftMapping | None:
    """The one that is named, if the complaint is of that kind."""
    if event.kind is not Splat.DMA_API:
        return None
    found = _LEFT.search("\n".join(event.excerpt))
    if found is None:
        return None
    address, size = int(found["address"], 16), int(found["size"])
    return LeftMapping(address, size, found["direction"], found["how"])


def remembered(events: Iterable[KernelEvent], ask: Ask) -> dict[int, Sequence[str]]:
    """Line of a complaint in the log -> what the card knows of the page that it names."""
    left = ((event.line_number, left_mapping(event)) for event in events)
    pages = ((line, one) for line, one in left if one is not None and one.how == PAGE)
    return {line: ask(one.address, one.size) for line, one in islice(pages, MOST_ASKED)}


def last_step(lines: Sequence[str]) -> str:
    """What happened last to the buffer: ``taken in RX ring``; empty if the card does not know."""
    steps = [found for line in lines if (found := _STEP.search(line))]
    return f"{steps[-1]['what']} in {steps[-1]['ring']} ring" if steps else ""
