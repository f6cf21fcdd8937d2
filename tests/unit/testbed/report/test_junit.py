# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml against the rules of the dialect, and what a CI system makes of each outcome.

The rules are those that the schema of Jenkins' xunit plugin (junit-10.xsd) and the common form
share; ``file``, ``line`` and properties of a test case are the latter's, and GitLab reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import JUnitXml, TestCase

from testbed.report import junit
from testbed.report.results import Check, Outcome, RunReport
from tests.unit.testbed.report.test_reports import a_check, a_report, reports

NUMBER = r"\d+"
SECONDS = r"\d+(\.\d+)?"
ANY = r"(?s).*"
NONEMPTY = r"(?s).+"
WHEN = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+]00:00)?"
RESULT = {"message": ANY, "type": NONEMPTY}

ATTRIBUTES: dict[str, Mapping[str, str]] = {
    "testsuites": dict.fromkeys(("tests", "failures", "errors", "skipped"), NUMBER)
    | {"name": ANY, "time": SECONDS},
    "testsuite": dict.fromkeys(("tests", "failures", "errors", "skipped"), NUMBER)
    | {"name": NONEMPTY, "time": SECONDS, "timestamp": WHEN, "hostname": ANY},
    "properties": {}, "property": {"name": NONEMPTY, "value": ANY},
    "testcase": {
        "name": NONEMPTY, "classname": r"\w+(\.\w+)*", "time": SECONDS, "file": NONEMPTY,
        "line": NUMBER,
    },
    "skipped": RESULT, "failure": RESULT, "error": RESULT, "system-out": {}, "system-err": {},
}  # fmt: skip
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"}, "property": {"name", "value"},
    "testcase": {"name", "classname"},
}  # fmt: skip
CHILDREN = {
    "testsuites": {"testsuite"}, "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"properties", "skipped", "failure", "error", "system-out", "system-err"},
}  # fmt: skip


def offences(element: ElementTree.Element) -> list[str]:
    """What of an element, and of all in it, the dialect does not have."""
    allowed, found = ATTRIBUTES[element.tag], []
    for name, value in element.attrib.items():
        if name not in allowed or re.fullmatch(allowed[name], value) is None:
            found.append(f"{element.tag} {name}={value!r}")
    lacking = REQUIRED.get(element.tag, set()) - set(element.attrib)
    found += [f"{element.tag} lacks {name}" for name in sorted(lacking)]
    for child in element:
        if child.tag in CHILDREN.get(element.tag, set()):
            found += offences(child)
        else:
            found.append(f"{child.tag} in {element.tag}")
    results = [child.tag for child in element if child.tag in ("skipped", "failure", "error")]
    return [*found, *([f"results {results}"] if len(results) > 1 else [])]


@pytest.mark.parametrize("report", reports(), ids=["complete", "hostile", "interrupted", "empty"])
def test_every_report_keeps_to_the_dialect(report: RunReport) -> None:
    root = ElementTree.fromstring(junit.render(report))
    assert root.tag == "testsuites"
    assert offences(root) == []


def the_case(check: Check, job: str = "run") -> TestCase:
    (suite,) = JUnitXml.fromstring(junit.render(a_report(checks=[check], job=job)).encode())
    (case,) = suite
    return case


@pytest.mark.parametrize(
    ("check", "kind", "type_"),
    [
        (a_check(Outcome.FAIL, reason="lost"), Failure, "fail"),
        (a_check(Outcome.FAIL, reason="r", fault="lost VM"), Error, "lost VM"),
        (a_check(Outcome.SKIP, reason="requires IOMMU"), Skipped, None),
        (replace(a_check(Outcome.FINDING), findings=("zcrx-x",)), Skipped, "finding"),
        (replace(a_check(Outcome.SKIP), findings=("zcrx-x",)), Skipped, "finding"),
    ],
)
def test_outcome_has_the_result_that_a_ci_system_colours(
    check: Check, kind: type, type_: str | None
) -> None:
    (result,) = the_case(check).result
    assert (type(result), result.type) == (kind, type_)


def test_a_run_that_exits_0_has_neither_failure_nor_error() -> None:
    shown = replace(a_check(Outcome.FINDING, reason="x"), findings=("zcrx-x", "y"))
    gone = replace(a_check(Outcome.GONE, "gone"), gone=("z",))
    report = a_report(checks=[a_check(), shown, gone])
    assert report.exit_code == 0
    (suite,) = JUnitXml.fromstring(junit.render(report).encode())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (3, 0, 0, 1)
    properties = [[(one.name, one.value) for one in case.properties()] for case in suite]
    assert properties == [[], [("finding", "zcrx-x"), ("finding", "y")], [("gone", "z")]]


def test_counts_of_everything() -> None:
    (suite,) = JUnitXml.fromstring(junit.render(reports()[1]).encode())
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (6, 1, 2, 1)


@pytest.mark.parametrize(
    ("job", "group", "name"),
    [
        ("suite", "tests/suite/zcrx/test_receive.py", "tests.suite.zcrx.test_receive"),
        ("run", "Zero-copy receive", "testbed.run.Zero_copy_receive"),
        ("exec", "", "testbed.exec"),
        ("lab-check", "", "testbed.lab_check"),
    ],
)
def test_class_name_is_dotted(job: str, group: str, name: str) -> None:
    assert the_case(a_check(group=group), job).classname == name


def test_case_says_where_it_is_written() -> None:
    case = the_case(replace(a_check(), file="tests/suite/zcrx/test_a.py", line=7))
    element = case._elem.attrib
    assert (element["file"], element["line"]) == ("tests/suite/zcrx/test_a.py", "7")
    assert "file" not in the_case(a_check())._elem.attrib
