# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz bench``: every bug, search and seed once, and what is there is not done again."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.cli import fuzz_bench as module
from testbed.cli import main as cli
from testbed.errors import EnvironmentProblem, ExitCode
from testbed.fuzz.bench import Bug, Detector
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.start import Wanted
from testbed.fuzz.store import Store, row_of
from tests.unit.testbed.cli.test_fuzz_triage import Guests
from tests.unit.testbed.fuzz.campaigns import LOST, MEMORY, schedule


class Searches:
    """Stands for campaigns: one finds the bug unless it is blind; ``fails``: the n-th cannot be."""

    def __init__(self, fails: int = 0) -> None:
        self.done: list[str] = []
        self.fails = fails

    def __call__(
        self, store: Store, place: Path, detector: Detector, seconds: float, workers: int
    ) -> list[str]:
        self.done.append(f"{place.parent.name}/{place.name}")
        if len(self.done) == self.fails:
            raise EnvironmentProblem("no disk")
        blind = place.name.startswith("blind")
        one = schedule(LOST)
        outcome = Outcome(
            schedule=one.name, ended=Ended.DONE, complaints=() if blind else (MEMORY,)
        )  # fmt: skip
        with store.batch():
            store.add_schedule(one, "", "blind")
            store.add_run(row_of(1, outcome, mode="blind", worker="w", at=12.0))
            for complaint in outcome.complaints:
                store.add_complaint(1, one, complaint, "")
        return detector.found(store)


class Clean(Guests):
    """The kernel without a bug."""

    def run(self, one: Any) -> Outcome:
        return Outcome(schedule=one.name, ended=Ended.DONE)


@pytest.fixture
def searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searches:
    found = Searches()
    built = SimpleNamespace(release="7.2.12", key="k", image=Path("/cache/linux"))
    monkeypatch.setattr(module, "SourceKernels", lambda **_: SimpleNamespace(build=lambda _: built))
    monkeypatch.setattr(module, "Executor", Clean)
    monkeypatch.setattr(module, "_lead", found)
    (tmp_path / "bugs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "bugs" / f"{name}.patch").touch()
    monkeypatch.chdir(tmp_path)
    return found


def bench(*words: str) -> int:
    return cli.run_app(["fuzz", "bench", "bugs", "--out", "out", *words])


def test_all_of_it(searches: Searches, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--seeds", "2", "--minutes", "1") == 0
    assert searches.done == [
        f"{bug}/{mode}-{seed}" for bug in "ab" for mode in ("guided", "blind") for seed in (1, 2)
    ]
    told = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert told["found"] == {"guided": [4, 4], "blind": [0, 4]}
    assert told["medians"][0]["seconds"] == 12.0
    assert told["trials"][0]["limit_s"] == 60
    assert "guided: 4 of 4 trials found their bug" in capsys.readouterr().out


def test_goes_on(searches: Searches, capsys: pytest.CaptureFixture[str]) -> None:
    searches.fails = 2
    assert bench("--seeds", "1", "--mode", "guided") == ExitCode.ENVIRONMENT
    searches.done.clear()
    searches.fails = 0
    assert bench("--seeds", "1", "--mode", "guided") == 0
    assert searches.done == ["b/guided-1"]


def test_no_time_left(tmp_path: Path, searches: Searches) -> None:
    """A campaign that was killed goes on for what is left of its time only."""
    bug = Bug("a", tmp_path)
    wanted = Wanted(flavour="uml-san", kernel="/k", seed=1, mode="blind")
    detector = Detector(lambda one: Outcome(schedule=one.name, ended=Ended.DONE))
    first = module._search(tmp_path / "a" / "blind-1", wanted, detector, 60, 1, bug.name)
    again = module._search(tmp_path / "a" / "blind-1", wanted, detector, 12, 1, bug.name)
    assert searches.done == ["a/blind-1"]
    assert (first.seconds, again.seconds, again.found) == (12.0, 12.0, False)


def test_bad_usage(searches: Searches, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["fuzz", "bench", "no-such", "--out", "out"]) == ExitCode.USAGE
    assert "no patch and no folder no-such" in capsys.readouterr().err
