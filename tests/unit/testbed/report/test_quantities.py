# SPDX-License-Identifier: GPL-2.0-only
"""Numbers with units."""

from __future__ import annotations

import pytest

from testbed.report.quantities import binary_bytes, megabits_per_second, seconds_text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (binary_bytes(17), "17 B"),
        (binary_bytes(1536), "1.5 KiB"),
        (binary_bytes(64 << 20), "64 MiB"),
        (binary_bytes(5000 << 40), "5000 TiB"),
        (seconds_text(0.85), "850 ms"),
        (seconds_text(3.2), "3.2 s"),
        (seconds_text(125), "2 min 05 s"),
        (megabits_per_second(76_500_000, 1.0), "612 Mbit/s"),
        (megabits_per_second(1, 0.0), "-"),
    ],
)
def test_quantities(shown: str, expected: str) -> None:
    assert shown == expected
