# SPDX-License-Identifier: GPL-2.0-only
"""What became of the kernels decides how the matrix ends."""

from __future__ import annotations

import pytest

from testbed.errors import ExitCode
from testbed.matrix.run import Cell, ColumnResult, ColumnVerdict
from testbed.matrix.table import make_table
from testbed.matrix.verdict import judge
from testbed.report.blamed import BlamedOutcome
from testbed.report.results import Outcome, RunReport


def ran(outcome: BlamedOutcome) -> ColumnResult:
    findings = ("zcrx-x",) if outcome is BlamedOutcome.FINDING else ()
    cells = {"zcrx/t.py::t": Cell(outcome, "why", findings=findings)}
    return ColumnResult("7.2", ColumnVerdict.RAN, cells=cells)


def other(verdict: ColumnVerdict) -> ColumnResult:
    return ColumnResult("6.12", verdict, "why")


@pytest.mark.parametrize(
    ("columns", "outcomes", "expected"),
    [
        ([ran(BlamedOutcome.PASS)], [Outcome.PASS], ExitCode.PASS),
        ([ran(BlamedOutcome.FINDING)], [Outcome.FINDING], ExitCode.PASS),
        ([ran(BlamedOutcome.FAIL)], [Outcome.FAIL], ExitCode.TEST_FAILURE),
        ([ran(BlamedOutcome.LOST_VM)], [Outcome.FAIL], ExitCode.TEST_FAILURE),
        ([other(ColumnVerdict.NO_BOOT)], [Outcome.FAIL], ExitCode.TEST_FAILURE),
        (
            [ran(BlamedOutcome.PASS), other(ColumnVerdict.NOT_AVAILABLE)],
            [Outcome.PASS, Outcome.SKIP], ExitCode.PASS,
        ),
        ([other(ColumnVerdict.NOT_AVAILABLE)], [Outcome.SKIP], ExitCode.ENVIRONMENT),
        ([other(ColumnVerdict.NOT_BUILT)], [Outcome.SKIP], ExitCode.ENVIRONMENT),
        (
            [ran(BlamedOutcome.PASS), other(ColumnVerdict.NO_RESULT)],
            [Outcome.PASS, Outcome.SKIP], ExitCode.ENVIRONMENT,
        ),
        (
            [ran(BlamedOutcome.FAIL), other(ColumnVerdict.MODEL)],
            [Outcome.FAIL, Outcome.FAIL], ExitCode.MODEL,
        ),
    ],
)  # fmt: skip
def test_exit_code(
    columns: list[ColumnResult], outcomes: list[Outcome], expected: ExitCode
) -> None:
    report = RunReport("matrix", "2026-11-20T08:00:00Z")
    judge(make_table(columns), report)
    assert [check.outcome for check in report.checks] == outcomes
    assert report.exit_code == expected
