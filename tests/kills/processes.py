# SPDX-License-Identifier: GPL-2.0-only
"""The processes of a trial: all that were started below it, whoever their parent is now."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from testbed.host.reaper import start_time

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on whatever our descendants leave behind becomes our child: prctl(2)."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def below(pid: int) -> Iterator[int]:
    """All descendants, near ones first."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for word in (task / "children").read_text().split():
                yield int(word)
                yield from below(int(word))


def command_line(pid: int) -> bytes:
    """Words with a zero byte behind each; empty if the process has gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def kill(pids: list[int], number: int) -> bool:
    """Signal each; whether all were there."""
    try:
        for pid in pids:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return bool(pids)


def left_over(patience_s: float) -> list[str]:
    """Command lines of our descendants that still live after ``patience_s``, which are ended."""
    deadline = time.monotonic() + patience_s
    while alive := [pid for pid in below(os.getpid()) if start_time(pid) is not None]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    lines = [command_line(pid).replace(b"\0", b" ").decode(errors="replace") for pid in alive]
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return lines
