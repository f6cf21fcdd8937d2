# SPDX-License-Identifier: GPL-2.0-only
"""A part of the tests: all parts are everything, and so are as many days in a row."""

from __future__ import annotations

import argparse
from datetime import date, timedelta

import pytest

from testbed.plugin.part import Part, parse_part

EVERYTHING = list(range(23))


def test_parts_are_everything_and_have_nothing_in_common() -> None:
    parts = [parse_part(f"{number}/5").of_all(EVERYTHING) for number in range(5)]
    assert sorted(one for part in parts for one in part) == EVERYTHING
    assert parts[1] == [1, 6, 11, 16, 21]


@pytest.mark.parametrize("first", [date(2026, 11, 21), date(2026, 12, 29)])
def test_seven_days_in_a_row_have_everything(first: date) -> None:
    found = set()
    for days in range(7):
        day = first + timedelta(days)
        found |= set(parse_part("today/7", day=lambda day=day: day).of_all(EVERYTHING))
    assert found == set(EVERYTHING)


def test_today_is_a_number_that_repeats_the_run() -> None:
    part = parse_part("today/7", day=lambda: date(2026, 11, 21))
    assert parse_part(str(part)) == part == Part(date(2026, 11, 21).toordinal() % 7, 7)


@pytest.mark.parametrize("text", ["3", "3/3", "-1/3", "0/0", "today", "today/0", "a/b", "1/-2", ""])
def test_what_is_no_part_is_refused_with_the_allowed_form(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"allowed: K/N with 0 <= K < N, today/N"):
        parse_part(text)
