# SPDX-License-Identifier: GPL-2.0-only
"""The export for KCIDB, by the rules of its schema 5.0 that a mistake of ours could break."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import UsageProblem
from testbed.report import kcidb, summary
from testbed.report.results import Outcome, RunReport
from tests.unit.testbed.report.test_reports import SPLAT, a_check, a_report, reports

ALLOWED = {
    "checkouts": {"id", "origin", "comment", "misc"},
    "builds": {"id", "checkout_id", "origin", "comment", "architecture", "status"},
    "tests": {
        "id", "build_id", "origin", "status", "path", "comment", "duration", "start_time",
        "environment", "misc", "log_excerpt",
    },
    "issues": {"id", "version", "origin", "comment", "culprit"},
    "incidents": {"id", "origin", "issue_id", "issue_version", "test_id", "present"},
}  # fmt: skip
PATH = re.compile(r"([a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*)?")


def nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(nulls, value.values()))
    if isinstance(value, list):
        return any(map(nulls, value))
    return value is None


@pytest.mark.parametrize("report", reports(), ids=["complete", "hostile", "interrupted", "empty"])
def test_every_report_keeps_to_the_schema(report: RunReport) -> None:
    document = kcidb.as_document(summary.as_document(report), "me")
    assert not nulls(document)
    for kind, allowed in ALLOWED.items():
        for one in document[kind]:
            assert set(one) <= allowed
            assert re.fullmatch(r"[a-z0-9_]+:.*", one["id"])
        assert len({one["id"] for one in document[kind]}) == len(document[kind])
    for test in document["tests"]:
        assert PATH.fullmatch(test["path"])
        assert len(test.get("log_excerpt", "")) <= 16384
        assert test["build_id"] == document["builds"][0]["id"]


@pytest.mark.parametrize(
    ("outcome", "fault", "status"),
    [
        (Outcome.PASS, "", "PASS"), (Outcome.FAIL, "", "FAIL"), (Outcome.FAIL, "lost VM", "ERROR"),
        (Outcome.FAIL, "environment", "MISS"), (Outcome.SKIP, "", "SKIP"),
        (Outcome.FINDING, "", "FAIL"),
    ],
)  # fmt: skip
def test_status(outcome: Outcome, fault: str, status: str) -> None:
    report = a_report(checks=[a_check(outcome, fault=fault, group="tests/suite/zcrx/test_a.py")])
    (test,) = kcidb.as_document(summary.as_document(report), "me")["tests"]
    assert test["status"] == status
    assert test["path"] == "bnxt_testbed.run.tests.suite.zcrx.test_a.zcrx_one_flow"


def test_bug_on_record_is_an_issue_and_each_sight_of_it_an_incident() -> None:
    shown = replace(a_check(Outcome.FINDING), findings=("zcrx-x",), splats=(SPLAT,))
    gone = replace(a_check(Outcome.GONE), gone=("zcrx-x",))
    document = kcidb.as_document(summary.as_document(a_report(checks=[shown, gone])), "me")
    assert [one["id"] for one in document["issues"]] == ["me:zcrx-x"]
    tests = [one["id"] for one in document["tests"]]
    assert [(one["test_id"], one["present"]) for one in document["incidents"]] == [
        (tests[0], True), (tests[1], False),
    ]  # fmt: skip
    assert document["tests"][0]["log_excerpt"] == SPLAT.headline


def test_run_directory_and_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(summary.render(reports()[0]))
    assert json.loads(kcidb.export(tmp_path, "me"))["version"] == {"major": 5, "minor": 0}
    for text in ("{", "[]", "{}"):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(UsageProblem, match="no summary of a run"):
            kcidb.export(tmp_path, "me")
    with pytest.raises(UsageProblem, match="My CI"):
        kcidb.export(tmp_path, "My CI")
