# SPDX-License-Identifier: GPL-2.0-only
"""Outlive the runner and clean up after it: ``python -I -S reaper.py FOLDER``, orders on stdin.

A stand-alone script (standard library only) in a session of its own. It holds the read end of a
pipe whose write end only the runner has: end of file means the runner is gone, however it went.
Then every registered process group is killed and the private folder removed. Orders are
lines: ``group PID`` (also the leader's start time is noted, so that a recycled number is never
killed), ``gone PID``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

WAIT_S = 5.0


def start_time(pid: int) -> str | None:
    """The start time of ``pid`` in clock ticks since boot; None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def kill_groups(groups: dict[int, str | None]) -> None:
    """Kill every group whose leader is still the process we knew, and wait for it to end."""
    alive = {pid for pid, start in groups.items() if start is not None and start_time(pid) == start}
    for pid in alive:
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and any(start_time(pid) == groups[pid] for pid in alive):
        time.sleep(0.02)


def main(folder: str) -> None:
    """Serve orders until the runner is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, str | None] = {}
    for line in sys.stdin:
        order, _, number_text = line.strip().partition(" ")
        if order == "group":
            groups[int(number_text)] = start_time(int(number_text))
        elif order == "gone":
            groups.pop(int(number_text), None)
    kill_groups(groups)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
