# SPDX-License-Identifier: GPL-2.0-only
"""A worker ends with the process that started it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from testbed import ROOT
from testbed.host.reaper import start_time

PARENT = """
import os, subprocess, sys
child = "import os, time; from testbed.host.parent import die_with_parent; "
child += f"die_with_parent({os.getpid() + OFFSET}); print(os.getpid(), flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child])
sys.stdin.read()
"""


def start(offset: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", PARENT.replace("OFFSET", str(offset))]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_worker_is_killed_when_its_parent_is() -> None:
    with start(0) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert start_time(worker) is not None
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while start_time(worker) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_whose_parent_has_gone_already_is_killed() -> None:
    with start(1) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        parent.stdin.close()
        assert parent.stdout.read() == b""
