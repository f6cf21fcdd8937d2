# SPDX-License-Identifier: GPL-2.0-only
"""Who is next in a guided search: a seed, a mutation of the corpus, one thing that goes wrong in
its turn, or a schedule drawn blindly.

Each gets runs as it brings something: a share after the new features that its last runs showed for
a second of CPU time, and never less than LEAST, since what brings nothing now may do so later, and
a bug need not show new edges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

SEED, MUTATION, SWEEP, DRAWN = "seed", "mutation", "sweep", "blind"
LAST = 16
"""Runs of each that count."""
LEAST: Mapping[str, float] = {SEED: 0.1, MUTATION: 0.1, SWEEP: 0.5, DRAWN: 0.1}
"""Of all runs, for each that there is; of sweeps and what is made up otherwise, of those that are
no seed."""
_NOTHING = 0.5
"""Features that a run counts for that shows none."""


class Shares:
    """What the last runs of each kind brought; of none so far, as much as the best of the others.

    A campaign that goes on begins anew: its yields are not those of its first runs.
    """

    def __init__(self) -> None:
        self._last: Mapping[str, deque[tuple[int, float]]] = {
            kind: deque(maxlen=LAST) for kind in LEAST
        }

    def took(self, kind: str, features: int, cpu_s: float) -> None:
        """A run of that kind has shown so many new features."""
        self._last[kind].append((features, cpu_s))

    def of(self, kinds: Sequence[str]) -> list[float]:
        """The share of each of those there are; their sum is 1."""
        yields = [self._yield(kind) for kind in kinds]
        best = max((one for one in yields if one is not None), default=1.0)
        weights = [best if one is None else one for one in yields]
        least = [LEAST[kind] for kind in kinds]
        left = 1.0 - sum(least)
        return [few + left * one / sum(weights) for few, one in zip(least, weights, strict=True)]

    def _yield(self, kind: str) -> float | None:
        last = self._last[kind]
        if not last:
            return None
        features = sum(max(_NOTHING, count) for count, _ in last)
        return features / max(0.01, sum(cpu_s for _, cpu_s in last))
