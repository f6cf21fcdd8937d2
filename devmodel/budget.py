# SPDX-License-Identifier: GPL-2.0-only
"""How much the card does before it looks at its control channel again.

The guest decides how much work a doorbell, a frame or a leap of time is; the runner must be
answered meanwhile. So work is counted, in units of about a microsecond of CPU time, never in time:
what is spent is the same in every run. Whoever has spent the slice

- leaves the rest to the next turn of the loop, with asynchronous timing, where it can;
- else pauses where it stands. The guest sees nothing of a pause: with synchronous timing the same
  events follow in the same order.
"""

from __future__ import annotations

from collections.abc import Callable

SLICE = 20_000


class EntryEnded(BaseException):
    """The card is to quit or to be replaced: what it was doing has no effect any more."""


class Budget:
    """What is left of the slice.

    :ivar left: units; whoever works subtracts. May become negative by one indivisible step.
    :ivar waited_s: seconds spent waiting for the client's replies since the entry began.
    :ivar look_up: answers control requests. Called with False if only those may be answered that
        do not touch the card. Raises EntryEnded.
    """

    __slots__ = ("_is_paused", "left", "look_up", "waited_s")

    def __init__(self) -> None:
        self.left = SLICE
        self.waited_s = 0.0
        self.look_up: Callable[[bool], None] = lambda is_whole: None
        self._is_paused = False

    def begin(self) -> None:
        """The loop has looked at everything."""
        self.left = SLICE
        self.waited_s = 0.0

    def pause(self, *, is_whole: bool = True) -> None:
        """If the slice is spent, answer control requests, and go on with another.

        :param is_whole: the caller and all above it have left the card's state whole.
        """
        if self.left <= 0:
            self.wait(is_whole=is_whole)
            self.left = SLICE

    def wait(self, *, is_whole: bool = False) -> None:
        """Answer control requests now; nothing within a pause pauses again."""
        if not self._is_paused:
            self._is_paused = True
            try:
                self.look_up(is_whole)
            finally:
                self._is_paused = False
