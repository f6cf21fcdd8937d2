# SPDX-License-Identifier: GPL-2.0-only
"""Buffers that are unmapped in part, and those that are unmapped whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from devmodel.dma import Access, DmaSpace, Mapping
from devmodel.oracle.oracle import Oracle
from devmodel.oracle.rules import DMA_RULES
from devmodel.oracle.spans import WINDOW
from devmodel.trace import Trace

FIRST = 0xFFFF_0000
PAGE = 4096
FAR = 0x1000_0000


class Function:
    """A function with eight pages mapped, strictly."""

    def __init__(self, *, size: int = PAGE) -> None:
        self.trace = Trace()
        self.dma = DmaSpace()
        self.dma.bus_master_enabled = True
        self.oracle = Oracle(self.dma, self.trace, DMA_RULES)
        self.memory = memoryview(bytearray(64 * PAGE))
        for n in range(8):
            self.map(FIRST + n * size, size)

    def map(self, at: int, size: int = PAGE) -> None:
        self.dma.map(Mapping(at, size, Access.READ, self.memory, 0 if size > PAGE else at & 0xF000))

    def send(self, start: int, length: int) -> None:
        """A descriptor names ``length`` bytes from ``start`` in the first of the eight pages."""
        self.oracle.transmitted([(FIRST + start, length)])

    def unmap(self, *pages: int) -> None:
        for n in pages:
            assert self.dma.unmap(FIRST + n * PAGE, PAGE)

    def go_on(self, events: int = WINDOW) -> None:
        """Other pages are mapped and unmapped."""
        for _ in range(events):
            if not self.dma.unmap(FAR, PAGE):
                self.map(FAR)

    @property
    def rules(self) -> set[str]:
        return set(self.trace.violation_counts)


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=["upwards", "downwards", "mixed"]
)
def test_all_pages_unmapped(order: Sequence[int]) -> None:
    function = Function()
    function.send(4000, 2 * PAGE)
    function.unmap(*order)
    function.go_on()
    assert not function.rules


@pytest.mark.parametrize(("unmapped", "left"), [([0], 2), ([0, 1], 1), ([2], 2)])
def test_some_pages_unmapped(unmapped: Sequence[int], left: int) -> None:
    function = Function()
    function.send(4000, 2 * PAGE)
    function.unmap(*unmapped)
    function.go_on(WINDOW - len(unmapped))
    assert not function.rules, "other CPUs may be unmapping, too"
    function.go_on(1)
    (found,) = function.trace.violations
    assert (found["rule"], found["culprit"]) == ("unmap_length", "driver")
    assert (found["address"], found["mapped"], found["left"]) == (FIRST, 3 * PAGE, left * PAGE)
    function.go_on()
    assert len(function.trace.violations) == 1


def test_a_page_that_is_mapped_anew_was_unmapped() -> None:
    function = Function()
    function.send(4000, PAGE)
    function.unmap(0, 1)
    function.map(FIRST)
    function.map(FIRST + PAGE)
    function.unmap(0)
    function.go_on(2 * WINDOW)
    assert not function.rules, "nothing was sent from the new ones"


def test_the_last_descriptor_counts() -> None:
    """Pieces of one mapping are sent one by one (devmem): it goes as a whole later."""
    function = Function()
    function.send(4000, PAGE)
    function.send(PAGE + 4000, PAGE)
    function.unmap(0, 1)
    function.go_on(2)
    function.unmap(2)
    function.go_on()
    assert not function.rules


def test_pieces_that_share_a_page_are_both_followed() -> None:
    function = Function()
    function.send(4000, PAGE)
    function.send(PAGE + 4000, PAGE)
    function.unmap(0, 1)
    function.go_on()
    (found,) = function.trace.violations
    assert (found["address"], found["left"]) == (FIRST + PAGE, PAGE)


@pytest.mark.parametrize(("start", "length"), [(0, PAGE), (96, 4000), (4095, 1)])
def test_a_buffer_in_one_page_tells_nothing(start: int, length: int) -> None:
    function = Function()
    function.send(start, length)
    function.unmap(0)
    function.go_on()
    assert not function.rules


def test_a_guest_that_ends_leaves_nothing() -> None:
    function = Function()
    function.send(4000, 2 * PAGE)
    function.dma.unmap_all()
    for n in range(8):
        function.map(FIRST + n * PAGE)
    function.unmap(0)
    function.go_on()
    assert not function.rules


def test_without_an_iommu_nothing_is_unmapped() -> None:
    function = Function(size=4 << 20)
    function.send((4 << 20) - 1, 2)
    assert not function.oracle._spans.span_of
