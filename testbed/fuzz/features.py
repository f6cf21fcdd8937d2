# SPDX-License-Identifier: GPL-2.0-only
"""What a run covered, as a campaign compares it: places in the kernel's text and buckets of counts.

A loop that runs one time more is no news, one that runs twice as often may be: counts are put into
the buckets that AFL uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

OPERATION = "operation:"
"""Before the workload's name: a feature of an operation in which nothing goes wrong."""

_BOUNDS = (1, 2, 3, 4, 8, 16, 32, 128)
"""The least count of each bucket, from bucket 1 on."""

_BUCKETS = bytes(sum(count >= bound for bound in _BOUNDS) for count in range(256))
_COUNTED = re.compile(rb"[^\0]+")


def bucket(count: int) -> int:
    """1 to 8 for a count of 1, 2, 3, 4-7, 8-15, 16-31, 32-127, 128 or more; 0 for none."""
    return _BUCKETS[min(count, 255)]


def edges(pieces: Iterable[tuple[int, bytes]]) -> dict[int, int]:
    """Place -> bucket of its count. ``pieces`` are parts of a hit map, and where they begin."""
    found: dict[int, int] = {}
    for start, content in pieces:
        for match in _COUNTED.finditer(content.translate(_BUCKETS)):
            found.update(enumerate(match[0], start + match.start()))
    return found
