# SPDX-License-Identifier: GPL-2.0-only
"""Tests too many for one run are run in parts: ``K/N`` is every N-th, from the K-th."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

TODAY = "today"
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One of ``of`` parts; ``number`` is 0 for the first. All of them together are everything."""

    number: int
    of: int

    def of_all(self, everything: Sequence[T]) -> list[T]:
        """What belongs to this part, in its order."""
        return list(everything[self.number :: self.of])

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def _utc_day() -> date:
    return datetime.now(UTC).date()


def parse_part(text: str, *, day: Callable[[], date] = _utc_day) -> Part:
    """``K/N``, or ``today/N``: each day (UTC) another one, so that N days in a row have them all.

    Raises argparse.ArgumentTypeError.
    """
    number, _, of = text.partition("/")
    try:
        parts = int(of)
        part = Part(day().toordinal() % parts if number == TODAY else int(number), parts)
    except (ValueError, ZeroDivisionError):
        part = Part(-1, 0)
    if not 0 <= part.number < part.of:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no part; allowed: K/N with 0 <= K < N, {TODAY}/N"
        )
    return part
