# SPDX-License-Identifier: GPL-2.0-only
"""What a bench has found, as a table in Markdown, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from testbed.fuzz.bench import MODES, Trial, rows, share

_95_PERCENT = 1.96
"""Standard deviations on either side of the mean of a normal distribution."""


def interval(found: int, tried: int) -> tuple[float, float]:
    """The share that is found in truth lies there with 95 %: Wilson's score interval.

    ``tried`` is at least 1. Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209.
    """
    z2 = _95_PERCENT**2
    middle = (found + z2 / 2) / (tried + z2)
    spread = found * (tried - found) / tried + z2 / 4
    half = _95_PERCENT * math.sqrt(spread) / (tried + z2)
    return max(0.0, middle - half), min(1.0, middle + half)


def lines(trials: Sequence[Trial]) -> Iterator[str]:
    """A row for each bug and search, then how many trials found their bug."""
    yield "| bug | search | found | seconds | CPU s | runs | faults | signatures | first | load |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in rows(trials):
        of_it = [one for one in trials if (one.bug, one.mode) == (row.bug, row.mode)]
        first = min((one for one in of_it if one.found), key=_seconds, default=None)
        cells = [
            row.bug, row.mode, f"{row.found} of {row.trials}", _cell(of_it, _seconds),
            _cell(of_it, lambda one: one.cpu_s), _cell(of_it, lambda one: float(one.runs)),
            _cell(of_it, lambda one: float(one.faults)) if first else "-",
            f"{row.signatures:g}" if row.signatures is not None else "-",
            f"`{_plain(first.signature)}`" if first else "-",
            f"{max(one.load for one in of_it):.0f}",
        ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    yield ""
    for mode in MODES:
        found, tried = share(trials, mode)
        if tried:
            low, high = interval(found, tried)
            yield (
                f"{mode}: {found} of {tried} trials found their bug: "
                f"{found / tried:.0%} (95 %: {low:.0%} to {high:.0%})"
            )


def _seconds(trial: Trial) -> float:
    return trial.seconds


def _cell(trials: Sequence[Trial], value: Callable[[Trial], float]) -> str:
    """The median of those that found it, and the range; else how much was done in vain."""
    values = sorted(value(one) for one in trials if one.found)
    if not values:
        return f"over {max(value(one) for one in trials):.0f}"
    middle = f"{median(values):.0f}"
    return middle if len(values) == 1 else f"{middle} ({values[0]:.0f}-{values[-1]:.0f})"


def _plain(text: str) -> str:
    """What a cell can hold: a guest has said it."""
    return text.replace("`", "'").replace("|", "/").replace("\n", " ")
