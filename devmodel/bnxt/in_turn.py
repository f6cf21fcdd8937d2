# SPDX-License-Identifier: GPL-2.0-only
"""Work of one part of the card, one piece behind the other.

On a card frames and doorbells that come while it is at work wait. Here they come in the midst of
the work only if a fault lets them: an effect that was held until the card's own DMA.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from devmodel.faults.engine import MAX_NESTED, FaultEngine


class InTurn:
    """Does what it is given, or does it behind what it is at; what was to blame then still is.

    What comes of work that came of work, and so on, is not done after ``MAX_NESTED`` such steps,
    which is on record: it may be without end.
    """

    __slots__ = ("_behind", "_faults", "_is_busy", "_step")

    def __init__(self, faults: FaultEngine) -> None:
        self._faults = faults
        self._is_busy = False
        self._step = 0
        self._behind: deque[tuple[int, str, Callable[[], None]]] = deque()

    @property
    def is_busy(self) -> bool:
        """Something is being done, so that what comes now comes behind it."""
        return self._is_busy

    def do(self, work: Callable[[], None]) -> None:
        """Now, or as soon as what is being done has ended. Raises what ``work`` raises, but for
        DmaFault where a fault is to blame."""
        if self._is_busy:
            self._do_later(work)
            return
        self._is_busy = True
        try:
            work()
            while self._behind:
                self._step, cause, late = self._behind.popleft()
                if cause:
                    self._faults.on_behalf(cause, late, None)
                else:
                    late()
        finally:
            self._is_busy, self._step = False, 0

    def _do_later(self, work: Callable[[], None]) -> None:
        if self._step < MAX_NESTED:
            self._behind.append((self._step + 1, self._faults.cause, work))
        else:
            self._faults.leave_out(self._faults.cause, f"more than {MAX_NESTED} steps")

    def forget(self) -> None:
        """What waits is not done."""
        self._behind.clear()
