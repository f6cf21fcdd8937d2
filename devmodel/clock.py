# SPDX-License-Identifier: GPL-2.0-only
"""The card's seeded virtual clock: every delay and every random choice is made here."""

from __future__ import annotations

import enum
import heapq
import random
from collections.abc import Callable

_MIN_SWEEP = 16


class Timing(enum.Enum):
    """When effects of a guest access happen."""

    ASYNCHRONOUS = "asynchronous"
    """Virtual time follows the wall clock; interrupts are moderated; doorbells are posted."""
    SYNCHRONOUS = "synchronous"
    """Virtual time jumps: all effects happen inside the access, before it is answered."""


class Timer:
    """A scheduled call; ``cancel()`` is idempotent."""

    __slots__ = ("_call", "_cancelled", "background", "due_ns", "sequence")

    def __init__(
        self,
        due_ns: int,
        sequence: int,
        call: Callable[[], None],
        background: bool,
        cancelled: Callable[[], None],
    ):
        self._cancelled = cancelled
        self.due_ns = due_ns
        self.sequence = sequence
        self.background = background
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call it."""
        if self._call is not None:
            self._call = None
            self._cancelled()

    @property
    def active(self) -> bool:
        """True until called or cancelled."""
        return self._call is not None

    def fire(self) -> None:
        """Call it once."""
        call, self._call = self._call, None
        if call is not None:
            call()

    def __lt__(self, other: Timer) -> bool:
        return (self.due_ns, self.sequence) < (other.due_ns, other.sequence)


class Clock:
    """Virtual time in nanoseconds and a seeded random source.

    Background timers (periodic statistics) do not hold up :meth:`settle`.
    """

    def __init__(self, seed: int, timing: Timing = Timing.ASYNCHRONOUS) -> None:
        self.timing = timing
        self.seed = seed
        self.random = random.Random(seed)
        self.now_ns = 0
        self._heap: list[Timer] = []
        self._cancelled = 0
        self._sequence = 0

    def call_later(
        self, delay_ns: int, call: Callable[[], None], *, background: bool = False
    ) -> Timer:
        """Schedule ``call`` ``delay_ns`` after the present virtual time."""
        self._sequence += 1
        due_ns = self.now_ns + max(delay_ns, 0)
        timer = Timer(due_ns, self._sequence, call, background, self._sweep)
        heapq.heappush(self._heap, timer)
        return timer

    def _sweep(self) -> None:
        """A timer was cancelled: those that are far off must not pile up until they are due."""
        self._cancelled += 1
        if self._cancelled > max(_MIN_SWEEP, len(self._heap) // 2):
            self._heap = [timer for timer in self._heap if timer.active]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_due_ns(self) -> int | None:
        """Virtual time of the next timer, or None."""
        while self._heap and not self._heap[0].active:
            heapq.heappop(self._heap)
        return self._heap[0].due_ns if self._heap else None

    def advance_to(self, now_ns: int) -> None:
        """Asynchronous timing: move to ``now_ns`` and fire what is due, in order."""
        while True:
            due = self.next_due_ns()
            if due is None or due > now_ns:
                break
            timer = heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, timer.due_ns)
            timer.fire()
        self.now_ns = max(self.now_ns, now_ns)

    def settle(self, limit: int = 100_000) -> int:
        """Synchronous timing: fire every foreground timer, jumping in time. Returns how many.

        Background timers that fall due on the way fire too. At most ``limit`` calls, so that two
        timers that re-arm each other cannot hang the card.
        """
        fired = 0
        while fired < limit and any(t.active and not t.background for t in self._heap):
            timer = heapq.heappop(self._heap)
            if not timer.active:
                continue
            self.now_ns = max(self.now_ns, timer.due_ns)
            timer.fire()
            fired += 1
        return fired
