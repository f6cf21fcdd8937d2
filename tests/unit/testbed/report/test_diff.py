# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from testbed.cli.report import report
from testbed.errors import ExitCode, UsageProblem
from testbed.report.diff import ABSENT, Kind, Result, compare, read_results

PASS, FAIL = Result("pass"), Result("fail", "assert 1 == 2")
REQUIRES, SKIPPED = Result("skip", "requires IOMMU"), Result("skip", "no time")


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        (PASS, PASS, Kind.SAME), (FAIL, FAIL, Kind.SAME), (PASS, REQUIRES, Kind.DECLARED),
        (REQUIRES, Result("finding"), Kind.DECLARED), (PASS, SKIPPED, Kind.OTHERWISE),
        (PASS, FAIL, Kind.OTHERWISE),
    ],
)  # fmt: skip
def test_only_a_lacking_capability_excuses(left: Result, right: Result, kind: Kind) -> None:
    (found,) = compare({("suite", "test"): left}, {("suite", "test"): right})
    assert found.kind is kind


def test_a_check_of_one_run_only_differs() -> None:
    found = compare({("a", "x"): PASS}, {("b", "y"): PASS})
    assert [(one.left.outcome, one.right.outcome) for one in found] == [
        ("pass", ABSENT),
        (ABSENT, "pass"),
    ]
    assert {one.kind for one in found} == {Kind.OTHERWISE}


def test_runs_are_read_by_folder_or_file(tmp_path: Path) -> None:
    check = {"group": "g", "name": "n", "outcome": "skip", "reason": "requires RSS"}
    file = tmp_path / "summary.json"
    file.write_text(json.dumps({"checks": [check]}))
    assert read_results(tmp_path) == read_results(file)
    assert read_results(file)["g", "n"].lacks
    for text in ("[]", "5", '{"checks": [3]}', "[" * 100_000):
        file.write_text(text)
        with pytest.raises(UsageProblem, match="no summary"):
            read_results(file)
    with pytest.raises(UsageProblem, match="cannot be read"):
        read_results(tmp_path / "nowhere")


def test_what_nothing_excuses_comes_first_and_by_its_whole_name(tmp_path: Path) -> None:
    long = "test_" + "x" * 90
    checks = [
        {"group": "g", "name": "declared", "outcome": "pass", "reason": ""},
        {"group": "g", "name": long, "outcome": "pass", "reason": ""},
    ]
    for name, outcomes in (("left", ["pass", "fail"]), ("right", ["skip", "pass"])):
        for check, outcome in zip(checks, outcomes, strict=True):
            check["outcome"] = outcome
            check["reason"] = "requires RSS" if outcome == "skip" else ""
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(json.dumps({"checks": checks}))
    done = CliRunner().invoke(report, ["diff", str(tmp_path / "left"), str(tmp_path / "right")])
    assert done.exit_code == ExitCode.TEST_FAILURE
    rows = done.stdout.split("test ", 1)[1]
    assert rows.index("fail") < rows.index("declared")
    assert rows.count("x") >= 90
