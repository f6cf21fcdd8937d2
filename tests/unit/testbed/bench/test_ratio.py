# SPDX-License-Identifier: GPL-2.0-only
"""Paired ratios: the median, its interval by the sign test, and when nothing is said."""

from __future__ import annotations

import pytest

from testbed.bench.ratio import FEWEST_ROUNDS, Estimate, paired, summary

# ranks of the interval of 95 % for a median: Conover, table A3 (binomial, p = 1/2)
RANKS = {6: (1, 6), 8: (1, 8), 9: (2, 8), 12: (3, 10), 15: (4, 12), 20: (6, 15)}


@pytest.mark.parametrize(("count", "ranks"), RANKS.items())
def test_interval_lies_between_these_ranks(count: int, ranks: tuple[int, int]) -> None:
    found = Estimate.of([float(value) for value in range(count, 0, -1)])
    assert (found.low, found.high) == ranks
    assert found.median == (count + 1) / 2
    assert not found.why_useless(2.0)


def test_few_rounds_say_nothing_however_alike_they_are() -> None:
    found = Estimate.of([1.0] * (FEWEST_ROUNDS - 1))
    assert found.why_useless(10.0) == "5 rounds"
    assert not Estimate.of([1.0] * FEWEST_ROUNDS).why_useless(0.01)


def test_interval_that_is_too_wide_is_of_no_use() -> None:
    values = [0.8, 0.85, 1.0, 1.0, 1.0, 1.05, 1.1]  # the interval of seven is their range
    found = Estimate.of(values)
    assert found.width == pytest.approx(0.3)
    assert found.why_useless(0.29) == "interval 30% wide"
    assert not found.why_useless(0.31)


def test_one_wild_round_of_nine_does_no_harm() -> None:
    calm = [0.99, 1.0, 1.0, 1.01, 1.0, 1.0, 1.02, 0.98]
    found = Estimate.of([*calm, 40.0])
    assert (found.median, found.low, found.high) == (1.0, 0.99, 1.02)


@pytest.mark.parametrize(
    ("low", "high", "word"), [(1.01, 1.2, "better"), (0.8, 0.99, "worse"), (0.9, 1.1, "like")]
)
def test_word(low: float, high: float, word: str) -> None:
    assert Estimate(1.0, low, high, 9).word == word


def test_values_of_one_round_are_divided_by_each_other() -> None:
    # a host that is ten times slower in the second half changes no ratio
    theirs = [100.0, 100.0, 100.0, 10.0, 10.0, 10.0]
    ours = [50.0, 51.0, 49.0, 5.0, 5.1, 4.9]
    found = paired(ours, theirs)
    assert found.median == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.49), pytest.approx(0.51))


def test_time_that_is_less_than_nothing_has_no_ratio() -> None:
    found = paired([1.0] * 6, [2.0] * 5 + [-0.1])
    assert found.told(10.0) == "cannot tell: less than nothing"
    assert found.document(10.0) == {"why": "less than nothing"}
    assert paired([0.0] * 6, [1.0] * 6).why_useless(10.0)


def test_summary_counts_what_cannot_be_told() -> None:
    good, wide = Estimate(1.0, 0.95, 1.05, 9), Estimate(1.0, 0.5, 1.5, 9)
    assert summary([good, good], 0.2) == ""
    assert summary([good, wide, wide], 0.2).startswith("2 of 3 ratios cannot be told: ")
    assert good.told(0.2) == "1.00, 0.95..1.05 like"


def test_rounds_without_a_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("factor", "word"), [(1.0, "better"), (0.1, "worse")])
def test_a_wide_interval_may_lie_on_one_side(factor: float, word: str) -> None:
    """How much is not told; that it is more, or less, is."""
    found = Estimate.of([factor * value for value in (1.6, 1.8, 2.0, 2.2, 2.9, 3.1)])
    assert found.told(0.2) == f"{word}: interval 71% wide"
    assert found.document(0.2) == {"why": "interval 71% wide", "is": word}


def test_a_wide_interval_around_one_says_nothing() -> None:
    found = Estimate.of([0.5, 0.9, 1.0, 1.1, 1.2, 2.0])
    assert found.told(0.2).startswith("cannot tell: interval")
    assert "is" not in found.document(0.2)
