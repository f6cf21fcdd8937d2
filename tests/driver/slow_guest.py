# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is several times slower than it would be, as on a crowded host.

After each piece of CPU time that its process got, it is stopped (SIGSTOP) for a multiple of that.
This needs neither control groups nor a privilege.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK_S = 0.002
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_UTIME = 11  # of the fields behind the name in /proc/PID/stat (proc_pid_stat(5))


def descendants(pid: int) -> list[int]:
    """All processes below ``pid`` that live."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for word in (task / "children").read_text().split():
                found += [int(word), *descendants(int(word))]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of ``pid``, in steps of TICK_S. Raises OSError once it ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) * TICK_S


def _runs(pid: int, program: str) -> bool:
    """Whether ``pid`` is ``program``, and not the jail around it. QEMU is run by its own loader."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        named = program.encode() in [word.rpartition(b"/")[2] for word in words]
        return named and not Path(f"/proc/{pid}/exe").readlink().name.startswith("python")
    return False


def _find(root: int, program: str, over: threading.Event) -> int | None:
    """The topmost process below ``root`` that runs ``program``, once there is one."""
    while not over.wait(LOOK_S):
        for pid in descendants(root):
            if _runs(pid, program):
                return pid
    return None


class SlowGuest:
    """:ivar used_s: CPU time after which the guest was stopped, so far.

    :ivar stopped_s: how long that was, by the clock.
    :ivar ran_s: CPU time that it got meanwhile all the same.
    """

    def __init__(self, root: int, program: str, factor: float) -> None:
        self.used_s = 0.0
        self.stopped_s = 0.0
        self.ran_s = 0.0
        self._root = root
        self._program = program
        self._factor = factor
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """Look for the guest, then slow it down until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Let the guest go."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while (pid := _find(self._root, self._program, self._over)) is not None:
            with suppress(OSError):  # it has ended; perhaps there is another one
                self._slow_down(pid)

    def _slow_down(self, pid: int) -> None:
        used_s = cpu_seconds(pid)
        try:
            while not self._over.wait(LOOK_S):
                now_s = cpu_seconds(pid)
                if now_s > used_s:
                    self._stop_once(pid, now_s - used_s)
                    used_s = now_s
        finally:
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)

    def _stop_once(self, pid: int, used_s: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        began_s, before_s = time.monotonic(), cpu_seconds(pid)
        self._over.wait(used_s * (self._factor - 1))
        self.stopped_s += time.monotonic() - began_s
        self.ran_s += cpu_seconds(pid) - before_s
        self.used_s += used_s
        os.kill(pid, signal.SIGCONT)


@contextmanager
def slowed(root: int, program: str, factor: float) -> Iterator[SlowGuest]:
    """The guests that run ``program`` below process ``root`` are ``factor`` times slower."""
    guest = SlowGuest(root, program, factor)
    guest.start()
    try:
        yield guest
    finally:
        guest.stop()
