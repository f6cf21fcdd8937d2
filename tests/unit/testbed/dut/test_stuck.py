# SPDX-License-Identifier: GPL-2.0-only
"""Where tasks wait that cannot be killed, of this host: one is made that waits for its child."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from testbed.dut.protocols import Completed
from testbed.dut.stuck import stuck_tasks
from testbed.errors import GuestTimeout

SPAWNS = """
import os, sys
waits = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)]
os.posix_spawn("/bin/true", ["true"], {}, file_actions=waits)
"""
"""Its parent is in the kernel until the child has opened the FIFO (CLONE_VFORK)."""


class Host:
    """This one, as an end."""

    def run(self, argv: list[str], **_: object) -> Completed:
        done = subprocess.run(argv, capture_output=True, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr, 0.0)


def waits_in(pid: int) -> str:
    """The function in which a task waits that cannot be interrupted, or nothing."""
    process = Path(f"/proc/{pid}")
    where = (process / "wchan").read_text()
    return where if (process / "stat").read_text().rpartition(")")[2].split()[0] == "D" else ""


def test_a_task_that_waits_is_told_of(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    host: Any = Host()
    before = stuck_tasks(host) or ""
    spawner = subprocess.Popen([sys.executable, "-c", SPAWNS, tmp_path / "fifo"])
    where = told = line = ""
    for _ in range(200):  # it waits for the disk, too, as it starts: looked at again
        where, told = waits_in(spawner.pid), stuck_tasks(host) or ""
        line = f"in {where}\n"
        if where and told.count(line) > before.count(line):
            break
        time.sleep(0.05)
    (tmp_path / "fifo").write_text("")
    assert spawner.wait(10) == 0
    assert where, "nothing waits"
    assert told.startswith("in ")
    assert told.count(line) > before.count(line)


def test_an_end_that_does_not_answer_tells_nothing() -> None:
    class Silent:
        def run(self, *_: object, **__: object) -> Completed:
            raise GuestTimeout("sh did not end")

    silent: Any = Silent()
    assert stuck_tasks(silent) is None
