# SPDX-License-Identifier: GPL-2.0-only
"""runner.log: what the runner did, in every run directory."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import pytest

from testbed.errors import LostVM
from testbed.report import runlog
from testbed.report.outcome import conclude
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory

LOG = logging.getLogger("testbed.engines")


def lines_of(tmp_path: Path, error: Exception | None) -> list[str]:
    report = RunReport("run", "2026-11-20T08:00:00Z", ("testbed", "run", "--seed 1"))
    directory = RunDirectory.named(tmp_path)

    def work() -> None:
        LOG.debug("booting %s", "\x1b[31m")
        report.checks.append(Check(name="x", title="x", outcome=Outcome.PASS))
        if error is not None:
            raise error

    conclude(report, directory, work, began=time.monotonic())
    LOG.debug("after the run")
    return (directory.path / runlog.FILE_NAME).read_text().splitlines()


def test_run_leaves_command_steps_and_verdict(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, None)
    said = [line.split(": ", 1)[1] for line in lines]
    assert said == [
        "testbed run '--seed 1'", "booting \\x1b[31m", "verdict pass, exit code 0",
    ]  # fmt: skip
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (INFO|DEBUG) ", x) for x in lines)


def test_what_ended_the_run_is_an_error(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, LostVM("panic", log_tail="Oops"))
    assert [x.split()[2] for x in lines if "panic" in x or "Oops" in x] == ["ERROR", "ERROR"]


def test_folder_without_room_keeps_no_log_and_no_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with runlog.kept_in(tmp_path / "absent"):
        LOG.info("nobody keeps it")
    with runlog.kept_in(tmp_path):
        assert [type(one) for one in runlog.ROOT.handlers].count(logging.FileHandler) == 1
    assert capsys.readouterr() == ("", "")
    assert logging.FileHandler not in [type(one) for one in runlog.ROOT.handlers]


def test_verbose_tells_what_the_screen_has_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runlog.ROOT, "handlers", [])
    runlog.show()
    LOG.debug("starting QEMU")
    logging.getLogger("testbed.progress").info("fetching")
    assert capsys.readouterr().err == "testbed.engines: starting QEMU\n"
