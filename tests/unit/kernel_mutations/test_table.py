# SPDX-License-Identifier: GPL-2.0-only
"""The table of mutations, its patches, its document and the suite say the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kernels.patches import load_series
from tests.kernel_mutations.mutation import HERE, Mutation
from tests.kernel_mutations.table import MUTATIONS, rows

ROOT = Path(__file__).parents[3]
LEAST_PER_FEATURE = 5
MOST_IN_SAMPLE = 6


def test_every_patch_has_a_row() -> None:
    files = sorted(file.relative_to(HERE) for file in HERE.glob("*/*.patch"))
    assert sorted(one.patch.relative_to(HERE) for one in MUTATIONS) == files


def test_enough_of_each_feature() -> None:
    assert min(Counter(one.feature for one in MUTATIONS).values()) >= LEAST_PER_FEATURE
    sample = sum(one.in_sample for one in MUTATIONS)
    assert 1 <= sample <= MOST_IN_SAMPLE, "CI builds a kernel for each"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_patch_is_small_and_says_what_it_breaks(mutation: Mutation) -> None:
    (patch,) = load_series(mutation.patch).patches
    changed = [line for line in patch.diff.splitlines() if line[:1] in "+-"]
    assert len(changed) <= 40
    head = mutation.patch.read_text(encoding="utf-8").partition("\n--- ")[0]
    assert len(head.splitlines()) >= 3, "a head with the broken promise"
    assert patch.title == f"Mutation: {mutation.title}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_named_tests_exist(mutation: Mutation) -> None:
    assert mutation.caught_by
    for node in mutation.node_ids:
        path, _, rest = node.partition("::")
        assert f"def {rest.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")


def test_document_shows_this_table() -> None:
    text = (ROOT / "docs" / "suite-mutations.md").read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if line.startswith("|")]
    assert shown[: len(MUTATIONS) + 2] == list(rows()), "python -m tests.kernel_mutations.table"
