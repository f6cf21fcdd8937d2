# SPDX-License-Identifier: GPL-2.0-only
"""Who is next in a guided search: a seed, a mutation of the corpus, or a schedule drawn blindly.

Each gets runs as it brings something: a share after the new features that its last runs showed for
a second of CPU time, and never less than LEAST, since what brings nothing now may do so later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

SEED, MUTATION, DRAWN = "seed", "mutation", "blind"
LAST = 16
"""Runs of each that count."""
LEAST = 0.1
"""Of all runs, for each that there is."""
_NOTHING = 0.5
"""Features that a run counts for that shows none."""


class Shares:
    """What the last runs of each kind brought; of none so far, as much as the best of the others.

    A campaign that goes on begins anew: its yields are not those of its first runs.
    """

    def __init__(self) -> None:
        self._last: Mapping[str, deque[tuple[int, float]]] = {
            kind: deque(maxlen=LAST) for kind in (SEED, MUTATION, DRAWN)
        }

    def took(self, kind: str, features: int, cpu_s: float) -> None:
        """A run of that kind has shown so many new features."""
        self._last[kind].append((features, cpu_s))

    def of(self, kinds: Sequence[str]) -> list[float]:
        """The share of each of those there are; their sum is 1."""
        yields = [self._yield(kind) for kind in kinds]
        best = max((one for one in yields if one is not None), default=1.0)
        weights = [best if one is None else one for one in yields]
        left = 1.0 - LEAST * len(kinds)
        return [LEAST + left * one / sum(weights) for one in weights]

    def _yield(self, kind: str) -> float | None:
        last = self._last[kind]
        if not last:
            return None
        features = sum(max(_NOTHING, count) for count, _ in last)
        return features / max(0.01, sum(cpu_s for _, cpu_s in last))
