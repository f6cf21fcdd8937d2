# SPDX-License-Identifier: GPL-2.0-only
"""The instruction counter, against the part of QEMU it calls, played by a small C program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from images.recipe import HERE as IMAGES


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler on this host")
def test_locked_and_string_instructions_and_windows_are_told_apart(tmp_path: Path) -> None:
    stage = Path(__file__).with_name("insn_count_stage.c")
    argv = ["gcc", "-O1", "-I", str(IMAGES / "plugins"), str(stage), "-o", str(tmp_path / "stage")]
    subprocess.run(argv, check=True)
    done = subprocess.run([str(tmp_path / "stage")], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["10 4 1 8", "2 1 0 2"]
