# SPDX-License-Identifier: GPL-2.0-only
"""Files for a guest: plain ones as they are, C files as their programs, wrong ones named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from images.buildroot import HOST, BuildRoot
from images.errors import ProgramFailed
from testbed.artifacts import copies
from testbed.artifacts.copies import Copy, copies_of
from testbed.errors import UsageProblem


def no_compiler() -> BuildRoot:
    raise AssertionError("fetched for nothing")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_single(_root: BuildRoot, source: Path, target: Path) -> Path:
        text = source.read_text()
        if "error" in text:
            raise ProgramFailed("gcc ended with 1", "a.c:1: error: so it is")
        (target / source.stem).write_text(f"program of {text}")
        return target / source.stem

    monkeypatch.setattr(copies, "compile_single", compile_single)


def test_plain_file_needs_no_compiler(tmp_path: Path) -> None:
    (tmp_path / "reproduce.sh").write_bytes(b"\x00#!")
    assert copies_of([str(tmp_path / "reproduce.sh")], no_compiler) == [
        Copy("reproduce.sh", b"\x00#!")
    ]


@pytest.mark.usefixtures("compiled")
def test_c_file_becomes_its_program(tmp_path: Path) -> None:
    (tmp_path / "reproduce.c").write_text("main")
    made = copies_of([str(tmp_path / "reproduce.c")], lambda: HOST)
    assert made == [Copy("reproduce", b"program of main")]


@pytest.mark.usefixtures("compiled")
def test_what_the_compiler_says_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("error")
    with pytest.raises(UsageProblem, match=r"a\.c does not compile:\na\.c:1: error: so it is"):
        copies_of([str(tmp_path / "a.c")], lambda: HOST)


@pytest.mark.usefixtures("compiled")
def test_program_and_file_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("main")
    (tmp_path / "a").write_text("")
    with pytest.raises(UsageProblem, match="two files would be a in the guest"):
        copies_of([str(tmp_path / "a.c"), str(tmp_path / "a")], lambda: HOST)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(UsageProblem, match=r"not a file|No such file|Is a directory"):
            copies_of([str(tmp_path / name)], no_compiler)


@pytest.mark.usefixtures("compiled")
def test_path_in_the_guest(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("main")
    (tmp_path / "b").write_bytes(b"b")
    words = [f"{tmp_path}/a.c:/usr/bin/", f"{tmp_path}/b:/etc/b.conf", f"{tmp_path}/b"]
    assert copies_of(words, lambda: HOST) == [
        Copy("/usr/bin/a", b"program of main"), Copy("/etc/b.conf", b"b"), Copy("b", b"b"),
    ]  # fmt: skip


def test_colon_in_a_name(tmp_path: Path) -> None:
    (tmp_path / "a:").mkdir()
    (tmp_path / "a:/b").write_bytes(b"b")
    assert copies_of([f"{tmp_path}/a:/b"], no_compiler) == [Copy("b", b"b")]
    assert copies_of([f"{tmp_path}/a:/b:/c"], no_compiler) == [Copy("/c", b"b")]


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_BYTES", 1 << 20)
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    assert len(copies_of([str(tmp_path / "disk")], no_compiler)[0].data) == 1 << 20
    (tmp_path / "disk").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(UsageProblem, match="more than 1 MiB"):
        copies_of([str(tmp_path / "disk")], no_compiler)
