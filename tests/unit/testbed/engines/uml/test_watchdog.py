# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest

from testbed.engines.uml.watchdog import TURN_PATIENCE, Watchdog

HANGS = "the guest hangs: nothing for "


def looks(dog: Watchdog, *seen: tuple[float, float, object, int]) -> list[str]:
    """What it says of each: real time, CPU time, what is seen, turns."""
    return [dog.look(*one) for one in seen]


def test_a_guest_that_does_nothing_in_real_time_is_lost() -> None:
    told = looks(Watchdog(15), (0, 0, 1, 0), (15, 0, 1, 0), (15.1, 0, 1, 0))
    assert told == ["", "", HANGS + "15 s"]


def test_whatever_it_does_it_lives() -> None:
    assert not any(looks(Watchdog(15, 5), *((10.0 * n, 4.0 * n, n, n) for n in range(50))))


@pytest.mark.parametrize(("busy_s", "told"), [(5.0, HANGS + "5 s of CPU time"), (None, "")])
def test_one_that_computes_is_lost_by_the_time_it_gets(busy_s: float | None, told: str) -> None:
    """Its own, not that of a host that is busy with others."""
    dog = Watchdog(15, busy_s)
    assert looks(dog, (0, 7, 1, 0), (14, 8, 1, 0)) == ["", ""]
    assert looks(dog, (14.9, 12.1, 1, 0)) == [told]


def test_one_that_owes_nothing_may_wait() -> None:
    assert looks(Watchdog(15, 5), (0, 0, None, 0), (900, 90, None, 0), (901, 91, 1, 0)) == [""] * 3


def test_one_that_works_without_an_answer_is_lost_later() -> None:
    dog = Watchdog(15)
    *before, last = looks(dog, *((n * 10.0, 0, n, 3) for n in range(TURN_PATIENCE * 15 // 10 + 2)))
    assert not any(before)
    assert last == "the guest is busy without end, so its time stands still"


def test_a_run_may_take_so_long_and_no_longer() -> None:
    dog = Watchdog(15)
    dog.allow(30, now=100)
    assert looks(dog, (129, 0, None, 0), (130, 0, None, 0)) == [
        "",
        "the run takes longer than 30 s",
    ]
    dog.allow(30, now=130)  # the next run of the same guest
    assert looks(dog, (159, 0, None, 0)) == [""]


def test_a_run_may_use_a_third_of_that_as_cpu_time() -> None:
    """Of its own, not what the guest has used in other runs; one that is slow may take longer."""
    dog = Watchdog(15)
    assert looks(dog, (0, 30, 1, 0), (99, 39, 0, 0)) == [""] * 2, "nothing is said of it"
    dog.allow(30, now=100)
    assert looks(dog, (101, 40, 1, 1), (110, 49.9, 2, 2)) == ["", ""]
    assert looks(dog, (111, 50, 3, 3)) == ["the run takes longer than 10 s of CPU time"]
    dog.allow(30, now=111)
    assert looks(dog, (112, 51, 4, 4), (140, 52, 5, 5)) == ["", ""]


def test_what_the_card_uses_counts_for_a_run() -> None:
    """Not for a hang: a guest that waits has done nothing wrong."""
    dog = Watchdog(15, busy_s=5)
    dog.allow(30, now=0)
    assert not dog.look(1, 1, 1, 1, 40)
    assert not dog.look(2, 1.5, 2, 1, 49.9)
    assert dog.look(3, 2, 3, 1, 50) == "the run takes longer than 10 s of CPU time"
