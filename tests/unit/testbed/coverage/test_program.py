# SPDX-License-Identifier: GPL-2.0-only
"""Instrumented points in a program's text."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from testbed.coverage.program import Program, calls_of, shortened
from testbed.errors import UsageProblem

HOOK = 0x6005_22A0
TEXT = 0x6040_0000


def call(at: int, target: int) -> bytes:
    return b"\xe8" + struct.pack("<i", target - (at + 5))


def test_calls_are_found_at_any_place_and_only_those_of_the_hook() -> None:
    text = b"\x90\xe8" + call(TEXT + 2, HOOK) + b"\xe8" * 3 + call(TEXT + 10, HOOK + 1)
    text += call(TEXT + 15, HOOK)
    assert list(calls_of(text, TEXT, HOOK)) == [TEXT + 7, TEXT + 20]


def test_call_cut_off_at_the_end_is_none() -> None:
    assert list(calls_of(call(TEXT, HOOK)[:-1], TEXT, HOOK)) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/kernel/source/io_uring/zcrx.c", "io_uring/zcrx.c"),
        ("/kernel/build/../source/include/linux/skbuff.h", "include/linux/skbuff.h"),
        ("/kernel/build/include/generated/x.h", "build/include/generated/x.h"),
        ("/usr/include/stdio.h", "/usr/include/stdio.h"),
    ],
)
def test_names_are_those_of_the_source(path: str, name: str) -> None:
    assert shortened(path) == name


def test_kernel_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="is gone"):
        Program(tmp_path / "linux")


def test_other_files_are_no_program(tmp_path: Path) -> None:
    (tmp_path / "linux").write_bytes(b"no ELF at all")
    with pytest.raises(UsageProblem, match="is no program"):
        Program(tmp_path / "linux")
