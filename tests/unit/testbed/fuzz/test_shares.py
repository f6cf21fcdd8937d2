# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest

from testbed.fuzz.shares import DRAWN, LAST, LEAST, MUTATION, SEED, SWEEP, Shares

ALL = (SEED, MUTATION, DRAWN)
FEW = LEAST[SEED]


def test_at_first_all_are_alike() -> None:
    assert Shares().of(ALL) == pytest.approx([1 / 3] * 3)
    assert Shares().of((DRAWN,)) == [1.0]


def test_more_for_what_brings_more_for_its_time() -> None:
    shares = Shares()
    shares.took(SEED, 30, 1.0)
    shares.took(MUTATION, 90, 1.0)
    shares.took(DRAWN, 90, 3.0)
    left = 1 - 3 * FEW
    assert shares.of(ALL) == pytest.approx([FEW + left * share for share in (0.2, 0.6, 0.2)])


def test_what_brings_nothing_is_tried_now_and_then() -> None:
    shares = Shares()
    for _ in range(100):
        shares.took(SEED, 0, 1.0)
        shares.took(DRAWN, 1000, 1.0)
    seed, blind = shares.of((SEED, DRAWN))
    assert FEW < seed < FEW + 0.01
    assert seed + blind == pytest.approx(1)


def test_what_shows_bugs_without_new_edges_keeps_its_share() -> None:
    shares = Shares()
    for _ in range(100):
        shares.took(SWEEP, 0, 1.0)
        shares.took(MUTATION, 1000, 1.0)
    assert shares.of((SWEEP, MUTATION))[0] == pytest.approx(LEAST[SWEEP], abs=0.01)


def test_where_nothing_brings_anything_nothing_is_left_out() -> None:
    shares = Shares()
    for kind in ALL:
        shares.took(kind, 0, 1.0)
    assert shares.of(ALL) == pytest.approx([1 / 3] * 3)


def test_what_was_not_tried_counts_as_the_best() -> None:
    shares = Shares()
    shares.took(SEED, 10, 1.0)
    shares.took(DRAWN, 40, 1.0)
    seed, mutation, blind = shares.of(ALL)
    assert mutation == blind > seed


def test_only_the_last_runs_count() -> None:
    shares = Shares()
    for _ in range(50):
        shares.took(SEED, 1000, 1.0)
        shares.took(DRAWN, 10, 1.0)
    for _ in range(LAST):
        shares.took(SEED, 10, 1.0)
    assert shares.of((SEED, DRAWN)) == pytest.approx([0.5, 0.5])
