# SPDX-License-Identifier: GPL-2.0-only
"""The table of seeded bugs, its patches and its document say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from devmodel.bnxt.oracle_rules import RULES
from devmodel.oracle.rules import Culprit
from kernels.patches import load_series
from tests.kernel_bugs.table import BUGS, HERE, Bug, rows

ROOT = Path(__file__).parents[3]


def test_every_patch_has_a_row() -> None:
    assert sorted(bug.name for bug in BUGS) == sorted(file.stem for file in HERE.glob("*.patch"))


def test_enough_are_caught() -> None:
    assert sum(bool(bug.rules) for bug in BUGS) >= 15
    assert 3 <= sum(bug.in_sample for bug in BUGS) <= 6, "CI builds a kernel for each"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_patch_is_small_and_says_what_it_breaks(bug: Bug) -> None:
    (patch,) = load_series(bug.patch).patches
    changed = [line for line in patch.diff.splitlines() if line[:1] in "+-"]
    assert len(changed) <= 40
    head = bug.patch.read_text(encoding="utf-8").partition("\n--- ")[0]
    assert len(head.splitlines()) >= 3, "a head with the broken promise"
    assert patch.title == f"Seeded bug: {bug.title}"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_rules_exist_and_blame_the_driver(bug: Bug) -> None:
    for rule in (*bug.rules, *bug.consequences):
        assert RULES[rule].culprit is Culprit.DRIVER


def test_document_shows_this_table() -> None:
    text = (ROOT / "docs" / "oracle-bugs.md").read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if line.startswith("|")]
    assert shown[: len(BUGS) + 2] == list(rows()), "python -m tests.kernel_bugs.table"
