# SPDX-License-Identifier: GPL-2.0-only
"""What a run costs: CPU seconds of this process, the card and the guest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from testbed.engines.uml.session import UmlSession

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME = 11  # of the fields behind the name: utime, stime, cutime, cstime


class Cost:
    """Of one run, from its making on. ``cpu_s`` is what :meth:`stop` found, or our own part."""

    def __init__(self) -> None:
        self._own = time.process_time()
        self._card_before = 0.0
        self._others = 0.0

    def watch(self, session: UmlSession | None) -> None:
        """Called before the guest starts, with the session that is used again, if one is."""
        card = None if session is None else session.card.process
        self._card_before = 0.0 if card is None else _used(card.pid)

    def stop(self, session: UmlSession) -> None:
        """Called while guest and card are still there, if they are."""
        card, guest = session.card.process, session.machine.process_id
        self._others = 0.0 if card is None else _used(card.pid) - self._card_before
        self._others += 0.0 if guest is None else _used(guest)

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._own + self._others


def _used(pid: int) -> float:
    """CPU seconds of a process, its descendants and those of them that have ended."""
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
