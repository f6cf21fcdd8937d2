# SPDX-License-Identifier: GPL-2.0-only
"""How much of one check a report holds, whatever a kernel prints."""

from __future__ import annotations

SPLATS_KEPT = 20
DETAIL_LINES = 400
LINE_CHARACTERS = 4096


def shorten(text: str) -> str:
    """``text`` with at most DETAIL_LINES lines, and how many are left out in the middle."""
    lines = [shorten_line(line) for line in text.split("\n")]
    if len(lines) <= DETAIL_LINES:
        return "\n".join(lines)
    tail = DETAIL_LINES // 4
    head = DETAIL_LINES - tail
    left_out = f"[{len(lines) - DETAIL_LINES} lines left out]"
    return "\n".join([*lines[:head], left_out, *lines[-tail:]])


def shorten_line(line: str) -> str:
    """``line`` with at most LINE_CHARACTERS, and how many are left out at its end."""
    if len(line) <= LINE_CHARACTERS:
        return line
    return f"{line[:LINE_CHARACTERS]} [{len(line) - LINE_CHARACTERS} characters left out]"
