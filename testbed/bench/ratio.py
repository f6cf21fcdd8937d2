# SPDX-License-Identifier: GPL-2.0-only
"""The median of paired ratios, how sure it is, and when it is not worth saying. Pure.

The interval is that of the sign test: it lies between two of the measured values and assumes
nothing but that rounds are independent (Conover, "Practical Nonparametric Statistics", 3.1-3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, inf, nan
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
            return cls(median(ranked), -inf, inf, len(ranked))
        return cls(median(ranked), ranked[left_out], ranked[-1 - left_out], len(ranked))

    @property
    def width(self) -> float:
        """The interval as a part of the median."""
        return (self.high - self.low) / abs(self.median)

    def why_useless(self, widest: float) -> str:
        """Why the median is not worth saying, in a few words; empty if it is."""
        if self.count < FEWEST_ROUNDS:
            return f"{self.count} rounds"
        if self.median != self.median:
            return "less than nothing"
        return f"interval {self.width:.0%} wide" if self.width > widest else ""

    def told(self, widest: float) -> str:
        """For tables: "0.87, 0.85..0.90 worse", or "cannot tell" and why; of a wide interval which
        side of 1 it is on, if it is on one."""
        if why := self.why_useless(widest):
            return f"cannot tell: {why}" if self.is_open else f"{self.word}: {why}"
        return f"{self.median:.2f}, {self.low:.2f}..{self.high:.2f} {self.word}"

    def document(self, widest: float) -> dict[str, float | str]:
        """For programs; ``why`` and no number if it is not worth saying."""
        if why := self.why_useless(widest):
            return {"why": why} if self.is_open else {"why": why, "is": self.word}
        return {
            "median": round(self.median, 4), "low": round(self.low, 4),
            "high": round(self.high, 4), "is": self.word,
        }  # fmt: skip

    @property
    def is_open(self) -> bool:
        """Whether not even the side of 1 is known; there may be no interval at all."""
        return not (self.low > 1 or self.high < 1)

    @property
    def word(self) -> str:
        """What the interval says of a ratio whose being more than 1 is good."""
        if self.low > 1:
            return "better"
        return "worse" if self.high < 1 else "like"


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """``ours`` by ``theirs``, each of the same round.

    No ratio can be told if one of them is not above 0: of a time from which another was subtracted.
    """
    if min(*ours, *theirs) <= 0:
        return Estimate(nan, -inf, inf, len(ours))
    return Estimate.of([one / other for one, other in zip(ours, theirs, strict=True)])


def summary(estimates: Sequence[Estimate], widest: float) -> str:
    """How many of them cannot be told, and what helps; empty if all can."""
    useless = sum(bool(one.why_useless(widest)) for one in estimates)
    if not useless:
        return ""
    return (
        f"{useless} of {len(estimates)} ratios cannot be told: the interval is wider than "
        f"{widest:.0%} of the ratio, or there are fewer than {FEWEST_ROUNDS} rounds. "
        "More rounds or longer streams help, or a host with less to do."
    )


def _left_out(count: int) -> int | None:
    """How many values at each end are outside the interval; None if there is no interval."""
    outside, found = 0.0, None
    for left_out in range(count // 2):
        outside += 2 * comb(count, left_out) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        found = left_out
    return found
