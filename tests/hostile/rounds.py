# SPDX-License-Identifier: GPL-2.0-only
"""One round in the card's own process, and the account of a campaign."""

from __future__ import annotations

import gc
import resource
import time
from random import Random

from devmodel.clock import Timing
from tests.hostile.acts import Acts
from tests.unit.devmodel.hostile.guarded import CARDS, GuardedHost

ACTS = 2000
"""Of one round: then another card."""
LONGEST_S = 1.0
"""CPU time between two looks at the control channel, with what guarding costs."""
_EVERY_S = 30.0


class Report:
    """What was done, and the worst that was seen.

    :ivar operations: acts or messages.
    :ivar longest_s: CPU time of the card, or time until it answered.
    """

    def __init__(self, what: str) -> None:
        self.operations = 0
        self.longest_s = 0.0
        self.longest_in = -1
        self.ends: dict[int, int] = {}
        self._what = what
        self._began_s = self._told_s = time.monotonic()

    def took(self, seconds: float, number: int) -> None:
        """One stretch of work, or one answer, in this round."""
        if seconds > self.longest_s:
            self.longest_s, self.longest_in = seconds, number

    def is_due(self) -> bool:
        """It is time for a line."""
        now_s = time.monotonic()
        due = now_s - self._told_s > _EVERY_S
        if due:
            self._told_s = now_s
        return due

    def line(self, number: int) -> str:
        """The account so far."""
        minutes = (time.monotonic() - self._began_s) / 60
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        longest = f"{self.longest_s * 1000:.0f} ms (round {self.longest_in})"
        ends = "".join(f", {n} ended with {code}" for code, n in sorted(self.ends.items()))
        return (
            f"{self._what}: {self.operations} operations in {minutes:.1f} min, longest {longest},"
            f" {rss} MiB; next round {number}{ends}"
        )


class CardRound:
    """One card, from an open queue to whatever the guest makes of it."""

    @staticmethod
    def play(seed: int, number: int, report: Report) -> None:
        """Raises what the card raised, or AssertionError."""
        # Looking for garbage among the objects of tests is no work of this card.
        gc.collect()
        gc.freeze()
        random = Random(f"{seed} {number}")
        host = GuardedHost(random.choice(list(Timing)), random.choice(CARDS))
        acts = Acts(host, random)
        looked_s = time.thread_time()

        def look() -> None:
            nonlocal looked_s
            now_s = time.thread_time()
            report.took(now_s - looked_s, number)
            looked_s = now_s

        host.meter.looked = look
        for _ in range(ACTS):
            looked_s = time.thread_time()
            acts.one()
        report.operations += ACTS
        host.check_bounds()
        assert report.longest_s < LONGEST_S, f"{report.longest_s:.2f} s without a look"
