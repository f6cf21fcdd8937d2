# SPDX-License-Identifier: GPL-2.0-only
"""When a UML guest is lost: a kernel that spins says nothing, ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

TURN_PATIENCE = 10
CPU_SHARE = 1 / 3
"""Of the 30 s of a campaign's run that are 10."""


@dataclass
class Watchdog:
    """Judges what is seen of a guest now and then.

    :param patience_s: a guest that owes an answer and does nothing for so long is lost, and so is
        one that is busy all the time but does not answer for TURN_PATIENCE times as long.
    :param busy_s: so is one that has used so many CPU seconds since it last did anything; None if
        only real time counts, of which a busy host gives a guest little.
    :ivar most_busy_s: the most that a guest has used between two things it did.
    """

    patience_s: float
    busy_s: float | None = None
    most_busy_s: float = 0.0
    _seen: object = None
    _since: float = 0.0
    _cpu_since: float = 0.0
    _turn: int = -1
    _turn_since: float = 0.0
    _limit_s: float = 0.0
    _ends_at: float | None = field(default=None)
    _most_cpu_s: float = inf
    _cpu_ends_at: float | None = None

    def allow(self, seconds: float, now: float) -> None:
        """From ``now`` on the guest may be there for so many seconds, whatever it does, and use
        a third as many of CPU time, with the card: a guest that waits for ever in simulated time
        has its driver ask the card for statistics, second after second."""
        self._limit_s, self._ends_at = seconds, now + seconds
        self._most_cpu_s, self._cpu_ends_at = seconds * CPU_SHARE, None

    def look(
        self, now: float, cpu_s: float, seen: object, turns: int, run_s: float | None = None
    ) -> str:
        """Why the guest is lost, or nothing.

        :param now: in seconds of real time; ``cpu_s``: of CPU time, all that it has used.
        :param seen: changes whenever it does anything; None while it owes nothing.
        :param turns: how often it has answered.
        :param run_s: CPU time of guest and card; of the guest alone if that is all there is.
        """
        if seen is None or turns != self._turn:
            self._turn, self._turn_since = turns, now
        if seen is None or seen != self._seen:
            self._seen, self._since, self._cpu_since = seen, now, cpu_s
        busy_s = cpu_s - self._cpu_since
        self.most_busy_s = max(self.most_busy_s, busy_s)
        if self._ends_at is not None and now >= self._ends_at:
            return f"the run takes longer than {self._limit_s:g} s"
        run_s = cpu_s if run_s is None else run_s
        if self._cpu_ends_at is None:
            self._cpu_ends_at = run_s + self._most_cpu_s
        if run_s >= self._cpu_ends_at:
            return f"the run takes longer than {self._most_cpu_s:.3g} s of CPU time"
        if self.busy_s is not None and busy_s > self.busy_s:
            return f"the guest hangs: nothing for {self.busy_s:g} s of CPU time"
        if now - self._since > self.patience_s:
            return f"the guest hangs: nothing for {self.patience_s:.0f} s"
        if now - self._turn_since > self.patience_s * TURN_PATIENCE:
            return "the guest is busy without end, so its time stands still"
        return ""
