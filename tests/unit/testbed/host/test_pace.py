# SPDX-License-Identifier: GPL-2.0-only
"""How long to wait for a guest: at least as its boot says, longer while it answers slowly."""

from __future__ import annotations

import pytest

from testbed.host.pace import ANSWERS, USUAL_ANSWER_S, Pace


def answered(pace: Pace, seconds: float, times: int = ANSWERS) -> Pace:
    for _ in range(times):
        pace.answered(seconds)
    return pace


def test_a_usual_guest_gets_the_usual_time() -> None:
    pace = Pace()
    pace.booted(7.0, usual_s=12.0)
    assert answered(pace, USUAL_ANSWER_S / 3).patience == 1.0


def test_a_slow_boot_stretches_for_good() -> None:
    pace = Pace()
    pace.booted(60.0, usual_s=12.0)
    assert pace.patience == 5.0
    assert answered(pace, USUAL_ANSWER_S).patience == 5.0


def test_a_guest_that_becomes_slow_gets_more_until_it_is_quick_again() -> None:
    pace = answered(Pace(), 20 * USUAL_ANSWER_S)
    assert pace.patience == pytest.approx(20.0)
    assert answered(pace, USUAL_ANSWER_S).patience == 1.0


def test_one_slow_answer_is_no_slow_guest() -> None:
    pace = answered(Pace(), USUAL_ANSWER_S)
    assert answered(pace, 100 * USUAL_ANSWER_S, times=ANSWERS // 2).patience == 1.0


def test_answers_before_the_boot_was_over_say_nothing() -> None:
    pace = answered(Pace(), 20 * USUAL_ANSWER_S)
    pace.booted(12.0, usual_s=12.0)
    assert pace.patience == 1.0
