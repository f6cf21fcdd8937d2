# SPDX-License-Identifier: GPL-2.0-only
"""The card's seeded virtual clock: every delay and every random choice is made here."""

from __future__ import annotations

import enum
import heapq
import random
from collections.abc import Callable

from devmodel.budget import Budget

_MIN_SWEEP = 16
_TIMER_UNITS = 20
_NEVER = 1 << 64


class Timing(enum.Enum):
    """When effects of a guest access happen."""

    ASYNCHRONOUS = "asynchronous"
    """Virtual time follows the wall clock; interrupts are moderated; doorbells are posted."""
    SYNCHRONOUS = "synchronous"
    """Virtual time jumps: all effects happen inside the access, before it is answered."""


def _is_busy() -> bool:
    return False


class Timer:
    """A scheduled call; ``cancel()`` is idempotent.

    :ivar period_ns: it is called again and again; 0 for once.
    :ivar is_idle: says of a periodic one that until something else happens its calls do nothing.
    """

    __slots__ = (
        "_call",
        "_cancelled",
        "background",
        "due_ns",
        "is_idle",
        "period_ns",
        "sequence",
    )

    def __init__(
        self,
        due_ns: int,
        sequence: int,
        call: Callable[[], None],
        background: bool,
        cancelled: Callable[[], None],
    ):
        self.period_ns = 0
        self.is_idle = _is_busy
        self._cancelled = cancelled
        self.due_ns = due_ns
        self.sequence = sequence
        self.background = background
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call it."""
        if self._call is not None:
            self._call = None
            self.is_idle = _is_busy  # what it was for may go
            self._cancelled()

    @property
    def active(self) -> bool:
        """True until called or cancelled."""
        return self._call is not None

    def fire(self) -> None:
        """Call it; once, unless it is periodic."""
        call = self._call
        if not self.period_ns:
            self._call = None
        if call is not None:
            call()

    def __lt__(self, other: Timer) -> bool:
        return (self.due_ns, self.sequence) < (other.due_ns, other.sequence)


class Clock:
    """Virtual time in nanoseconds and a seeded random source.

    Background timers (periodic statistics) do not hold up :meth:`settle`.

    :ivar budget: the work of the present entry from outside; everything that has a clock shares it.
    """

    def __init__(self, seed: int, timing: Timing = Timing.ASYNCHRONOUS) -> None:
        self.timing = timing
        self.seed = seed
        self.random = random.Random(seed)
        self.now_ns = 0
        self.budget = Budget()
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

    def call_every(
        self, period_ns: int, call: Callable[[], None], is_idle: Callable[[], bool]
    ) -> Timer:
        """Schedule ``call`` in the background, each time ``period_ns`` after the last.

        Where ``is_idle`` says so, calls are left out, and everything else is as if each had been
        made: a guest whose time leaps by an hour must not cost millions of them.
        """
        timer = self.call_later(period_ns, call, background=True)
        timer.period_ns = period_ns
        timer.is_idle = is_idle
        return timer

    def _fire_next(self) -> bool:
        """Call the first timer. False if it was cancelled."""
        timer = heapq.heappop(self._heap)
        if not timer.active:
            return False
        self.now_ns = max(self.now_ns, timer.due_ns)
        self.budget.left -= _TIMER_UNITS
        timer.fire()
        if timer.period_ns and timer.active:
            self._again(timer, self.now_ns + timer.period_ns)
            heapq.heappush(self._heap, timer)
        return True

    def _again(self, timer: Timer, due_ns: int) -> None:
        self._sequence += 1
        timer.sequence = self._sequence
        timer.due_ns = due_ns

    def _skip_idle(self, end_ns: int) -> bool:
        """Let idle periodic timers jump to the next timer that is not, or ``end_ns``.

        False if the first timer is none of them. Those left where they are when they would have
        been called in an order get the same order.
        """
        first = self._heap[0]
        if not first.period_ns or not first.is_idle():
            return False
        idle = [t for t in self._heap if t.active and t.period_ns and t.is_idle()]
        apart = {id(t) for t in idle}
        others = (t.due_ns for t in self._heap if t.active and id(t) not in apart)
        stop_ns = min(end_ns, min(others, default=_NEVER))
        jumps = []
        for t in idle:
            calls = -((t.due_ns - stop_ns) // t.period_ns)
            if calls > 0:
                last_ns = t.due_ns + (calls - 1) * t.period_ns
                # Of two due at once the one scheduled earlier is first.
                scheduled_ns = last_ns - t.period_ns if calls > 1 else -1
                jumps.append(((last_ns, scheduled_ns, calls, t.sequence), t))
        for (last_ns, *_), t in sorted(jumps, key=lambda jump: jump[0]):
            self._again(t, last_ns + t.period_ns)
        heapq.heapify(self._heap)
        return bool(jumps)

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
        """Move to ``now_ns`` and fire what is due, in order.

        With asynchronous timing as much as the budget allows, at least one: time lags behind then.
        """
        while True:
            due = self.next_due_ns()
            if due is None or due > now_ns:
                break
            if not self._skip_idle(now_ns + 1):
                self._fire_next()
            if self.budget.left <= 0:
                if self.timing is Timing.ASYNCHRONOUS:
                    return
                self.budget.pause()
        self.now_ns = max(self.now_ns, now_ns)

    def settle(self, limit: int = 100_000) -> int:
        """Synchronous timing: fire every foreground timer, jumping in time. Returns how many.

        Background timers that fall due on the way fire too. At most ``limit`` calls, so that two
        timers that re-arm each other cannot hang the card.
        """
        fired = 0
        while fired < limit and any(t.active and not t.background for t in self._heap):
            if not self._skip_idle(_NEVER):
                fired += self._fire_next()
            self.budget.pause()
        return fired
