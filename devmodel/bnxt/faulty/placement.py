# SPDX-License-Identifier: GPL-2.0-only
"""Placement as armed faults will have it."""

from __future__ import annotations

from devmodel.faults.rule import Event


def placed(before: Event, after: Event) -> tuple[int, int, int, int, int]:
    """(length, bytes in the RX buffer, offset of the rest, placement, reported first length).

    A fault that moves the split point moves the rest with it, unless it sets both.
    """
    length = max(min(after["length"], before["length"]), 0)
    first = max(min(after["first"], length), 0)
    rest = first
    if after["agg_from"] != before["agg_from"]:
        rest = max(min(after["agg_from"], length), 0)
    reported = first if after["completion_length"] < 0 else after["completion_length"] & 0xFFFF
    return length, first, rest, after["placement"] & 7, reported
