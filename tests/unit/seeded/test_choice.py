# SPDX-License-Identifier: GPL-2.0-only
"""What a run tries of the seeded bugs, and what a week of runs does."""

from __future__ import annotations

from collections import Counter

from testbed.plugin.part import Part
from tests.seeded.choice import TRIED, chosen
from tests.seeded.record import Sanitizer, Seeded

WEEK = 7
LONGEST_DAY = {"qemu": 5, "uml": 34}
"""How many kernels CI builds and boots in a day at most, by engine."""


def _of_day(number: int, engine: str | None = None) -> list[Seeded]:
    return chosen(engine=engine, part=Part(number, WEEK), everything=False)


def _kernel(bug: Seeded) -> tuple[str, str]:
    """Its engine, and which kernel: all bugs for the sanitizers are in one."""
    return bug.engine, "" if isinstance(bug.caught_by, Sanitizer) else bug.name


def test_a_week_has_every_bug_and_a_day_the_sample() -> None:
    days = [_of_day(number) for number in range(WEEK)]
    assert {bug.name for day in days for bug in day} == {bug.name for bug in TRIED}
    sample = {bug.name for bug in TRIED if bug.in_sample}
    assert all(sample <= {bug.name for bug in day} for day in days)


def test_no_day_is_much_longer_than_another() -> None:
    for number in range(WEEK):
        counted = Counter(engine for engine, _ in {_kernel(bug) for bug in _of_day(number)})
        assert all(counted[engine] <= most for engine, most in LONGEST_DAY.items()), counted


def test_every_day_has_mappings_judged_by_an_iommu() -> None:
    assert min(len(_of_day(number, "qemu")) for number in range(WEEK)) >= 2


def test_sample_alone_without_a_part() -> None:
    assert chosen(engine=None, part=None, everything=False) == [
        bug for bug in TRIED if bug.in_sample
    ]


def test_engines_are_chosen_apart() -> None:
    everything = [
        bug
        for engine in ("qemu", "uml")
        for bug in chosen(engine=engine, part=None, everything=True)
    ]
    assert sorted(map(str, everything)) == sorted(map(str, TRIED))
    for number in range(WEEK):
        apart = [*_of_day(number, "qemu"), *_of_day(number, "uml")]
        assert sorted(map(str, apart)) == sorted(map(str, _of_day(number)))
