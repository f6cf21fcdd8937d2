# SPDX-License-Identifier: GPL-2.0-only
"""Lengths of mappings, as descriptors tell them: what was mapped at once is unmapped at once.

An emulated IOMMU tells of pages only. A transmit descriptor that reaches over several of them says
that one ``dma_map`` covered them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from devmodel.dma import PAGE_SHIFT, DmaSpace, Mapping

WINDOW = 64
"""Mapping events that may pass until the last page is unmapped: other CPUs unmap meanwhile."""


class _Cut(NamedTuple):
    """A buffer of which the first page was unmapped."""

    due: int
    pages: range
    others: list[Mapping]
    """What its other pages were mapped by."""


class Spans:
    """Follows buffers of more than one page until they are unmapped. IOMMU only.

    :param cut: called as (first page, pages, pages left mapped) of a buffer that was unmapped in
        part; pages are addresses / 4096.
    :ivar span_of: page -> all pages of its buffer.
    :ivar cuts: buffers of which some page was unmapped not long ago. While there is none,
        :meth:`passed` need not be called.
    """

    def __init__(self, dma: DmaSpace, cut: Callable[[int, int, int], None]) -> None:
        self._dma = dma
        self._cut = cut
        self.span_of: dict[int, range] = {}
        self.cuts: deque[_Cut] = deque()
        self._events = 0

    def add(self, address: int, length: int) -> None:
        """A descriptor names ``length`` bytes at ``address``, which reach into another page."""
        pages = range(address >> PAGE_SHIFT, (address + length - 1 >> PAGE_SHIFT) + 1)
        for page in pages:
            self.span_of[page] = pages

    def unmapped(self, page: int) -> None:
        """A page was unmapped."""
        pages = self.span_of.pop(page, None)
        if pages is None:
            return
        others = []
        for other in pages:
            if self.span_of.get(other) is pages:
                del self.span_of[other]
                mapping = self._dma.find(other << PAGE_SHIFT)
                if mapping is not None:
                    others.append(mapping)
        if others:
            self.cuts.append(_Cut(self._events + WINDOW, pages, others))

    def passed(self) -> None:
        """A page was mapped or unmapped."""
        self._events += 1
        while self.cuts and self.cuts[0].due <= self._events:
            _, pages, others = self.cuts.popleft()
            left = sum(self._dma.find(mapping.iova) is mapping for mapping in others)
            if left:
                self._cut(pages[0], len(pages), left)

    def clear(self) -> None:
        """All mappings are gone at once."""
        self.span_of.clear()
