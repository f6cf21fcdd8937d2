# SPDX-License-Identifier: GPL-2.0-only
"""One word for a test's outcome and whose fault it is."""

from __future__ import annotations

import pytest

from testbed.errors import EnvironmentProblem, LostVM, ModelFailure
from testbed.report.blamed import BlamedOutcome
from testbed.report.results import Outcome


@pytest.mark.parametrize(
    ("fault", "blamed"),
    [
        (None, BlamedOutcome.FAIL),
        ("test", BlamedOutcome.FAIL),
        (LostVM.fault, BlamedOutcome.LOST_VM),
        (ModelFailure.fault, BlamedOutcome.MODEL),
        (EnvironmentProblem.fault, BlamedOutcome.NONE),
    ],
)
def test_a_fault_says_more_than_the_outcome(fault: str | None, blamed: BlamedOutcome) -> None:
    assert BlamedOutcome.of("fail", fault) is blamed


def test_every_outcome_of_a_check_has_its_word() -> None:
    assert {BlamedOutcome.of(one.value, None) for one in Outcome} == set(BlamedOutcome) - {
        BlamedOutcome.NONE, BlamedOutcome.MODEL, BlamedOutcome.LOST_VM,
    }  # fmt: skip
    with pytest.raises(ValueError, match="perhaps"):
        BlamedOutcome.of("perhaps", None)


def test_the_worse_one_stands() -> None:
    assert BlamedOutcome.LOST_VM.is_worse_than(BlamedOutcome.FAIL)
    assert BlamedOutcome.PASS.is_worse_than(BlamedOutcome.SKIP)
    assert not BlamedOutcome.GONE.is_worse_than(BlamedOutcome.GONE)
