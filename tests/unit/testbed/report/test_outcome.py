# SPDX-License-Identifier: GPL-2.0-only
"""However work ends: exit code, summary.json and junit.xml say the same, and it is true."""

from __future__ import annotations

import errno
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import jsonschema
import pytest
from junitparser import JUnitXml

from testbed.errors import (
    EnvironmentProblem,
    GuestTimeout,
    LostVM,
    ModelFailure,
    NotPutBack,
    UsageProblem,
)
from testbed.host import interrupt
from testbed.report import summary
from testbed.report.cause import cause_of, exit_code_of
from testbed.report.outcome import conclude, last_words
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory


def told(tmp_path: Path, work: Callable[[RunReport], None]) -> tuple[int, dict[str, Any], str]:
    """Exit code, summary, and the type of JUnit's error: empty if there is none."""
    report = RunReport("run", "2026-11-20T08:00:00Z")
    directory = RunDirectory.named(tmp_path)
    code = conclude(report, directory, lambda: work(report), began=time.monotonic())
    document = json.loads((directory.path / "summary.json").read_text())
    jsonschema.validate(document, summary.schema())
    assert document["exit_code"] == code
    suite = next(iter(JUnitXml.fromfile(str(directory.path / "junit.xml"))))
    errors = [case.result[0].type for case in suite if case.name == "run" and case.result]
    return code, document, errors[0] if errors else ""


def passes(report: RunReport) -> None:
    report.checks.append(Check(name="x", title="x", outcome=Outcome.PASS))


def raising(error: BaseException) -> Callable[[RunReport], None]:
    def work(report: RunReport) -> None:
        passes(report)
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "verdict", "fault"),
    [
        (GuestTimeout("x"), 1, "fail", "test"),
        (UsageProblem("x"), 2, "usage", "usage"),
        (EnvironmentProblem("x"), 3, "environment", "environment"),
        (OSError(errno.ENOSPC, "No space left", "/runs/x"), 3, "environment", "environment"),
        (OSError(errno.EROFS, "Read-only file system", "/runs/x"), 3, "environment", "environment"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 3, "environment", "environment"),
        (OSError(errno.ENOENT, "No such file", "/x"), 4, "model", "testbed"),
        (MemoryError(), 3, "environment", "environment"),
        (ModelFailure("x"), 4, "model", "model"),
        (ZeroDivisionError("x"), 4, "model", "testbed"),
        (LostVM("x"), 5, "lost-vm", "lost VM"),
        (KeyboardInterrupt(), 130, "interrupted", "interrupted"),
    ],
)
def test_each_end_is_told_alike(
    tmp_path: Path, error: BaseException, code: int, verdict: str, fault: str
) -> None:
    returned, document, junit_says = told(tmp_path, raising(error))
    assert (returned, document["verdict"], junit_says) == (code, verdict, fault)
    assert exit_code_of(cause_of(error)) == code


