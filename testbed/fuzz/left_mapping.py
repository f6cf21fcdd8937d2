# SPDX-License-Identifier: GPL-2.0-only
"""A mapping that a driver has left behind, as DMA-API debugging names one, and what the card knows
of that memory: many bugs lose a page, and differ in where.

Wording of linux 7.2: dma_debug_device_change() and type2name in kernel/dma/debug.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from testbed.findings.kernel_log import KernelEvent

PAGE = "phy"
"""How a page of a page pool is mapped."""
_LEFT = re.compile(
    r"pending DMA allocations.*?\[device address=0x(?P<address>[0-9a-f]+)\]"
    r" \[size=(?P<size>\d+) bytes\].*?\[mapped as (?P<how>[\w-]+)\]",
    re.DOTALL,
)  # fmt: skip
_STEP = re.compile(r"(?P<what>posted|taken) in (?P<ring>\w+) ring \d+, index ")

Ask = Callable[[int, int], Sequence[str]]
"""Address and bytes -> what the card remembers of them, oldest first."""


@dataclass(frozen=True)
class LeftMapping:
    """One of those that were left: ``how`` it was mapped, in the kernel's word."""

    address: int
    size: int
    how: str


def left_mapping(event: KernelEvent) -> LeftMapping | None:
    """The one that is named, if the complaint is of that kind."""
    found = _LEFT.search("\n".join(event.excerpt))
    if found is None:
        return None
    return LeftMapping(int(found["address"], 16), int(found["size"]), found["how"])


def remembered(events: Iterable[KernelEvent], ask: Ask) -> dict[int, Sequence[str]]:
    """Line of a complaint in the log -> what the card knows of the page that it names."""
    left = ((event.line_number, left_mapping(event)) for event in events)
    return {
        line: ask(one.address, one.size)
        for line, one in left
        if one is not None and one.how == PAGE
    }


def last_step(lines: Sequence[str]) -> str:
    """What happened last to the buffer: ``taken in RX ring``; empty if the card does not know."""
    steps = [found for line in lines if (found := _STEP.search(line))]
    return f"{steps[-1]['what']} in {steps[-1]['ring']} ring" if steps else ""
