# SPDX-License-Identifier: GPL-2.0-only
"""Commands that measure or serve leave the same reports as those that judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from testbed.cli import bench as bench_module
from testbed.cli.main import run_app
from testbed.cli.measured import conclude_command
from testbed.compare import command as compare_module
from testbed.errors import EnvironmentProblem, LostVM, ModelFailure, TestbedError, UsageProblem
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

NAMES = ("summary.json", "junit.xml", "results.ktap", "summary.html")


def ended(tmp_path: Path, work: Callable[[RunDirectory, RunReport], None]) -> int:
    try:
        conclude_command("toy", "It is measured", tmp_path / "runs", work)
    except typer.Exit as end:
        return end.exit_code
    return 0


def summary(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "runs" / "latest"
    assert {name for name in NAMES if (folder / name).stat().st_size} == set(NAMES)
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def test_what_comes_to_its_end_has_passed(tmp_path: Path) -> None:
    assert ended(tmp_path, lambda directory, _: (directory.path / "n.csv").touch()) == 0
    assert (tmp_path / "runs/latest/n.csv").exists()
    found = summary(tmp_path)
    assert (found["verdict"], found["tests"]["passed"], found["job"]) == ("pass", 1, "toy")


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (UsageProblem("no"), "usage", 2),
        (EnvironmentProblem("no"), "environment", 3),
        (ModelFailure("no"), "model", 4),
        (LostVM("no"), "lost-vm", 5),
        (KeyboardInterrupt(), "interrupted", 130),
        (ZeroDivisionError("no"), "model", 4),
    ],
)
def test_what_ends_it_early_is_the_verdict(
    tmp_path: Path, error: BaseException, verdict: str, code: int
) -> None:
    def work(_directory: RunDirectory, _report: RunReport) -> None:
        raise error

    assert ended(tmp_path, work) == code
    found = summary(tmp_path)
    assert (found["verdict"], found["exit_code"], found["tests"]["passed"]) == (verdict, code, 0)


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        (bench_module, "bench_kernel", ["bench", "page-pool", "7.2.12", "7.2.12"]),
        (compare_module, "measure", ["compare", "epoll", "zcrx"]),
    ],
)
def test_commands_that_measure_leave_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, words: list[str]
) -> None:
    def no_kernel(*_args: object, **_more: object) -> None:
        error: TestbedError = EnvironmentProblem("no kernel today")
        raise error

    monkeypatch.setattr(module, name, no_kernel)
    assert run_app([*words, "--run-dir", str(tmp_path / "runs")]) == 3
    assert "no kernel today" in str(summary(tmp_path)["problem"])
