# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import subprocess
import sys

from testbed.host.cputime import used_s

# By os.times(), whose ticks are those of used_s(): either part of it is rounded down.
SPINS = "import os\nwhile sum(os.times()[:2]) < 0.1: pass\n"
PARENT = f"""import subprocess, sys
subprocess.run([sys.executable, '-c', {SPINS!r}])
print(flush=True)
"""


def test_children_count_also_those_that_have_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT + "sys.stdin.read()"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        parent.stdout.readline()
        assert 0.1 <= used_s(parent.pid) < 5
        assert parent.stdin is not None
        parent.stdin.close()


def test_a_process_that_has_gone_has_used_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert used_s(gone.pid) == 0
    assert used_s(os.getpid()) > 0
