# SPDX-License-Identifier: GPL-2.0-only
"""The median of paired ratios, how sure it is, and when it is not worth saying. Pure.

The interval is that of the sign test: it lies between two of the measured values and assumes
nothing but that rounds are independent (Conover, "Practical Nonparametric Statistics", 3.1-3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

CONFIDENCE = 0.95
FEWEST_ROUNDS = 6
"""Of fewer values not even the whole range is an interval of CONFIDENCE."""


@dataclass(frozen=True)
class Estimate:
    """A median and its interval of CONFIDENCE; infinite where there are too few values."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Of at least one value."""
        ranked = sorted(values)
        left_out = _left_out(len(ranked))
        if left_out is None:
            return cls(median(ranked), float("-inf"), float("inf"), len(ranked))
        return cls(median(ranked), ranked[left_out], ranked[-1 - left_out], len(ranked))

    @property
    def width(self) -> float:
        """The interval as a part of the median."""
        return (self.high - self.low) / abs(self.median)

    def why_useless(self, widest: float) -> str:
        """Why the median is not worth saying; empty if it is."""
        if self.count < FEWEST_ROUNDS:
            return f"{self.count} rounds are too few: {FEWEST_ROUNDS} or more"
        if self.width > widest:
            return f"the interval is {self.width:.0%} wide, useful is {widest:.0%}"
        return ""

    @property
    def word(self) -> str:
        """What the interval says of a ratio whose being more than 1 is good."""
        if self.low > 1:
            return "better"
        return "worse" if self.high < 1 else "like"


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """``ours`` by ``theirs``, each of the same round."""
    return Estimate.of([one / other for one, other in zip(ours, theirs, strict=True)])


def _left_out(count: int) -> int | None:
    """How many values at each end are outside the interval; None if there is no interval."""
    outside, found = 0.0, None
    for left_out in range(count // 2):
        outside += 2 * comb(count, left_out) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        found = left_out
    return found