def test_a_pass_is_a_pass(tmp_path: Path) -> None:
    code, document, junit_says = told(tmp_path, passes)
    assert (code, document["verdict"], document["interrupted_by"], junit_says) == (
        0, "pass", None, "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
@pytest.mark.parametrize("after", [None, LostVM("undo"), ModelFailure("gone"), KeyError("undo")])
def test_a_signal_is_an_interrupt_whatever_is_raised_after_it(
    tmp_path: Path, number: signal.Signals, code: int, after: Exception | None
) -> None:
    def work(_report: RunReport) -> None:
        try:
            signal.raise_signal(number)
        finally:
            if after is not None:
                raise after

    returned, document, junit_says = told(tmp_path, work)
    assert (returned, document["verdict"], junit_says) == (code, "interrupted", "interrupted")
    assert document["interrupted_by"] == number.name


def test_a_machine_not_put_back_is_told_before_the_signal_that_came_first(tmp_path: Path) -> None:
    def work(_report: RunReport) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise NotPutBack("alpha: ens1 has MTU 9000")

    code, document, junit_says = told(tmp_path, work)
    assert (code, document["verdict"], junit_says) == (3, "environment", "environment")


def test_a_swallowed_interrupt_is_one(tmp_path: Path) -> None:
    def work(report: RunReport) -> None:
        passes(report)
        with suppress(KeyboardInterrupt):  # as in a destructor
            signal.raise_signal(signal.SIGTERM)

    assert told(tmp_path, work)[0] == 143


class SignalAt:
    """Raises SIGTERM at the N-th line of what makes the directory and judges the work; counts the
    lines. A tracer (sys.settrace).
    """

    def __init__(self, number: int) -> None:
        self.lines = 0
        self._number = number

    def __call__(self, frame: FrameType, event: str, _arg: object) -> Any:
        if Path(frame.f_code.co_filename).name not in ("outcome.py", "rundir.py", "interrupt.py"):
            return None
        self.lines += event == "line"
        if event == "line" and self.lines == self._number:
            signal.raise_signal(signal.SIGTERM)
        return self


def traced(tracer: SignalAt, folder: Path) -> None:
    """A job of one check, under that tracer."""
    report = RunReport("run", "2026-11-20T08:00:00Z")
    sys.settrace(tracer)
    try:
        conclude(report, RunDirectory.named(folder), lambda: passes(report), began=time.monotonic())
    finally:
        sys.settrace(None)


def test_a_run_directory_has_reports_wherever_a_signal_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every line, from before there is a directory until the reports are written."""

    def write(self: RunDirectory, report: RunReport) -> None:  # as they are, but for the time
        (self.path / "summary.json").write_text(json.dumps({"verdict": report.verdict}))

    monkeypatch.setattr(RunDirectory, "write_reports", write)
    verdicts, number, tracer = [], 0, SignalAt(0)
    while number <= tracer.lines:
        number += 1
        folder, tracer = tmp_path / str(number), SignalAt(number)
        with interrupt.installed(), suppress(KeyboardInterrupt):
            traced(tracer, folder)
        written = [path / "summary.json" for path in folder.glob("2*")]
        verdicts += [json.loads(path.read_text())["verdict"] for path in written]
    count = verdicts.count("interrupted")
    assert verdicts == ["interrupted"] * count + ["pass"] * (len(verdicts) - count)
    assert 20 < count < len(verdicts) < number


def test_a_signal_while_there_is_no_directory_yet_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disturbed(_path: Path, **_more: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", disturbed)
    with pytest.raises(interrupt.Interrupted):
        told(tmp_path, passes)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_while_the_reports_are_written_comes_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reports = RunDirectory.write_reports

    def disturbed(self: RunDirectory, report: RunReport) -> Path:
        signal.raise_signal(signal.SIGTERM)
        return write_reports(self, report)

    monkeypatch.setattr(RunDirectory, "write_reports", disturbed)
    assert told(tmp_path, passes)[0] == 0


@pytest.mark.parametrize(
    ("status", "outcome", "code", "verdict"),
    [
        (0, None, 0, "pass"),
        (7, None, 7, "fail"),
        (0, Outcome.FAIL, 1, "fail"),
        (7, Outcome.FAIL, 7, "fail"),
        (0, Outcome.FINDING, 0, "pass"),
    ],
)
def test_status_of_a_command_is_handed_on(
    tmp_path: Path, status: int, outcome: Outcome | None, code: int, verdict: str
) -> None:
    def work(report: RunReport) -> None:
        report.command_status = status
        if outcome is not None:
            report.checks.append(Check(name="log", title="x", outcome=outcome))

    returned, document, _ = told(tmp_path, work)
    assert (returned, document["verdict"]) == (code, verdict)


def test_status_of_a_command_hides_no_problem(tmp_path: Path) -> None:
    def work(report: RunReport) -> None:
        report.command_status = 7
        raise LostVM("paniced at the end")

    assert told(tmp_path, work)[:1] == (5,)


def printing_to_nobody() -> None:
    """As rich does it."""
    try:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    except BrokenPipeError:
        raise SystemExit(1) from None


def test_a_reader_that_has_gone_is_no_bug(tmp_path: Path) -> None:
    code, document, _ = told(tmp_path, lambda _report: printing_to_nobody())
    assert (code, document["verdict"]) == (3, "environment")
    assert "nobody reads" in document["problem"]["message"]


def test_last_words_may_go_unheard_but_nothing_else() -> None:
    with last_words():
        printing_to_nobody()
    with pytest.raises(SystemExit), last_words():
        raise SystemExit(1)
