# SPDX-License-Identifier: GPL-2.0-only
"""What the catalogue says where it cannot be tried."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from testbed.dut.protocols import Capability
from testbed.engines.open import build_options
from testbed.errors import EnvironmentProblem, LostVM, ModelFailure, TestbedError
from testbed.faults.catalogue import load_catalogue
from testbed.faults.evidence import Evidence
from testbed.faults.judge import Judgement, TrialVerdict
from testbed.faults.run import Trial
from testbed.faults.series import TrialSeries
from testbed.findings.judge import Findings
from testbed.report.results import REQUIRES
from testbed.workloads.table import WORKLOADS


@pytest.mark.parametrize(
    ("engine", "reason"),
    [("lab", f"{REQUIRES}scripted faults"), ("qemu", "not on qemu")],
)
def test_reason_without_a_machine(engine: str, reason: str, tmp_path: Path) -> None:
    """A real card lacks a capability; nothing boots to find that out."""
    fault = next(fault for fault in load_catalogue().values() if "qemu" not in fault.engines)
    pool = SimpleNamespace(options=SimpleNamespace(engine=engine))
    series = TrialSeries(pool, Findings([]), tmp_path)  # type: ignore[arg-type]
    assert series.cannot(fault) == reason


def test_reason_of_capabilities(tmp_path: Path) -> None:
    """A kernel may lack what an entry needs, and have what spoils it."""
    fault = load_catalogue()["restart-ring-id-wrong"]
    needs = WORKLOADS[fault.workload].needs
    pool = Mock(options=build_options({"engine": "uml"}), loss=None)
    series = TrialSeries(pool, Findings([]), tmp_path)
    reasons = []
    for has in (needs, needs - {Capability.HEADER_SPLIT}, needs | {Capability.NTUPLE}):
        pool.current.return_value.dut.capabilities = has
        reasons.append(series.cannot(fault))
    assert reasons == ["", f"{REQUIRES}header-data split", "not with ntuple filters"]


@pytest.mark.parametrize(
    ("reasons", "worn", "real", "null"),
    [
        ([], False, 0, 0),
        (["no ring was allocated"], False, 1, 0),
        (["no traffic afterwards"], True, 1, 1),
    ],
)
def test_machine_after_a_trial(
    reasons: list[str], worn: bool, real: int, null: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whoever fails gets a new one; a null fault is to fail, and gets one if something is left."""
    fault = next(iter(load_catalogue().values()))
    verdict = TrialVerdict.FAIL if reasons else TrialVerdict.PASS
    trial = Trial(fault, Judgement(verdict, reasons), Evidence(), worn=worn)
    monkeypatch.setattr("testbed.faults.series.try_fault", lambda *_, **__: trial)
    monkeypatch.setattr(TrialSeries, "_keep", lambda *_: None)
    pool = Mock(options=build_options({"engine": "uml"}), is_up=False, loss=None)
    series = TrialSeries(pool, Findings([]), tmp_path)
    series.run(fault)
    assert pool.discard.call_count == real
    pool.discard.reset_mock()
    series.run_null(fault)
    assert pool.discard.call_count == null


@pytest.mark.parametrize(
    ("loss", "ends"),
    [
        (LostVM("it panicked after its trial had been judged"), False),
        (ModelFailure("the card died"), True),
        (EnvironmentProblem("the clean-up process of this run was killed"), True),
    ],
)
def test_machine_that_is_lost_between_two_trials(
    loss: TestbedError, ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest may have been spoiled; nothing that a trial did ends card or host."""
    fault = next(iter(load_catalogue().values()))
    trial = Trial(fault, Judgement(TrialVerdict.PASS, []), Evidence(), worn=False)
    monkeypatch.setattr("testbed.faults.series.try_fault", lambda *_, **__: trial)
    pool = Mock(options=build_options({"engine": "uml"}), is_up=False, loss=loss)
    series = TrialSeries(pool, Findings([]), tmp_path)
    with pytest.raises(type(loss)) if ends else nullcontext():
        series.run(fault)
    pool.discard.assert_called_once_with(told=True)


@pytest.mark.parametrize(
    ("second", "ended_by", "verdict", "shown"),
    [
        (TrialVerdict.PASS, ("race",), TrialVerdict.FINDING, ("race",)),
        (TrialVerdict.FAIL, ("race",), TrialVerdict.FAIL, ("race",)),
        (TrialVerdict.NEVER_FIRED, ("race",), TrialVerdict.NEVER_FIRED, ("race",)),
        (TrialVerdict.PASS, (), TrialVerdict.NEVER_FIRED, ()),
    ],
)
def test_guest_that_a_bug_on_record_ended(
    second: TrialVerdict, ended_by: tuple[str, ...], verdict: TrialVerdict, shown: tuple[str, ...],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The entry is tried again, and has to show what it is to show; nothing else is excused."""
    fault = next(iter(load_catalogue().values()))
    never = Judgement(TrialVerdict.NEVER_FIRED, ["fault never fired"])
    trials = [
        Trial(fault, never, Evidence(), lost=LostVM("panic"), panicked_of=ended_by),
        Trial(fault, Judgement(second, []), Evidence()),
    ]
    monkeypatch.setattr("testbed.faults.series.try_fault", lambda *_, **__: trials.pop(0))
    monkeypatch.setattr(TrialSeries, "_keep", lambda *_: None)
    pool = Mock(options=build_options({"engine": "uml"}), is_up=False, loss=None)
    trial = TrialSeries(pool, Findings([]), tmp_path).run_past_known(fault)
    assert (trial.verdict, trial.judgement.findings) == (verdict, shown)
    assert len(trials) == (0 if ended_by else 1)
