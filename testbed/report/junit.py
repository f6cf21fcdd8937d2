# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml, by junitparser, for CI systems that show it.

The dialect is the one that GitLab, Jenkins and pytest share: properties, ``file`` and ``line`` of
a test case, one result for each. A bug on record is skipped, with ``type`` finding: it does not
fail the run, and so it turns no page red. What says nothing of the kernel is an error.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import PurePath

from junitparser import Attr, Error, Failure, Skipped
from junitparser.junitparser import FinalResult, IntAttr
from junitparser.xunit2 import JUnitXml, TestCase, TestSuite

from testbed.report.results import Check, Outcome, RunReport, RunVerdict

FILE_NAME = "junit.xml"
FINDING = Outcome.FINDING.value
_OTHER = re.compile(r"[^\w]+")


class PlacedCase(TestCase):
    """A test case that says where it is written; ``line`` is counted from 1."""

    file = Attr()
    line = IntAttr()


def class_name(job: str, group: str) -> str:
    """Dotted, as pytest names its own: of a file its path, else ``testbed.<job>.<group>``."""
    if PurePath(group).suffix == ".py":
        parts = list(PurePath(group).with_suffix("").parts)
    else:
        parts = ["testbed", job, *([group] if group else [])]
    return ".".join(_OTHER.sub("_", part).strip("_") for part in parts)


def _result(check: Check) -> FinalResult | None:
    """The one result of a check that has not simply passed."""
    result: FinalResult
    if check.outcome is Outcome.SKIP:
        # a campaign finds again what is on record: that is no failure of its
        return Skipped(check.reason, FINDING if check.findings else None)
    if check.outcome is Outcome.FINDING:
        result = Skipped(check.reason, FINDING)
    elif check.outcome is not Outcome.FAIL:
        return None
    elif check.fault:
        result = Error(check.reason, check.fault)
    else:
        result = Failure(check.reason, check.outcome.value)
    result.text = check.detail or check.reason
    return result


def _case(report: RunReport, check: Check) -> TestCase:
    case = PlacedCase(check.name, classname=class_name(report.job, check.group), time=check.seconds)
    if check.file and check.line is not None:
        case.file, case.line = check.file, check.line
    for name in check.findings:
        case.add_property(FINDING, name)
    if check.evidence:
        case.add_property("evidence", check.evidence)
    for name in check.gone:
        case.add_property(Outcome.GONE.value, name)
    result = _result(check)
    if result is not None:
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
    # junitparser leaves some of it unannotated
    suite = TestSuite(f"testbed {report.job}")  # type: ignore[no-untyped-call]
    suite.timestamp = report.started_at.removesuffix("Z")
    for key, value in (("seed", report.seed), ("kernel_release", report.kernel_release)):
        if value is not None:
            suite.add_property(key, str(value))
    for key, value in report.provenance.items():
        if value is not None:
            suite.add_property(key, value)
    for check in report.checks:
        suite.add_testcase(_case(report, check))
    if report.problem is not None or report.interruption:
        case = TestCase("run", classname=class_name(report.job, ""))
        case.result = [_ending(report)]
        suite.add_testcase(case)
    document = JUnitXml()
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    buffer = BytesIO()
    document.write(buffer, pretty=True)
    return buffer.getvalue().decode("utf-8")
