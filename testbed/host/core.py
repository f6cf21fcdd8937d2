# SPDX-License-Identifier: GPL-2.0-only
"""A core of this host for processes that take turns.

A guest in simulated time and its card never work at the same time: each waits for the other. On two
cores each turn wakes a core that has gone to sleep, which takes longer than most turns do. So the
kernel is told to keep them on one, and every such pair of this host on another one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = "\0bnxt-testbed-core-{}"
"""Of an abstract socket: it is held by one process of this host, whoever its user is, and let go
when that ends, however it ends."""
_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@contextmanager
def own_core() -> Iterator[int | None]:
    """One that nobody else has taken, as sched_setaffinity(2) counts them.

    None if all are taken, or there is only one: then the kernel chooses.
    """
    allowed = os.sched_getaffinity(0)
    for number in _preferred(allowed) if len(allowed) > 1 else ():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
            try:
                held.bind(_NAME.format(number))
            except OSError:
                continue
            yield number
            return
    yield None


def _preferred(allowed: set[int]) -> list[int]:
    """One thread of each core first, then the second of each: they share what they compute with."""
    return sorted(allowed, key=lambda number: (_thread(number), number))


def _thread(number: int) -> int:
    """Which thread of its core this is, from 0 on; 0 where the host does not tell."""
    try:
        text = Path(_SIBLINGS.format(number)).read_text(encoding="ascii")
        ranges = [part.partition("-") for part in text.strip().split(",")]
        return sum(
            max(0, min(int(last or first), number - 1) - int(first) + 1)
            for first, _, last in ranges
        )
    except (OSError, ValueError):
        return 0
