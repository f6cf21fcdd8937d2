# SPDX-License-Identifier: GPL-2.0-only
"""Memory of many pages that is mapped a second time: a dma-buf or a user's area bound twice.

``dma_map_sgtable()`` maps such memory as one range, and an emulated IOMMU tells of its pages in
order. A page that was freed too early and used again comes alone, or its neighbour at the one
address is not its neighbour at the other.
"""

from __future__ import annotations

from collections.abc import Collection


class Imports:
    """Follows maps whose memory is mapped elsewhere too. Pages are addresses / 4096.

    :ivar first: the pages of the first such map of the present run.
    """

    def __init__(self) -> None:
        self.first: tuple[int, ...] = ()
        self._last = 0
        self._others: frozenset[int] = frozenset()

    def begin(self, page: int, others: Collection[int]) -> None:
        """``page`` is mapped; its memory is mapped at ``others``, too."""
        self.first = (page, *others)
        self._last, self._others = page, frozenset(others)

    def goes_on(self, page: int, others: Collection[int]) -> bool:
        """Whether this map is the next page of what the last one began, at both addresses."""
        if page != self._last + 1 or not self._others:
            return False
        others = self._others & {other - 1 for other in others}
        if not others:
            return False
        self._last, self._others = page, frozenset(other + 1 for other in others)
        return True

    def end(self) -> None:
        """Something else happened."""
        self.first, self._others = (), frozenset()
