# SPDX-License-Identifier: GPL-2.0-only
"""KCIDB's own schema takes what is exported for it, the kernel's parser our KTAP."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from testbed.report import kcidb, summary
from testbed.report.results import RunReport
from tests.unit.testbed.report.test_ktap import counted, kunit
from tests.unit.testbed.report.test_reports import reports

__all__ = ["kunit"]

VALIDATE = """import json, sys
from kcidb_io.schema import V5_0
V5_0.validate_exactly(json.load(sys.stdin))"""


def judged(tools: Path, document: Mapping[str, Any]) -> str:
    """What kcidb-io says against a document of version 5.0."""
    ended = subprocess.run(
        [tools / "bin/python", "-c", VALIDATE], input=json.dumps(document), capture_output=True,
        text=True,
    )  # fmt: skip
    return ended.stderr


@pytest.mark.parametrize("report", reports(), ids=["complete", "hostile", "interrupted", "empty"])
def test_every_report_is_valid(tools: Path, report: RunReport) -> None:
    assert judged(tools, kcidb.as_document(summary.as_document(report), "me")) == ""


def test_a_run_is_valid(tools: Path, main_job: Path) -> None:
    document = json.loads(kcidb.export(main_job, "me"))
    assert judged(tools, document) == ""
    document["tests"][0]["status"] = "GREEN"
    assert "GREEN" in judged(tools, document)


def test_the_kernels_parser_reads_a_run(kunit: ModuleType, main_job: Path) -> None:
    test = counted(kunit, (main_job / "results.ktap").read_text())
    checks = json.loads((main_job / "summary.json").read_text())["checks"]
    skipped = sum(one["outcome"] == "skip" for one in checks)
    assert (test.counts.failed, test.counts.errors, test.counts.crashed) == (0, 0, 0)
    assert (test.counts.passed, test.counts.skipped) == (len(checks) - skipped, skipped)
