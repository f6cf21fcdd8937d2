# SPDX-License-Identifier: GPL-2.0-only
"""A mapping that a driver has left behind, as DMA-API debugging names one, and what the card knows
of that memory: many bugs lose a page, and differ in where.

Wording of linux 7.2: dma_debug_device_change(), type2name and dump_show() in kernel/dma/debug.c.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from testbed.findings.kernel_log import KernelEvent, Splat

PAGE = "phy"
"""How a page of a page pool is mapped."""
SEVERAL = "scatter-gather"
"""How an area of zero-copy receive is mapped, and a dmabuf."""
MOST_ASKED = 8
"""Mappings of one log that the card is asked about: a guest can print any number."""
_LEFT = re.compile(
    r"pending DMA allocations.*?\[device address=0x(?P<address>[0-9a-f]{1,16})\]"
    r" \[size=(?P<size>\d{1,18}) bytes\] \[mapped with (?P<direction>\w+)\]"
    r" \[mapped as (?P<how>[\w-]+)\]",
    re.DOTALL,
)  # fmt: skip
MOST_LISTED = 256
"""The same of those that its list has."""
LIST = 'grep -F " $1 phy idx " /sys/kernel/debug/dma-api/dump | head -n "$2"'
"""A shell's words: those of the device at $1 that are left, $2 at most."""
_LISTED = re.compile(
    r" phy idx \d+ P=\S+ D=(?P<address>[0-9a-f]{1,16}) L=(?P<size>[0-9a-f]{1,8}) .*"
    r"\b(?:DMA_FROM_DEVICE|DMA_BIDIRECTIONAL)\b"
)
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


def last_steps(printed: str, ask: Ask) -> list[str]:
    """The same of each received page that the kernel's list has, where the card knows it; the guest
    may print anything."""
    pages = (_LISTED.search(line) for line in printed.splitlines()[:MOST_LISTED])
    asked = (ask(int(one["address"], 16), int(one["size"], 16)) for one in pages if one)
    return [step for lines in asked if (step := last_step(lines))]


def step_of_all(steps: Iterable[str]) -> str:
    """What stands for all pages that a run has lost, of which the kernel names one, as memory lies.

    Where the driver has taken any it is those: of others the card may know an earlier life only.
    """
    counts = Counter(steps)
    taken = [one for one in counts if one.startswith("taken")]
    return min(taken or counts, key=lambda one: (-counts[one], one), default="")
