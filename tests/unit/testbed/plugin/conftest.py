# SPDX-License-Identifier: GPL-2.0-only
"""The plugin in a pytest of its own, with a machine that is played."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.findings import load
from tests.unit.testbed.plugin.played import ARGUMENTS, FINDING, PlayedPool


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run one test file; return the result and summary.json."""
    monkeypatch.setattr("testbed.plugin.main.SessionPool", PlayedPool)
    monkeypatch.setattr("testbed.report.provenance.repository_commit", lambda: "c0ffee")
    folder = pytester.mkdir("findings")
    (folder / "tx-warning.md").write_text(FINDING)
    lasting = FINDING.replace("[[", "lasting = true\n[[", 1).replace("bnxt_tx_int", "bnxt_free")
    (folder / "stays.md").write_text(lasting.replace("tx-warning", "stays"))
    found = load.load_findings(folder)
    monkeypatch.setattr("testbed.plugin.main.load_findings", lambda: found)

    def run_file(text: str) -> tuple[pytest.RunResult, dict[str, Any]]:
        pytester.makepyfile(text)
        result = pytester.runpytest_inprocess(*ARGUMENTS, "--testbed-run-dir", "runs")
        written = Path(pytester.path / "runs/latest/summary.json")
        return result, json.loads(written.read_text())

    return run_file
