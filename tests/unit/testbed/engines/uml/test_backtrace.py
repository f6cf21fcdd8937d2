# SPDX-License-Identifier: GPL-2.0-only
"""Backtraces of a process that spins, with and without gdb."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.engines.uml import backtrace as module
from testbed.engines.uml.backtrace import backtrace, core_file


@pytest.fixture
def spinning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process, and a map in which all is in ``start``; no gdb."""
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    (tmp_path / "System.map").write_text(
        "0000000000000001 T start\n7ffffffffffffffe T everything\n7fffffffffffffff T end\n"
    )
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield child
    child.kill()
    child.wait()


def test_spinning_process_is_located_without_gdb(
    spinning: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert backtrace(spinning.pid, tmp_path / "linux").startswith("in start+0x")
    assert spinning.poll() is None, "it must go on"


def test_a_process_that_was_stopped_stays_so(
    spinning: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Of a guest that is lost nothing may come any more once its backtrace is taken."""
    os.kill(spinning.pid, signal.SIGSTOP)
    assert backtrace(spinning.pid, tmp_path / "linux").startswith("in start+0x")
    time.sleep(0.1)
    state = Path(f"/proc/{spinning.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state == "T"


FAULTING = """
import os, signal
handled = []
signal.signal(signal.SIGSEGV, lambda *_: handled.append(1))
print("ready", flush=True)
while True:
    os.kill(os.getpid(), signal.SIGSEGV)
    handled.pop()
    sum(range(1000))
"""


def test_a_process_that_faults_again_and_again_is_looked_at_where_it_faults() -> None:
    child = subprocess.Popen([sys.executable, "-c", FAULTING], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        seen = {module._stop_and_read(child.pid)[0][module._RIP] for _ in range(5)}
        assert len(seen) == 1
        time.sleep(0.1)
        assert child.poll() is None, "no signal of its own is lost"
    finally:
        child.kill()
        child.communicate()


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_spinning_process_is_unwound_with_gdb() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        time.sleep(0.2)
        text = backtrace(child.pid, Path(f"/proc/{child.pid}/exe").resolve())
        assert re.match(r"#0  0x[0-9a-f]+ in ", text)
        assert child.poll() is None, "it must go on"
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_gdb_reads_our_core_file(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(core_file(range(0x1000, 0x1000 + 27), b"stack" * 8))
    said = subprocess.run(
        ["gdb", "-batch", "-nx", "-ex", "info registers rip", "-ex", "x/s $rsp", "-c", "core"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"rip +0x1010 ", said)
    assert '"stackstack' in said


def test_process_that_is_gone_has_no_backtrace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    (tmp_path / "System.map").write_text("0000000060000000 T _text\n")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert backtrace(child.pid, tmp_path / "linux").startswith("no backtrace: ")
