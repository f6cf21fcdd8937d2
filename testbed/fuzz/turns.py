# SPDX-License-Identifier: GPL-2.0-only
"""The turns of an operation of which one allocation after the other fails below a function."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from testbed.fuzz.generate import NAMED_CARDS
from testbed.fuzz.schedule import FAIL_NTH, Companion

ATTEMPTS = 25
"""Of an operation in one run, if its allocations below a function are so many. A guest starts for
each run: of `bind-nth` 25 attempts take 1.2 CPU seconds, 10 took 0.9 (2026-11-29)."""
BEHIND = (1, 50)
"""So many behind it fail as well in every other turn: where one fails another may take its place,
as in xa_alloc(), and what cleans up may need memory, too."""
_LAST = 0
_FIRST = (1, _LAST, 26, 4, 51, 2, 7, 76, 3, 101, 14, 126)
"""Which allocation of a function fails first in its first turn, in its third, ...: the last ones,
those behind, and those behind one at which the guest has crashed."""
_FIRST_OF_SEVERAL = (_LAST, 1, *_FIRST[2:])
"""The same in its second, its fourth, ...: what is behind the point of no return may ask twice."""


def turn(
    random: Random, function: str, often: int, turns: int
) -> tuple[Companion, Mapping[str, Any]]:
    """What fails in the next turn, and on which card: nothing is the plain one. In every third
    turn it is another, on which the driver goes other ways in the same functions, as the compiler
    puts those that are called once into their callers.

    :param often: so many turns of the function have been of this operation,
    :param turns: so many of any.
    """
    behind = random.choice(BEHIND) if turns % 2 else 0
    ordered = _FIRST_OF_SEVERAL if behind else _FIRST
    first = ordered[(often if behind else often + 1) // 2 % len(ordered)]
    fails = Companion(kind=FAIL_NTH, within=function, every=first, times=ATTEMPTS, behind=behind)
    return fails, random.choice(NAMED_CARDS) if turns % 3 == 2 else {}
