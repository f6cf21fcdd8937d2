# SPDX-License-Identifier: GPL-2.0-only
"""What processes of this host have computed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME = 11  # of the fields behind the name: utime, stime, cutime, cstime


def used_s(pid: int) -> float:
    """CPU seconds of a process, its descendants and those of them that have ended; 0 if it has."""
    return sum(_ticks(one) for one in _tree(pid)) / _TICKS


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has gone, or this host's kernel does not say
        return
    for child in children:
        yield from _tree(int(child))


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(ticks) for ticks in fields[_UTIME : _UTIME + 4])
