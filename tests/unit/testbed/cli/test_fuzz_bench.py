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
from testbed.errors import EnvironmentProblem, ExitCode, UsageProblem
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
        self.seconds: list[float] = []
        self.fails = fails

    def __call__(
        self, store: Store, place: Path, detector: Detector, seconds: float, workers: int
    ) -> list[str]:
        self.done.append(f"{place.parent.name}/{place.name}")
        self.seconds.append(seconds)
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
        f"{bug}/{mode}-{seed}" for seed in (1, 2) for bug in "ab" for mode in ("guided", "blind")
    ], "half of it says something of every bug"
    told = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert told["found"] == {"guided": [4, 4], "blind": [0, 4]}
    assert told["medians"][0]["seconds"] == 12.0
    assert told["trials"][0]["limit_s"] == 60
    out = capsys.readouterr().out
    assert "guided: 4 of 4 trials found their bug: 100% (95 %: 51% to 100%)" in out
    assert "| a | guided | 2 of 2 | 12 (12-12) |" in out
    assert "| a | blind | 0 of 2 | over 12 |" in out


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
    assert first is not None
    assert again is not None
    assert (first.seconds, again.seconds, again.found) == (12.0, 12.0, False)


def test_a_share(searches: Searches) -> None:
    assert bench("--seeds", "1", "--mode", "guided", "--bugs", "2/2") == 0
    assert searches.done == ["b/guided-1"]
    assert bench("--bugs", "3/2") == ExitCode.USAGE


def test_stops_in_time(searches: Searches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not done by then is no trial, and goes on later."""
    now = iter([0.0, 0.0, 50.0, 61.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert bench("--seeds", "1", "--minutes", "5", "--stop-after", "1") == 0
    assert searches.done == ["a/guided-1", "a/blind-1"]
    assert searches.seconds == [60.0, 10.0]
    told = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [one["mode"] for one in told["trials"]] == ["guided"], "blind had 10 s of its 5 minutes"
    assert bench("--seeds", "1", "--minutes", "5", "--mode", "blind", "--bugs", "1/2") == 0
    assert searches.done[2:] == ["a/blind-1"]
    assert searches.seconds[2] == 288.0, "12 s are on record"


def test_a_bug_without_a_kernel(
    searches: Searches,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The others are searched for, and it is named at the end."""

    tried: list[str] = []

    def build(bug: Bug, *_: object) -> str:
        tried.append(bug.name)
        if bug.name == "a":
            raise UsageProblem("the patch does not apply")
        return "/cache/linux"

    monkeypatch.setattr(module, "_build", build)
    assert bench("--seeds", "2", "--mode", "guided") == ExitCode.USAGE
    assert searches.done == ["b/guided-1", "b/guided-2"]
    assert tried == ["a", "b", "b"], "what cannot be built is not tried again"
    assert (tmp_path / "out" / "bench.json").exists()
    assert "no kernel can be built of a: the patch does not apply" in capsys.readouterr().err


def test_table_of_several_folders(
    searches: Searches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        words = ["fuzz", "bench", "bugs", "--out", f"out{number}", "--seeds", "1"]
        assert cli.run_app([*words, "--bugs", f"{number}/2"]) == 0
    capsys.readouterr()
    searches.done.clear()
    assert cli.run_app(["fuzz", "bench-table", "out1", "out2", "--svg", "plot.svg"]) == 0
    assert searches.done == []
    out = capsys.readouterr().out
    assert "| a | guided | 1 of 1 |" in out
    assert "| b | blind | 0 of 1 |" in out
    assert "guided, 2 trials" in (tmp_path / "plot.svg").read_text()


def test_no_table(searches: Searches, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["fuzz", "bench-table", "none"]) == ExitCode.USAGE
    assert "no trial is done in none" in capsys.readouterr().err


def test_bad_usage(searches: Searches, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["fuzz", "bench", "no-such", "--out", "out"]) == ExitCode.USAGE
    assert "no patch and no folder no-such" in capsys.readouterr().err
