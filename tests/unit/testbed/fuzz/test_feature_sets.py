# SPDX-License-Identifier: GPL-2.0-only
"""Sets of features do what sets do."""

from __future__ import annotations

from random import Random

from testbed.fuzz.feature_sets import Numbers
from testbed.fuzz.reading import Feature


def some(random: Random) -> set[Feature]:
    count = random.randint(0, 40)
    edges = {(random.randrange(60), random.randint(1, 2)) for _ in range(count)}
    return {*edges, *(f"state {random.randrange(9)}" for _ in range(count // 4))}


def test_they_do_what_sets_do() -> None:
    random, numbers = Random(1), Numbers()
    assert not numbers.of()
    for _ in range(200):
        one, other = some(random), some(random)
        first, second = numbers.of(one), numbers.of(other)
        assert set(first) == one
        assert len(list(first)) == len(first) == len(one)
        assert bool(first) is bool(one)
        assert set(first & second) == one & other
        assert set(first | second) == one | other
        assert set(first - second) == one - other
        assert (first == second) is (one == other)
        assert first == numbers.of(sorted(one, key=str)), "whatever the order"


def test_a_set_stays_as_it_is_when_more_is_known() -> None:
    numbers = Numbers()
    first = numbers.of(["a", (5, 1)])
    later = numbers.of([(7, 1), "a"])
    assert list(first) == ["a", (5, 1)]
    assert list(later - first) == [(7, 1)]
    assert list(numbers.of() | later) == ["a", (7, 1)]
