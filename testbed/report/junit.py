# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml, by junitparser, for CI systems that show it."""

from __future__ import annotations

from io import BytesIO

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from testbed.report.results import Check, Outcome, RunReport, RunVerdict

FILE_NAME = "junit.xml"


def _case(report: RunReport, check: Check) -> TestCase:
    group = f".{check.group}" if check.group else ""
    case = TestCase(check.name, classname=f"testbed.{report.job}{group}", time=check.seconds)
    text = check.detail or check.reason
    if check.outcome is Outcome.SKIP:
        # a campaign finds again what is on record: that is no failure of its
        kind = Outcome.FINDING.value if check.findings else None
        case.result = [Skipped(check.reason, kind)]
    elif check.outcome in (Outcome.FAIL, Outcome.FINDING):
        # the format knows no fourth outcome: a reader tells a finding by the failure's type
        result = Failure(check.reason, check.outcome.value)
        result.text = text
        case.result = [result]
    elif check.outcome is Outcome.GONE:
        case.system_out = check.reason
    elif check.measured or check.not_witnessed:
        case.system_out = check.measured or f"not witnessed: {check.not_witnessed}"
    return case


def _ending(report: RunReport) -> Error:
    """Why the run ended early; an interrupt counts before what came of it."""
    problem = report.problem
    if problem is None or report.interruption:
        error = Error(report.interruption, RunVerdict.INTERRUPTED.value)
    else:
        error = Error(problem.message, problem.fault)
    error.text = "\n".join(problem.lines) if problem else ""
    return error


def render(report: RunReport) -> str:
    """The whole file. A run that ended early has one more case, an error with the reason."""
    suite = TestSuite(f"testbed {report.job}")
    suite.timestamp = report.started_at
    for key, value in (("seed", report.seed), ("kernel_release", report.kernel_release)):
        if value is not None:
            suite.add_property(key, str(value))
    for key, value in report.provenance.items():
        if value is not None:
            suite.add_property(key, value)
    for check in report.checks:
        suite.add_testcase(_case(report, check))
    if report.problem is not None or report.interruption:
        case = TestCase("run", classname=f"testbed.{report.job}")
        case.result = [_ending(report)]
        suite.add_testcase(case)
    document = JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]  # junitparser leaves it unannotated
    buffer = BytesIO()
    document.write(buffer, pretty=True)
    return buffer.getvalue().decode("utf-8")
