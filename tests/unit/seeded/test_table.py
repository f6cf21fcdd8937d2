# SPDX-License-Identifier: GPL-2.0-only
"""The table of seeded bugs, its patches, its document, the oracle and the suite say the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from devmodel.bnxt.oracle_rules import RULES
from devmodel.oracle.rules import Culprit
from kernels.patches import load_series
from tests.seeded.record import HERE, Oracle, Seeded, SuiteTests
from tests.seeded.table import DOCUMENT, SEEDED, document, rows
from tests.seeded.workloads import WORKLOADS

ROOT = Path(__file__).parents[3]
LEAST_ORACLE = 15
LEAST_PER_FEATURE = 5
MOST_IN_SAMPLE = 6
ORACLE = [bug for bug in SEEDED if isinstance(bug.caught_by, Oracle)]
SUITE = [bug for bug in SEEDED if isinstance(bug.caught_by, SuiteTests)]


def test_every_patch_has_a_row() -> None:
    assert sorted(bug.patch for bug in SEEDED) == sorted(HERE.glob("*/*.patch"))


def test_enough_are_caught() -> None:
    assert sum(isinstance(b.caught_by, Oracle) and bool(b.caught_by.rules) for b in SEEDED) >= (
        LEAST_ORACLE
    )
    assert min(Counter(bug.area for bug in SUITE).values()) >= LEAST_PER_FEATURE


@pytest.mark.parametrize(("bugs", "least"), [(ORACLE, 3), (SUITE, 1)], ids=["oracle", "suite"])
def test_sample_is_small(bugs: list[Seeded], least: int) -> None:
    sample = sum(bug.in_sample for bug in bugs)
    assert least <= sample <= MOST_IN_SAMPLE, "CI builds a kernel for each"


@pytest.mark.parametrize("bug", SEEDED, ids=str)
def test_patch_is_small_and_says_what_it_breaks(bug: Seeded) -> None:
    (patch,) = load_series(bug.patch).patches
    changed = [line for line in patch.diff.splitlines() if line[:1] in "+-"]
    assert len(changed) <= 40
    head = bug.patch.read_text(encoding="utf-8").partition("\n--- ")[0]
    assert len(head.splitlines()) >= 3, "a head with the broken promise"
    assert patch.title == f"Seeded bug: {bug.title}"


@pytest.mark.parametrize("bug", SEEDED, ids=str)
def test_what_must_catch_it_exists(bug: Seeded) -> None:
    caught_by = bug.caught_by
    if isinstance(caught_by, Oracle):
        for rule in (*caught_by.rules, *caught_by.consequences):
            assert RULES[rule].culprit is Culprit.DRIVER
    if isinstance(caught_by, SuiteTests):
        assert caught_by.nodes
        for node in bug.node_ids:
            path, _, rest = node.partition("::")
            assert f"def {rest.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")
    else:
        assert WORKLOADS.keys() >= set(getattr(caught_by, "workloads", ()))


@pytest.mark.parametrize("bug", [bug for bug in SEEDED if bug.promise], ids=str)
def test_promise_is_in_the_document(bug: Seeded) -> None:
    assert f"\n| {bug.promise} |" in bug.promises_of.read_text(encoding="utf-8")


def test_document_shows_this_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert "".join(f"{row}\n" for row in rows()) in text
    assert text == document(text), "run: python -m tests.seeded.table"
