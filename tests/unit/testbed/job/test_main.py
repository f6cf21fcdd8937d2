# SPDX-License-Identifier: GPL-2.0-only
"""Runs that end before a machine is up still leave a report, and the right exit code."""

from __future__ import annotations

import io
import json
import signal
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.host.interrupt import Interrupted
from testbed.job.main import run_main_job
from testbed.job.progress import Progress, final_table
from testbed.options import RunOptions
from testbed.report import summary
from testbed.report.results import Check, Outcome, RunReport

EARLIER_S = 50.0


def run(tmp_path: Path, error: BaseException) -> tuple[int, dict[str, Any], str]:
    def prepare(options: RunOptions, say: Any) -> Any:
        say("fetching the kernel")
        raise error

    out = io.StringIO()
    code = run_main_job(
        RunOptions(seed=5), Console(file=out, width=100), command=["testbed", "run"],
        run_folder=tmp_path, prepare=prepare, began=time.monotonic() - EARLIER_S,
    )  # fmt: skip
    document = json.loads((tmp_path / "latest/summary.json").read_text())
    jsonschema.validate(document, summary.schema())
    return code, document, out.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "verdict"),
    [
        (UsageProblem("kernel 9.9 does not exist"), 2, "usage"),
        (EnvironmentProblem("no registry", remedy="check the network"), 3, "environment"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(signal.SIGTERM), 143, "interrupted"),
        (ZeroDivisionError("a bug of ours"), 4, "model"),
    ],
)
def test_early_end(tmp_path: Path, error: BaseException, code: int, verdict: str) -> None:
    returned, document, out = run(tmp_path, error)
    assert (returned, document["exit_code"], document["verdict"]) == (code, code, verdict)
    assert verdict.upper() in out
    assert EARLIER_S <= document["wall_seconds"] < EARLIER_S + 30
    assert str((tmp_path / "latest").resolve()) in out.replace("\n", "")


def test_remedy_is_shown(tmp_path: Path) -> None:
    error = EnvironmentProblem("no registry", remedy="check the network")
    _, document, out = run(tmp_path, error)
    assert "remedy: check the network" in out
    assert document["problem"]["lines"] == ["no registry", "remedy: check the network"]


def test_bug_of_ours_shows_where(tmp_path: Path) -> None:
    _, document, out = run(tmp_path, ZeroDivisionError("a bug of ours"))
    assert document["problem"]["fault"] == "testbed"
    assert "Traceback" in out


def shown(check: Check, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal)
    with Progress(console) as progress:
        progress.say("booting")
        progress.began("Probe", check.title, 1, 21)
        progress.ended(check)
    return out.getvalue()


@pytest.mark.parametrize("terminal", [False, True], ids=["log", "terminal"])
def test_guest_text_reaches_no_terminal(terminal: bool) -> None:
    text = "\x1b]0;owned\x07 [bold red]not markup[/]"
    out = shown(Check(name="x", title=text, outcome=Outcome.FAIL, reason=text), terminal=terminal)
    assert "\x1b]0;" not in out
    assert "\x07" not in out
    assert "[bold red]not markup[/]" in out


def test_log_has_one_line_per_step() -> None:
    out = shown(
        Check(name="x", title="MTU 4096", outcome=Outcome.PASS, measured="4096"), terminal=False
    )
    assert out.splitlines() == ["booting", "Probe", "   pass     0 ms  MTU 4096  4096"]


def test_final_table_of_an_empty_run() -> None:
    out = io.StringIO()
    report = RunReport("run", "2026-11-20T08:00:00Z")
    Console(file=out, width=100).print(final_table(report, "/runs/x"))
    assert "FAIL" in out.getvalue()
    assert "/runs/x" in out.getvalue()
