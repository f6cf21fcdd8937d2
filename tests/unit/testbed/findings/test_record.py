# SPDX-License-Identifier: GPL-2.0-only
"""On which kernels a finding was checked goes into its file, and nothing else of it changes."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from kernels.version import KernelVersion
from testbed.findings.head import Checked, Verified
from testbed.findings.load import read_finding
from testbed.findings.record import record_check, record_fix
from tests.unit.testbed.findings.heads import ABOUT, REPRODUCER, checked, verified

BEGIN = f"""+++
id = "a-bug"
{ABOUT}flavours = ["uml"]
introduced = {{ version = "6.16" }}

[[splat]]
sanitizer = "WARNING"
title = "dev.c"
{REPRODUCER}"""
END = "+++\n# It breaks\n\n```\n[[checked]]\nno = table\n+++\n```\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a-bug.md"
    path.write_text(BEGIN + END)
    return path


def counted(kernel: str, flavour: str, runs: int, shown: int, hashes: int = 0) -> Checked:
    return Checked(
        kernel=KernelVersion.parse(kernel), flavour=flavour, date=datetime.date(2026, 11, 21),
        runs=runs, shown=shown, event_hashes=hashes,
    )  # fmt: skip


def tried(kernel: str, flavour: str, *, runs: int = 3, tests: int = 7) -> Verified:
    return Verified(
        kernel=KernelVersion.parse(kernel), flavour=flavour, date=datetime.date(2026, 11, 22),
        runs=runs, tests=tests,
    )  # fmt: skip


def test_a_tried_fix_comes_after_the_counts_and_both_stay(file: Path) -> None:
    record_fix(file, tried("7.3.4", "uml"))
    record_fix(file, tried("7.2.12", "uml", tests=1))
    record_check(file, counted("7.2.12", "uml", 20, 20, 1))
    record_fix(file, replace(tried("7.2.12", "uml", runs=20), together=True))
    assert file.read_text() == (
        BEGIN + checked("7.2.12", "uml", hashes=1) + verified("7.2.12", "uml", runs=20)
        + "together = true\n" + verified("7.3.4", "uml") + END
    )  # fmt: skip
    assert [(one.runs, one.together) for one in read_finding(file).verified] == [
        (20, True), (3, False),
    ]  # fmt: skip


def test_first_count_is_added(file: Path) -> None:
    one = counted("7.3-rc7", "uml", 20, 20, 1)
    record_check(file, one)
    assert file.read_text() == BEGIN + checked("7.3-rc7", "uml", hashes=1) + END
    assert read_finding(file).checked == (one,)


def test_new_count_replaces_that_of_its_kernel_only(file: Path) -> None:
    others = counted("7.2.12", "debian", 5, 4), counted("7.3", "uml", 1, 0, 1)
    new = counted("7.2.12", "uml", 20, 20, 1)
    for one in (counted("7.2.12", "uml", 3, 3, 1), *others, new):
        record_check(file, one)
    assert read_finding(file).checked == (others[0], new, others[1])
    assert file.read_text().startswith(BEGIN)
    assert file.read_text().endswith(END)


@pytest.mark.parametrize("shown", [20, 0])
def test_fewer_runs_that_say_the_same_change_nothing(file: Path, shown: int) -> None:
    many = counted("7.2.12", "uml", 20, shown)
    record_check(file, many)
    record_check(file, counted("7.2.12", "uml", 1, shown and 1))
    assert read_finding(file).checked == (many,)


@pytest.mark.parametrize(("runs", "shown"), [(1, 0), (3, 1), (21, 21)])
def test_another_answer_or_more_runs_take_the_place(file: Path, runs: int, shown: int) -> None:
    record_check(file, counted("7.2.12", "uml", 20, 20))
    new = counted("7.2.12", "uml", runs, shown)
    record_check(file, new)
    assert read_finding(file).checked == (new,)
