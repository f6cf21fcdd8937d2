# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz``: a campaign on a simulated kernel, and all that is said of it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cli import fuzz_lead, fuzz_replay
from testbed.cli import main as cli
from testbed.errors import ExitCode
from testbed.fuzz import start
from testbed.fuzz.folder import leading
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.reading import Reader
from testbed.fuzz.search import GuidedSearch
from tests.unit.testbed.fuzz.simulated import SimulatedExecutor, schedule

FOLDER = Path("runs") / "fuzz-main"


@pytest.fixture(autouse=True)
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No guest: the kernel is simulated, and there are ten seeds, one of which shows a bug."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(fuzz_lead, "Executor", SimulatedExecutor)
    monkeypatch.setattr(fuzz_lead, "prepare_run", lambda *_: None)
    monkeypatch.setattr(fuzz_replay, "Executor", SimulatedExecutor)
    seeds = [(f"seed {number}", schedule(number)) for number in range(1, 11)]
    monkeypatch.setattr(start, "seeds", lambda *_: iter(seeds))


def run(*words: str) -> int:
    return cli.run_app(["fuzz", *words])


def test_a_campaign_from_start_to_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GuidedSearch, "prefers_seed", lambda *_: True)  # what they show is known
    junit = tmp_path / "to" / "junit.xml"
    junit.parent.mkdir()
    words = ["start", "--workers", "1", "--check-every", "4", "--junit", str(junit)]
    assert run(*words, "--runs", "8") == ExitCode.PASS
    told = capsys.readouterr()
    assert "workers join by: testbed fuzz worker " in told.err
    assert "known as known-bug: kernel:KASAN:f0 (run 3, " in told.err
    assert "pass     search: 8 runs, " in told.out
    assert "skip     kernel:KASAN:f0: finding on record: known-bug: 1 runs" in told.out
    summary = json.loads((FOLDER / "summary.json").read_text())
    assert (summary["job"], summary["verdict"], summary["seed"]) == ("fuzz", "pass", 1)
    assert 'tests="3"' in junit.read_text()

    assert run(*words, "--runs", "12", "--fail-on", "new") == ExitCode.TEST_FAILURE
    told = capsys.readouterr()
    assert "going on after 8 runs" in told.err
    assert "fail     kernel:KASAN:f1: new: kernel:KASAN:f1: 1 runs" in told.out
    with Reader.of(FOLDER) as store:
        assert [one.number for one in store.runs()] == list(range(1, 13))

    assert run("status") == ExitCode.PASS
    told = capsys.readouterr()
    assert "not running" in told.out
    assert "runs      12 in 0:00:" in told.out
    assert "findings  1 new, 1 known" in told.out

    assert run("findings", "--new", "--json") == ExitCode.PASS
    (found,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found["signature"] == "kernel:KASAN:f1"

    assert run("show", "kernel:KASAN:f1") == ExitCode.PASS
    told = capsys.readouterr()
    assert f"schedule {schedule(10).name}, by seed of seed 10" in told.out
    assert "kernel:KASAN:f1 (new, 1 runs)" in told.out

    assert run("corpus", "export", "out") == ExitCode.PASS
    assert run("corpus", "minimise") == ExitCode.PASS
    assert "schedules in use, " in capsys.readouterr().err
    assert run("corpus", "list") == ExitCode.PASS
    assert run("corpus", "import", "out") == ExitCode.PASS
    assert "0 schedules are new to the campaign" in capsys.readouterr().err

    assert run("replay", schedule(10).name[:8], "--times", "3") == ExitCode.PASS
    assert "     3 x crashed: kernel:KASAN:f1, event hash " in capsys.readouterr().out

    assert run("minimise", schedule(10).name, "--out", "small.json") == ExitCode.PASS
    assert json.loads(Path("small.json").read_text())["seed"] == 10
    assert run("minimise", schedule(1).name) == ExitCode.USAGE
    assert "shows nothing wrong" in capsys.readouterr().err
    assert run("minimise", schedule(10).name, "--signature", "another") == ExitCode.USAGE
    assert "shows kernel:KASAN:f1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ended", "code", "said"),
    [
        (Ended.ILLEGAL, ExitCode.USAGE, "cannot be run: the kernel has no function f"),
        (Ended.MODEL_BUG, ExitCode.MODEL, "the kernel has no function f"),
    ],
)
def test_replaying_what_says_nothing_of_the_kernel_is_no_pass(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ended: Ended,
    code: ExitCode, said: str,
) -> None:  # fmt: skip
    Path("one.json").write_text(schedule(1).text)
    none = Outcome(schedule=schedule(1).name, ended=ended, problem="the kernel has no function f")
    monkeypatch.setattr(SimulatedExecutor, "run", lambda *_: none)
    for command in (["replay", "one.json"], ["minimise", "one.json", "--signature", "any"]):
        assert run(*command) == code
        told = capsys.readouterr()
        assert said in told.out + told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status"], "holds no campaign"),
        (["stop"], "is not running"),
        (["show", "abc"], "holds no campaign"),
        (["replay", "no.json"], "cannot be read"),
        (["corpus", "export", "out"], "holds no campaign"),
        (["status", "--name", "../up"], "is no name for a campaign"),
        (["start", "--flavour", "no-such"], "no-such"),
        (["start", "--corpus", "nowhere"], "is no corpus"),
    ],
)
def test_what_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == ExitCode.USAGE
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (FOLDER / "summary.json").exists()


def test_one_campaign_has_one_leader(capsys: pytest.CaptureFixture[str]) -> None:
    FOLDER.mkdir(parents=True)
    with leading(FOLDER):
        assert run("start") == ExitCode.USAGE
        assert "is running: process " in capsys.readouterr().err
        assert run("stop") == ExitCode.PASS
    assert (FOLDER / "stop").exists()


def test_help_does_not_wait_for_dask() -> None:
    program = "import sys, testbed.cli.fuzz; print('distributed' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert done.stdout == "False\n"
