# SPDX-License-Identifier: GPL-2.0-only
"""What a run covered: counts into buckets, hit maps into places."""

from __future__ import annotations

import pytest

from testbed.fuzz.features import bucket, edges


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (7, 4), (8, 5), (15, 5), (16, 6), (31, 6), (32, 7),
     (127, 7), (128, 8), (255, 8), (100_000, 8)],
)  # fmt: skip
def test_bucket_of_a_count(count: int, expected: int) -> None:
    assert bucket(count) == expected


def test_places_are_counted_from_the_start_of_their_piece() -> None:
    pieces = [(0x1000, b"\0\1\5\0\377"), (0x9000, b"\2\0")]
    assert edges(pieces) == {0x1001: 1, 0x1002: 4, 0x1004: 8, 0x9000: 2}


def test_nothing_was_covered() -> None:
    assert edges([]) == edges([(0, bytes(4096))]) == {}
