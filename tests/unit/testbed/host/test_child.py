# SPDX-License-Identifier: GPL-2.0-only
"""Our own Python in a process of its own: how it ends is told, and it does not outlive us."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed import ROOT
from testbed.host import interrupt
from testbed.host.child import run_python
from testbed.host.reaper import start_time


def test_a_process_that_does_not_end_is_ended(tmp_path: Path) -> None:
    done = run_python(["-c", "import time; print('up'); time.sleep(60)"], tmp_path / "log", 1.0)
    assert done.timed_out
    assert done.reason == "no end in the time it had"


def test_last_lines_are_the_reason(tmp_path: Path) -> None:
    done = run_python(["-c", f"import sys; print({sys.version_info[0]}); sys.exit(3)"],
                       tmp_path / "log", 60.0)  # fmt: skip
    assert (done.returncode, done.last_line) == (3, "3")


@pytest.mark.parametrize("number", interrupt.SIGNALS)
def test_a_process_that_was_interrupted_is_an_interrupt(tmp_path: Path, number: int) -> None:
    with pytest.raises(interrupt.Interrupted) as caught:
        run_python(["-c", f"raise SystemExit({128 + number})"], tmp_path / "log", 60.0)
    assert caught.value.number == number


def test_what_it_started_ends_with_the_runner(tmp_path: Path) -> None:
    """Killed as it may be: nothing goes on in the background."""
    program = (
        "from pathlib import Path; from testbed.host.child import run_python\n"
        f"run_python(['-c', 'import time; time.sleep(60)'], Path({str(tmp_path / 'log')!r}), 60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as runner:
        children = Path(f"/proc/{runner.pid}/task/{runner.pid}/children")
        deadline = time.monotonic() + 20
        while not (words := children.read_text().split()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        runner.kill()
    while start_time(int(words[0])) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
