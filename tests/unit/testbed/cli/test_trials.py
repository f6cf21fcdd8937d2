# SPDX-License-Identifier: GPL-2.0-only
"""Trials of the command line: exit code and summary agree, whatever ends them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from testbed.cli import faults as cli
from testbed.cli.trials import TrialRuns
from testbed.engines.open import build_options
from testbed.errors import EnvironmentProblem, ExitCode, LostVM, ModelFailure, TestbedError
from testbed.faults.entry import Fault
from testbed.faults.evidence import Evidence
from testbed.faults.judge import Judgement, TrialVerdict
from testbed.faults.null import NullVerdict
from testbed.faults.replay import Replay
from testbed.faults.run import Trial
from testbed.host.interrupt import Interrupted

NAME = "irq-lost"
Outcome = Callable[[Fault], Trial]


class PlayedSeries:
    """Instead of machines: each trial is what the test says, or its error."""

    def __init__(self, trial: Outcome, null: NullVerdict = NullVerdict.TELLS) -> None:
        self._trial = trial
        self._null = null
        self.kept: Path | None = None

    def cannot(self, _fault: Fault) -> str:
        return ""

    def run(self, fault: Fault, _plan: object = None) -> Trial:
        return self._trial(fault)

    run_past_known = run

    def run_null(self, fault: Fault) -> tuple[Trial, NullVerdict]:
        return self._trial(fault), self._null


class PlayedPool:
    """Of no machine."""

    problem: TestbedError | None = None

    def discard(self) -> None:
        """Nothing to end."""

    def describe(self, _report: object) -> None:
        """Nothing to say."""


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command with played trials: exit code and summary."""
    pool = PlayedPool()

    def run(words: list[str], series: PlayedSeries, problem: TestbedError | None = None) -> Any:
        pool.problem = problem

        def make(options: Any, run_dir: Path | None) -> TrialRuns:
            runs = TrialRuns(options, run_dir)
            runs.pool, runs.series = pool, series  # type: ignore[assignment]
            return runs

        monkeypatch.setattr(cli, "TrialRuns", make)
        done = CliRunner().invoke(cli.faults, [*words, "--run-dir", str(tmp_path)])
        document = json.loads((tmp_path / "latest/summary.json").read_text())
        assert document["exit_code"] == done.exit_code, done.output
        return done.exit_code, document

    return run


def trial(verdict: TrialVerdict, **more: Any) -> Outcome:
    return lambda fault: Trial(fault, Judgement(verdict, signature="x"), Evidence(), **more)


def raising(error: BaseException) -> Outcome:
    def run(_fault: Fault) -> Trial:
        raise error

    return run


@pytest.mark.parametrize(
    ("outcome", "code", "verdict"),
    [
        (trial(TrialVerdict.PASS), ExitCode.PASS, "pass"),
        (trial(TrialVerdict.FINDING), ExitCode.PASS, "pass"),
        (trial(TrialVerdict.GONE), ExitCode.PASS, "pass"),
        (trial(TrialVerdict.FAIL), ExitCode.TEST_FAILURE, "fail"),
        (trial(TrialVerdict.NEVER_FIRED), ExitCode.TEST_FAILURE, "fail"),
        (raising(ModelFailure("the card died")), ExitCode.MODEL, "model"),
        (raising(EnvironmentProblem("no disk")), ExitCode.ENVIRONMENT, "environment"),
        (raising(Interrupted(15)), 143, "interrupted"),
    ],
)
@pytest.mark.parametrize("null", [[], ["--null"]], ids=["fault", "null"])
def test_end_of_a_run(
    ended: Any, outcome: Outcome, code: int, verdict: str, null: list[str]
) -> None:
    if null and verdict == "fail":  # as it is to
        code, verdict = ExitCode.PASS, "pass"
    returned, document = ended(["run", NAME, *null], PlayedSeries(outcome))
    assert (returned, document["verdict"]) == (code, verdict)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(TrialVerdict.FAIL, ExitCode.LOST_VM), (TrialVerdict.FINDING, ExitCode.PASS)],
)
def test_lost_machine_that_nothing_explains_is_a_lost_vm(
    ended: Any, verdict: TrialVerdict, code: int
) -> None:
    returned, document = ended(["run", NAME], PlayedSeries(trial(verdict, lost=LostVM("panic"))))
    assert returned == code
    assert document["checks"][0]["fault"] == ("lost VM" if code else None)


def test_null_trial_that_loses_its_machine_is_a_lost_vm(ended: Any) -> None:
    lost = trial(TrialVerdict.FAIL, lost=LostVM("it hangs"))
    code, document = ended(["run", NAME, "--null"], PlayedSeries(lost, NullVerdict.LOST))
    assert (code, document["verdict"]) == (ExitCode.LOST_VM, "lost-vm")
    assert document["checks"][0]["fault"] == "lost VM"


def test_card_that_fails_at_the_end_is_told(ended: Any) -> None:
    series = PlayedSeries(trial(TrialVerdict.PASS))
    code, document = ended(["run", NAME], series, ModelFailure("the card hangs"))
    assert (code, document["verdict"]) == (ExitCode.MODEL, "model")
    assert document["checks"][0]["outcome"] == "pass"


def test_finding_that_does_not_show_is_neither_passed_nor_failed(ended: Any) -> None:
    _, document = ended(["run", NAME], PlayedSeries(trial(TrialVerdict.GONE)))
    assert [check["outcome"] for check in document["checks"]] == ["gone"]


def test_check_names_the_folder_that_the_trial_was_kept_in(
    ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page links a red line to its replay file."""
    series = PlayedSeries(trial(TrialVerdict.FAIL))
    make = cli.TrialRuns.__init__

    def with_folder(runs: Any, *arguments: Any) -> None:
        make(runs, *arguments)
        series.kept = runs.directory.path / "faults" / NAME

    monkeypatch.setattr(cli.TrialRuns, "__init__", with_folder)
    _, document = ended(["run", NAME], series)
    assert [check["evidence"] for check in document["checks"]] == [f"faults/{NAME}"]


@pytest.mark.parametrize(
    ("verdict", "signature", "code", "outcome"),
    [
        (TrialVerdict.FAIL, "x", 0, "pass"),
        (TrialVerdict.FAIL, "other", 1, "fail"),
        (TrialVerdict.GONE, "other", 0, "gone"),
    ],
)
def test_replay_passes_if_it_shows_what_the_file_says(
    ended: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdict: TrialVerdict,
    signature: str, code: int, outcome: str,
) -> None:  # fmt: skip
    fault = replace(cli.load_catalogue()[NAME])
    options = build_options({"engine": "uml", "seed": 1})
    kept = Replay(fault, fault.document(), options, signature)
    monkeypatch.setattr(cli, "load_replay", lambda _path: kept)
    file = tmp_path / "replay.toml"
    series = PlayedSeries(trial(verdict))
    returned, document = ended(["replay", str(file), "--times", "2"], series)
    assert returned == code
    assert [check["outcome"] for check in document["checks"]] == [outcome] * 2
