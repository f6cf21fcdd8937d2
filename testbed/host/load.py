# SPDX-License-Identifier: GPL-2.0-only
"""How busy this host is, and what its hypervisor takes (proc(5): loadavg, stat)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_STEAL = 7  # of the numbers behind "cpu": user nice system idle iowait irq softirq steal
_COUNTED = 8  # what comes behind them is part of user and nice


@dataclass(frozen=True)
class Load:
    """The load average of the last minute, and ticks of all CPUs since boot."""

    average: float
    stolen: int
    ticks: int

    @classmethod
    def now(cls, proc: Path = PROC) -> Load:
        """As it is at this moment."""
        numbers = [int(word) for word in (proc / "stat").read_text().splitlines()[0].split()[1:]]
        average = float((proc / "loadavg").read_text().split()[0])
        return cls(average, numbers[_STEAL], sum(numbers[:_COUNTED]))


@dataclass(frozen=True)
class LoadSeen:
    """The load before a measurement and after it, on ``cpus`` CPUs."""

    before: Load
    after: Load
    cpus: int

    @classmethod
    def since(cls, before: Load) -> LoadSeen:
        """From then until now."""
        return cls(before, Load.now(), os.cpu_count() or 1)

    @property
    def steal(self) -> float:
        """The part of all CPU time that the hypervisor gave to others."""
        passed = self.after.ticks - self.before.ticks
        return (self.after.stolen - self.before.stolen) / passed if passed else 0.0

    def document(self) -> dict[str, float | int]:
        """For programs."""
        return {
            "before": self.before.average, "after": self.after.average,
            "stolen": round(self.steal, 4), "cpus": self.cpus,
        }  # fmt: skip

    def __str__(self) -> str:
        return (
            f"load average {self.before.average:.1f} before, {self.after.average:.1f} after, "
            f"{self.steal:.1%} stolen, {self.cpus} CPUs"
        )
