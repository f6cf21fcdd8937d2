# SPDX-License-Identifier: GPL-2.0-only
"""A against B: what each path costs on both, and whether the difference means anything. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.bench.page_pool import BASELINE, PathCost

SAME = 0.005
"""A and A differ by less than this part; what differs by more is a difference."""


@dataclass(frozen=True)
class Comparison:
    """One path on both sides; instructions per page without those of the loop around it."""

    name: str
    a: float
    b: float
    spread: float

    @property
    def difference(self) -> float:
        """By what part of A does B take more (less if negative)."""
        return (self.b - self.a) / self.a

    @property
    def differs(self) -> bool:
        """More than the measurement can make out of one and the same kernel."""
        return abs(self.difference) > max(SAME, self.spread)


def compare(a: Mapping[str, PathCost], b: Mapping[str, PathCost]) -> list[Comparison]:
    """Every path but the empty loop, whose cost is taken off."""
    return [
        Comparison(
            name, a[name].floor - a[BASELINE].floor, b[name].floor - b[BASELINE].floor,
            max(a[name].spread, b[name].spread),
        )
        for name in a
        if name != BASELINE
    ]  # fmt: skip


def lines(names: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    """A table for a terminal."""
    first, second = names
    found = [f"A = {first}", f"B = {second}", "instructions per page"]
    found.append(f"{'path':12} {'A':>10} {'B':>10} {'B - A':>9} {'':>8} {'spread':>7}")
    for one in comparisons:
        verdict = "differs" if one.differs else "same"
        found.append(
            f"{one.name:12} {one.a:10.2f} {one.b:10.2f} {one.b - one.a:+9.2f} "
            f"{one.difference:+8.2%} {one.spread:7.2%}  {verdict}"
        )
    return found


def document(names: Sequence[str], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The same for a program."""
    return {
        "kernels": list(names),
        "unit": "guest instructions per page",
        "paths": {
            one.name: {
                "a": round(one.a, 4), "b": round(one.b, 4), "spread": round(one.spread, 6),
                "difference": round(one.difference, 6), "differs": one.differs,
            }
            for one in comparisons
        },
    }  # fmt: skip
