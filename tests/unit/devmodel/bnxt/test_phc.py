# SPDX-License-Identifier: GPL-2.0-only
"""The hardware clock runs with the card's virtual clock, as it was set and adjusted."""

from __future__ import annotations

import pytest

from devmodel.bnxt.phc import MAX_PPB, Phc
from devmodel.clock import Clock

SECOND = 1_000_000_000


def running() -> tuple[Clock, Phc]:
    clock = Clock(1)
    return clock, Phc(clock)


def test_it_runs_from_zero_until_it_is_set() -> None:
    clock, phc = running()
    clock.advance_to(7)
    assert (phc.time_ns, phc.is_set) == (7, False)
    phc.set_time(1 << 50)
    clock.advance_to(10)
    assert (phc.time_ns, phc.is_set) == ((1 << 50) + 3, True)


@pytest.mark.parametrize(("ppb", "gained"), [(1000, 2000), (-1000, -2000), (MAX_PPB, 62_000_000)])
def test_frequency_is_from_now_on(ppb: int, gained: int) -> None:
    clock, phc = running()
    clock.advance_to(SECOND)
    phc.adjust_frequency(ppb)
    assert phc.time_ns == SECOND
    clock.advance_to(3 * SECOND)
    assert phc.time_ns == 3 * SECOND + gained
    phc.adjust_frequency(0)
    clock.advance_to(4 * SECOND)
    assert phc.time_ns == 4 * SECOND + gained


def test_steps_either_way_and_wraps() -> None:
    clock, phc = running()
    phc.set_time(100)
    phc.adjust_phase(-30)
    assert phc.time_ns == 70
    phc.adjust_phase(-71)
    assert phc.time_ns == (1 << 64) - 1
    clock.advance_to(1)
    assert phc.time_ns == 0


@pytest.mark.parametrize("ppb", [0, 1, -1, MAX_PPB, -MAX_PPB])
def test_a_moment_is_reached_when_it_says(ppb: int) -> None:
    clock, phc = running()
    phc.adjust_frequency(ppb)
    for due in (1, 999, SECOND, SECOND + 1):
        delay = phc.delay_ns(due)
        clock.advance_to(clock.now_ns + delay - 1)
        assert delay == 0 or phc.time_ns < due
        clock.advance_to(clock.now_ns + 1)
        assert phc.time_ns >= due
    assert phc.delay_ns(0) == 0


def test_who_waits_for_a_moment_is_told_of_changes() -> None:
    _, phc = running()
    told = []
    phc.on_change = lambda: told.append(phc.time_ns)
    phc.set_time(5)
    phc.adjust_phase(1)
    phc.adjust_frequency(9)
    assert told == [5, 6, 6]
