# SPDX-License-Identifier: GPL-2.0-only
"""What runs have met that can go wrong, and how often it was made to: for sweeps."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from testbed.fuzz.allocating import Allocates
from testbed.fuzz.corpus import Entry
from testbed.fuzz.features import OPERATION
from testbed.fuzz.shares import SWEEP


@dataclass(frozen=True)
class Shown:
    """What an entry of the corpus has shown that can go wrong: functions covered with what they
    allocate ("bnxt_open slab"), commands sent in its workload, ``points`` that something passed.
    ``operation``: its workload, if that is one whose n-th allocation can fail; ``below``: the
    functions in scope of that operation alone which allocate, by themselves or by others, and
    ``turns``: each with the operation; ``calls``: who allocates for others
    ("request_threaded_irq"), and a function for which it did."""

    entry: Entry
    functions: frozenset[str]
    commands: frozenset[str]
    operation: str = ""
    below: frozenset[str] = frozenset()
    turns: frozenset[str] = frozenset()
    calls: frozenset[tuple[str, str]] = frozenset()
    points: frozenset[str] = frozenset()


class Places:
    """Which allocating functions an edge is in. ``functions``: as
    :func:`testbed.fuzz.allocating.allocating` has them."""

    def __init__(self, functions: Mapping[str, Allocates]) -> None:
        known = sorted(functions.items(), key=lambda one: (one[1].first, one[0]))
        self._starts = [one.first for _, one in known]
        self._ends = [one.end for _, one in known]
        # shared by all entries, of which each has hundreds
        self._names = [name for name, _ in known]
        self._sites = [
            {
                f"{who} {of}" for who, some in ((name, one.of), *one.helpers.items()) for of in some
            }
            for name, one in known
        ]  # fmt: skip
        self._calls = [{(helper, name) for helper in one.helpers} for name, one in known]

    def shown(self, entry: Entry) -> Shown:
        """Of an entry of the corpus: functions, and those that allocate for them."""
        edges = (one[0] for one in entry.features if not isinstance(one, str))
        inside = {at for at in map(self._around, edges) if at >= 0}
        asked = (one.partition("hwrm.request:")[2] for one in entry.events)
        words = (one for one in entry.features if isinstance(one, str))
        label = next((one for one in sorted(words) if one.startswith(OPERATION)), "")
        operation = label.removeprefix(OPERATION)
        below = frozenset(self._names[at] for at in inside) if operation else frozenset()
        return Shown(
            entry, frozenset().union(*(self._sites[at] for at in inside)),
            frozenset(filter(None, asked)), operation, below,
            frozenset(f"{name} {operation}" for name in below),
            frozenset().union(*(self._calls[at] for at in inside)),
            frozenset(point for point, count in entry.events.items() if count),
        )  # fmt: skip

    def _around(self, place: int) -> int:
        at = bisect_right(self._starts, place) - 1
        return at if at >= 0 and place <= self._ends[at] else -1


def counted(made_by: Mapping[str, int]) -> Counter[str]:
    """How often each site was tried, of what made schedules and how many there are; of what has
    several words ("bnxt_open open-nth") also how often the first ones were, whatever the others."""
    tried = Counter[str]()
    for label, count in made_by.items():
        kind, _, names = label.removeprefix(f"{SWEEP}: ").partition(": ")
        for name in names.split(", "):
            for first in accumulate(name.split(" "), "{} {}".format):
                tried[f"{kind}: {first}"] += count
    return tried
