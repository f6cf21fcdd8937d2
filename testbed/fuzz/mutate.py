# SPDX-License-Identifier: GPL-2.0-only
"""Mutations that know what a schedule is made of, each with a name and a weight.

What is changed within one fault is in :mod:`testbed.fuzz.edit`; whole classes of bugs that scripted
tests miss have mutations of their own in :mod:`testbed.fuzz.classes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

from testbed.fuzz import classes, edit
from testbed.fuzz.generate import (
    CPU_S,
    CPU_S_ELSE,
    PERSONALITIES,
    Draws,
    Environment,
    able,
    canonical,
)
from testbed.fuzz.grammar import Fault, numbered
from testbed.fuzz.schedule import Companion, Packet, Schedule
from testbed.fuzz.wild import is_wild

MOST_KEPT = 24
"""Faults of a child; companions and packets are fewer."""
WEIGHTS: Mapping[str, int] = {
    "add": 10, "drop": 4, "move": 12, "retarget": 7, "value": 12, "action": 6, "defer": 3,
    "repeat": 4, "combine": 8, "cross over": 6, "workload": 6, "personality": 3, "companion": 4,
    "packet": 3, "seed": 1, **classes.WEIGHTS,
}  # fmt: skip
_ROUNDS = (1, 1, 1, 2, 2, 3)
"""How many mutations make a child."""
_TRIES = 40


class Mutator(Draws):
    """Makes children of schedules.

    :param pool: schedules of which "combine" takes faults, if no other parent is given.
    """

    def __init__(
        self, random: Random, environment: Environment, pool: Sequence[Schedule] = ()
    ) -> None:
        super().__init__(random, environment)
        self.pool = pool

    def mutate(
        self, parent: Schedule, other: Schedule | None, seen: Mapping[str, int]
    ) -> tuple[Schedule, str]:
        """A child that is not its parent, and the names of the mutations that made it.

        :param other: a second parent, for combining and crossing over.
        :param seen: injection point -> how many events passed in the parent's run, from which
            ordinals are drawn; empty if it was not run.
        """
        child, names = parent, list[str]()
        wanted = self.random.choice(_ROUNDS)
        for _ in range(_TRIES):
            if len(names) == wanted:
                break
            (name,) = self.random.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))
            drawn = self.apply(name, child, other, seen)
            if drawn is not None:
                child, names = drawn, [*names, name]
        if child.name == parent.name:
            return self._reseeded(parent), "seed"
        return child, " + ".join(names)

    def apply(
        self, name: str, parent: Schedule, other: Schedule | None, seen: Mapping[str, int]
    ) -> Schedule | None:
        """The child by one mutation of :data:`WEIGHTS`; None if it is none, or no other."""
        drawn = self._drawn(name, parent, other, seen)
        if drawn is None:
            return None
        kept = [one for one in drawn.faults if self.environment.wild or not is_wild(one)]
        child = canonical(able(replace(drawn, faults=numbered(kept[:MOST_KEPT]))))
        return None if child.name == parent.name else child

    def _drawn(
        self, name: str, parent: Schedule, other: Schedule | None, seen: Mapping[str, int]
    ) -> Schedule | None:
        faults: list[Fault] = deepcopy([dict(one) for one in parent.faults])
        if name in edit.EDITS:
            if not faults or not (edited := edit.edited(self, name, faults, seen)):
                return None
            return replace(parent, faults=tuple(edited))
        if name in classes.WEIGHTS:
            return classes.drawn(self, name, parent, seen)
        if name == "add":
            return replace(parent, faults=(*faults, self.grammar.fault(seen, self.point(seen))))
        if name == "combine":
            return self._combined(parent, other)
        if name == "cross over":
            return self._crossed(parent, other)
        return self._around(name, parent)

    def _combined(self, parent: Schedule, other: Schedule | None) -> Schedule | None:
        """One fault of another schedule, or all of them."""
        other = other or (self.random.choice(self.pool) if self.pool else None)
        if other is None or not other.faults:
            return None
        one = self.random.choice(other.faults)
        more = other.faults if self.random.random() < 0.5 else (one,)
        return replace(parent, faults=(*parent.faults, *more))

    def _crossed(self, parent: Schedule, other: Schedule | None) -> Schedule | None:
        """The first faults of one and the last of the other; the rest of either."""
        if other is None:
            return None
        pick = self.random.choice
        first = self.random.randint(0, len(parent.faults))
        last = self.random.randint(0, len(other.faults))
        either = (parent, other)
        able = [one.workload for one in either if one.workload in self.environment.workloads]
        return replace(
            parent, faults=(*parent.faults[:first], *other.faults[last:]),
            workload=pick(able or [parent.workload]), card=pick(either).card,
            companions=pick(either).companions, packets=pick(either).packets,
        )  # fmt: skip

    def _around(self, name: str, parent: Schedule) -> Schedule:
        """What is not a fault: workload, card, companions, packets, seed."""
        random = self.random
        if name == "workload":
            able = self.environment.workloads
            (workload,) = random.choices(able, [1 / CPU_S.get(one, CPU_S_ELSE) for one in able])
            return replace(parent, workload=workload)
        if name == "personality":
            return replace(parent, card=random.choice(({}, *PERSONALITIES)))
        if name == "companion":
            made: list[Companion] = self._one_changed(parent.companions, self.companion)
            return replace(parent, companions=tuple(made[:4]))
        if name == "packet":
            sent: list[Packet] = self._one_changed(parent.packets, self.packet)
            return replace(parent, packets=tuple(sent[:16]))
        return self._reseeded(parent)

    def _one_changed(self, present: Sequence[Any], draw: Any) -> list[Any]:
        """One more, or one less, or one other."""
        made = list(present)
        how = self.random.choice(("more", "less", "other")) if made else "more"
        if how != "more":
            made.pop(self.random.randrange(len(made)))
        if how != "less":
            made.insert(self.random.randint(0, len(made)), draw())
        return made

    def _reseeded(self, parent: Schedule) -> Schedule:
        return canonical(replace(parent, seed=(parent.seed + 1) % (1 << 31)))
