# SPDX-License-Identifier: GPL-2.0-only
"""What the C programs are made of; tests/unit/images/test_programs.py runs some of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from images.compile import Programs

TABLES = ("programs", "boot", "lab")


@pytest.mark.parametrize("table", TABLES)
def test_every_c_file_belongs_to_a_program_and_has_an_object_of_its_own(table: str) -> None:
    programs = Programs.load(table)
    there = {str(path.relative_to(programs.folder)) for path in programs.folder.rglob("*.c")}
    assert set(programs.files) == there
    assert len({Path(file).name for file in programs.files}) == len(programs.files)


def test_a_program_is_not_built_anew_for_the_files_of_another() -> None:
    packages = [{"name": "gcc", "version": "14"}]
    sender = Programs.load("programs", "stream_tx").as_input(packages)
    both = Programs.load("programs", "stream_tx", "stream_rx").as_input(packages)
    assert "stream_rx.c" in str(both["files"])
    assert "stream_rx.c" not in str(sender["files"])


def test_headers_hold_no_code() -> None:
    for header in Programs.load("programs").folder.rglob("*.h"):
        assert not re.search(r"^static |^}$", header.read_text(encoding="utf-8"), re.M), header
