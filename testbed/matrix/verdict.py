# SPDX-License-Identifier: GPL-2.0-only
"""A matrix as checks of a report, one for each kernel: they decide the exit code."""

from __future__ import annotations

from testbed.errors import EnvironmentProblem, ModelFailure
from testbed.matrix.run import ColumnResult, ColumnVerdict
from testbed.matrix.table import Table
from testbed.report.results import Check, Outcome, RunReport

GROUP = "kernels"


def judge(table: Table, report: RunReport) -> None:
    """Add to ``report`` what became of each kernel, and whose fault it is if that decides the run.

    A kernel that cannot be had is skipped, but a matrix without any result is an environment
    problem.
    """
    for number, column in enumerate(table.columns):
        report.checks.append(_check(table, number, column))
        if column.verdict is ColumnVerdict.MODEL:
            report.end_with(ModelFailure(f"{column.label}: {column.reason}"))
        elif column.verdict is ColumnVerdict.NO_RESULT:
            report.end_with(EnvironmentProblem(f"{column.label}: no result: {column.reason}"))
    verdicts = {column.verdict for column in table.columns}
    if ColumnVerdict.RAN not in verdicts and not any(one.blames_kernel for one in verdicts):
        report.end_with(EnvironmentProblem("no kernel could be had"))


def _check(table: Table, number: int, column: ColumnResult) -> Check:
    cells = [row.places[number].cell for row in table.rows]
    bad = [cell for cell in cells if cell is not None and cell.outcome.is_bad]
    findings = dict.fromkeys(one for cell in cells if cell is not None for one in cell.findings)
    outcome, reason = Outcome.SKIP, f"{column.verdict.value}: {column.reason}"
    if column.verdict is ColumnVerdict.RAN:
        outcome = Outcome.FAIL if bad else Outcome.FINDING if findings else Outcome.PASS
        reason = f"{len(bad)} tests failed" if bad else ", ".join(findings)
    elif column.verdict.blames_kernel or column.verdict is ColumnVerdict.MODEL:
        outcome = Outcome.FAIL
    return Check(
        name=column.label, title=f"Kernel {column.label}", group=GROUP, outcome=outcome,
        reason=reason, seconds=column.seconds, findings=tuple(findings),
    )  # fmt: skip
