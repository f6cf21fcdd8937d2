# SPDX-License-Identifier: GPL-2.0-only
"""A C program of one file: what the compiler is shown, and that the program needs no library."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from images import single
from images.buildroot import HOST, BuildRoot
from images.single import compile_single


class Seen(BuildRoot):
    """A build root that only says what it was asked."""

    asked: tuple[Sequence[str], Mapping[str, Path], Mapping[str, Path]]

    def run(self, argv: Sequence[str], **places: Any) -> str:
        object.__setattr__(self, "asked", (argv, places["read"], places["write"]))
        return ""


def test_compiler_sees_the_file_alone(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    root = Seen(tmp_path)
    assert compile_single(root, tmp_path / "a.b.c", tmp_path / "out") == tmp_path / "out/a.b"
    argv, read, write = root.asked
    assert read == {"/source/a.b.c": tmp_path / "a.b.c"}
    assert write == {"/target": tmp_path / "out"}
    assert {"-static", "-l:liburing.a", "-l:libmnl.a"} <= set(argv)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this host")
def test_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "LIBRARIES", [])
    (tmp_path / "answer.c").write_text("int main(void) { return 42; }\n")
    program = compile_single(HOST, tmp_path / "answer.c", tmp_path)
    assert subprocess.run([program], check=False).returncode == 42
