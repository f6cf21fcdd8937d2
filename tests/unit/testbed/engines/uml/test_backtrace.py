# SPDX-License-Identifier: GPL-2.0-only
"""Backtraces of a process that spins, with and without gdb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.engines.uml import backtrace as module
from testbed.engines.uml.backtrace import Symbols, backtrace

SYSTEM_MAP = """\
0000000060000000 T _text
0000000060000100 T first
0000000060000200 t second
0000000060000300 D data
0000000060000400 T _etext
"""


def test_addresses_have_names() -> None:
    symbols = Symbols(SYSTEM_MAP)
    assert symbols.name(0x60000100) == "first+0x0"
    assert symbols.name(0x600001FF) == "first+0xff"
    assert symbols.name(0x60000350) == "second+0x150"
    assert symbols.name(0x60000400) is None
    assert symbols.name(0x10) is None
    assert Symbols("").name(0x60000100) is None


def test_spinning_process_is_located_without_gdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    (tmp_path / "System.map").write_text(
        "0000000000000001 T start\n7ffffffffffffffe T everything\n7fffffffffffffff T end\n"
    )
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        text = backtrace(child.pid, tmp_path / "linux")
        assert text.startswith("in start+0x")
        assert child.poll() is None, "it must go on"
    finally:
        child.kill()
        child.wait()


def test_process_that_is_gone_has_no_backtrace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    (tmp_path / "System.map").write_text(SYSTEM_MAP)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert backtrace(child.pid, tmp_path / "linux").startswith("no backtrace: ")
