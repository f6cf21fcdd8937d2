# SPDX-License-Identifier: GPL-2.0-only
"""What a card did last that is too frequent for the trace: doorbells, DMA, interrupts.

A flight recorder: it keeps the last of it, and tells when it is asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

_NAMES = {
    "doorbell": ("type", "ring_id", "index"),
    "dma": ("access", "purpose", "ring", "ring_id", "iova", "length"),
    "interrupt": ("vector",),
}
"""What the values of each kind are."""


class Activity:
    """The last ``KEPT`` doings of a card, with the time of each.

    :param now: nanoseconds on the card's clock.
    :ivar kept: of each its time, its function, its kind and what :meth:`note` was told.
    """

    KEPT = 20_000

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.function = ""
        self.kept: deque[tuple[int, str, str, tuple[int | str, ...]]] = deque(maxlen=self.KEPT)

    def note(self, kind: str, *values: int | str) -> None:
        """It happened now; ``values`` are what :data:`_NAMES` has of the kind."""
        self.kept.append((self.now(), self.function, kind, values))

    def of_function(self, name: str) -> Activity:
        """The same, in which one of several functions signs what it does."""
        view = Activity(self.now)
        view.function, view.kept = name, self.kept
        return view

    def take(self) -> list[tuple[int, str, dict[str, Any]]]:
        """(time, kind, fields) of what is kept, oldest first; nothing is kept then."""
        kept = list(self.kept)
        self.kept.clear()
        told: list[tuple[int, str, dict[str, Any]]] = []
        for time, function, kind, values in kept:
            fields: dict[str, Any] = {"function": function} if function else {}
            told.append((time, kind, fields | dict(zip(_NAMES[kind], values, strict=True))))
        return told
