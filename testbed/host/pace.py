# SPDX-License-Identifier: GPL-2.0-only
"""How much slower than usual a guest is: by it every time-out is stretched."""

from __future__ import annotations

from collections import deque
from statistics import median

ANSWERS = 9
"""Of so many answers of the guest the median counts: neither one slow one nor an old one does."""
USUAL_ANSWER_S = 0.05
"""What QEMU's guest agent takes to start a program under TCG, on a host with other work to do."""


class Pace:
    """Fed by whoever sees the guest work; asked by whoever waits for it.

    :ivar patience: 1 or more: how many times longer than usual to wait. Never less than the boot
        showed, and more while the guest is slower than that.
    """

    def __init__(self, patience: float = 1.0) -> None:
        self._boot = max(1.0, patience)
        self._answers: deque[float] = deque(maxlen=ANSWERS)

    @property
    def patience(self) -> float:
        """See the class."""
        if len(self._answers) < ANSWERS:
            return self._boot
        return max(self._boot, median(self._answers) / USUAL_ANSWER_S)

    def booted(self, seconds: float, usual_s: float) -> None:
        """The guest took ``seconds`` to boot instead of ``usual_s``. Answers so far are void."""
        self._boot = max(1.0, seconds / usual_s)
        self._answers.clear()

    def answered(self, seconds: float) -> None:
        """The guest took ``seconds`` to start a program."""
        self._answers.append(seconds)
