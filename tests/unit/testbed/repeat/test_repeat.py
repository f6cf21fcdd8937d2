# SPDX-License-Identifier: GPL-2.0-only
"""The account of repeated runs, and the command's verdict on it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import jsonschema
import pytest
from typer.testing import CliRunner

from testbed.cli import repeat as uml_cli
from testbed.cli.main import make_app
from testbed.engines.uml.prepare import UmlPrepared
from testbed.errors import (
    EnvironmentProblem,
    ExitCode,
    GuestCommandFailed,
    LaunchFailure,
    LostVM,
    ModelFailure,
    TestbedError,
)
from testbed.repeat import repeat as repeat_module
from testbed.repeat.recorded import Record
from testbed.repeat.repeat import Cycles, Ended, Repeats, cycle
from testbed.report import summary
from testbed.report.seen import Seen, SeenKind
from testbed.workloads.scripts import cycles
from testbed.workloads.table import SCENARIOS


def test_account_counts_good_runs_only() -> None:
    account = Repeats(Counter({"a": 3, "b": 1}), [LostVM("gone")], 2.0)
    assert account.runs == 4
    assert account.per_second == 2.0
    assert Repeats().per_second == 0.0


def test_account_tells_each_different_thing_once() -> None:
    account = Repeats()
    broken = Seen(kind=SeenKind.VIOLATION, name="doorbell_unknown", times=2)
    finding = Seen(kind=SeenKind.FINDING, name="zcrx-x")
    account.add(Ended("a", seen=(finding, broken)))
    account.add(Ended(error=LostVM("gone"), seen=(broken,)))
    account.add(Ended("a"))
    assert account.hashes == {"a": 2}
    assert [error.message for error in account.failures] == ["gone"]
    assert account.seen == [finding, replace(broken, times=4)]


@pytest.mark.parametrize(
    ("hashes", "failures", "recorded", "expected"),
    [
        ({"a": 4}, [], None, ExitCode.PASS),
        ({"a": 4}, [], "a", ExitCode.PASS),
        ({"a": 4}, [], "b", ExitCode.TEST_FAILURE),
        ({"a": 3, "b": 1}, [], None, ExitCode.TEST_FAILURE),
        ({"a": 3}, [GuestCommandFailed("sh returned 1")], None, ExitCode.TEST_FAILURE),
        ({"a": 3}, [LostVM("gone")], "a", ExitCode.LOST_VM),
        ({}, [ModelFailure("dead"), LostVM("gone")], None, ExitCode.MODEL),
        ({"a": 1, "b": 1}, [EnvironmentProblem("no space")], None, ExitCode.ENVIRONMENT),
    ],
)
def test_only_one_hash_that_on_record_and_no_failure_pass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hashes: dict[str, int],
    failures: list[TestbedError], recorded: str | None, expected: ExitCode,
) -> None:  # fmt: skip
    def repeat(*_: Any, **__: Any) -> Iterator[Repeats]:
        yield Repeats(Counter(hashes), failures, 1.0)

    def find(scenario: str, inputs: str) -> Record | None:
        assert (scenario, inputs) == ("zcrx", "i")
        if recorded is None:
            return None
        return Record("zcrx", "uml", 1, "i", "k", "cpu", "7.2", "2026-11-20", 300, recorded)

    kernel: Any = SimpleNamespace(release="7.2")
    prepared = UmlPrepared(kernel, Path(), Path(), {})
    uml = replace(uml_cli.UML, prepare=lambda options, _report: (options, prepared))
    monkeypatch.setattr(uml_cli, "UML", uml)
    monkeypatch.setattr(uml_cli, "repeat", repeat)
    monkeypatch.setattr(uml_cli, "inputs_of", lambda *_: "i")
    monkeypatch.setattr(uml_cli, "find", find)
    words = ["repeat", "zcrx", "--runs", "4", "--run-dir", str(tmp_path)]
    done = CliRunner().invoke(make_app("repeat"), words)
    assert done.exit_code == expected, done.output
    document = json.loads((tmp_path / "latest/summary.json").read_text())
    jsonschema.validate(document, summary.schema())
    assert document["exit_code"] == expected
    for digest in hashes:
        assert f"x {digest}" in done.output


def test_what_was_seen_is_told_and_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = [
        Seen(kind=SeenKind.VIOLATION, name="doorbell_unknown"),
        Seen(kind=SeenKind.FINDING, name="zcrx-x"),
    ]
    account = Repeats(Counter({"a": 4}), [], 1.0, seen)
    kernel: Any = SimpleNamespace(release="7.2")
    prepared = UmlPrepared(kernel, Path(), Path(), {})
    uml = replace(uml_cli.UML, prepare=lambda options, _report: (options, prepared))
    monkeypatch.setattr(uml_cli, "UML", uml)
    monkeypatch.setattr(uml_cli, "repeat", lambda *_, **__: iter([account]))
    words = ["repeat", "zcrx", "--runs", "4", "--run-dir", str(tmp_path)]
    done = CliRunner().invoke(make_app("repeat"), words)
    assert done.exit_code == ExitCode.TEST_FAILURE
    document = json.loads((tmp_path / "latest/summary.json").read_text())
    assert [one["name"] for one in document["seen"]] == ["doorbell_unknown", "zcrx-x"]
    assert document["findings"][0]["id"] == "zcrx-x"


def test_cycles_in_one_guest_play_the_scenario_that_was_asked_for() -> None:
    one = SCENARIOS["zcrx"]
    several = cycles(one, 3)
    assert one.script in several.script
    assert f"play {one.words[0]}\n" in several.script
    assert "$(seq 3)" in several.script
    assert cycles(SCENARIOS["ping"], 3).script != several.script


def test_cycles_leave_the_interface_down_for_a_scenario_that_sets_it_up() -> None:
    assert "last='up nut0'" in cycles(SCENARIOS["ping"], 2).script
    assert "last=''" in cycles(SCENARIOS["zcrx"], 2).script


class Guest:
    """A process pool that does its work at once; each round it ends with the next of ``ends``."""

    ends: ClassVar[Iterator[Ended]]
    asked: ClassVar[list[int]]

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, work: object, *words: Any) -> Future[Ended]:
        future: Future[Ended] = Future()
        if words:
            self.asked.append(words[1])
        future.set_result(next(self.ends) if words else Ended())
        return future

    def shutdown(self, **_: Any) -> None:
        pass


def cycled(monkeypatch: pytest.MonkeyPatch, *ends: Ended) -> Cycles:
    """25 cycles in two guests which end so, round by round."""
    monkeypatch.setattr(repeat_module, "ProcessPoolExecutor", Guest)
    Guest.ends, Guest.asked = iter(ends), []
    nothing: Any = None
    return cycle(nothing, nothing, "zcrx", Path(), runs=49, workers=2)


def test_guests_play_equally_often_and_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = (Seen(kind=SeenKind.FINDING, name="zcrx-x", times=3),)
    done = cycled(monkeypatch, *(Ended(h, seen=seen) for h in "aabbcc"))
    assert Guest.asked == [10, 10, 10, 10, 5, 5]
    assert (done.count, done.event_hashes) == (25, {"c": 2})
    assert [one.times for one in done.seen] == [6], "of the last round: each tells of all it did"


def test_guests_that_differ_go_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    done = cycled(monkeypatch, *map(Ended, "aabz"))
    assert (done.count, done.event_hashes) == (20, {"b": 1, "z": 1})


def test_guest_that_fails_ends_its_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LostVM, match="gone"):
        cycled(monkeypatch, Ended("a"), Ended(error=LostVM("gone")))


@pytest.mark.parametrize(
    ("hashes", "expected"),
    [
        ({"a": 1}, ExitCode.PASS),
        ({"a": 2}, ExitCode.PASS),
        ({"a": 1, "b": 1}, ExitCode.TEST_FAILURE),
    ],
)
def test_guests_of_many_cycles_have_to_be_one_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hashes: dict[str, int], expected: ExitCode
) -> None:
    kernel: Any = SimpleNamespace(release="7.2")
    prepared = UmlPrepared(kernel, Path(), Path(), {})
    uml = replace(uml_cli.UML, prepare=lambda options, _report: (options, prepared))
    monkeypatch.setattr(uml_cli, "UML", uml)
    monkeypatch.setattr(uml_cli, "cycle", lambda *_, **__: Cycles(20, 2.0, Counter(hashes), ()))
    words = ["repeat", "zcrx", "--persistent", "--runs", "40", "--run-dir", str(tmp_path)]
    done = CliRunner().invoke(make_app("repeat"), words)
    assert done.exit_code == expected, done.output
    for digest, count in hashes.items():
        assert f"{count} x {digest}" in done.output


@pytest.mark.parametrize(
    "error",
    [
        LostVM("gone", log_tail="Oops", log_path=Path("/runs/kernel.log")),
        LaunchFailure("no start", command=["uml"], returncode=-6, log_tail="x"),
        ModelFailure("dead", traceback="KeyError"),
    ],
)
def test_error_of_a_worker_is_told_whole(error: TestbedError) -> None:
    told = pickle.loads(pickle.dumps(error))
    assert type(told) is type(error)
    assert list(told.lines()) == list(error.lines())


WITH_A_KILLED_WORKER = """
import os, pathlib, signal, sys, time
from testbed.errors import EnvironmentProblem
from testbed.repeat import repeat

idle, busy = pathlib.Path(sys.argv[1], "idle"), pathlib.Path(sys.argv[1], "busy")

def run(_name):
    try:
        idle.open("x").write(str(os.getpid()))
    except FileExistsError:
        busy.touch()
        time.sleep(0.5)  # the other has ended, and waits for work with the queue's lock in its hand
        os.kill(int(idle.read_text()), signal.SIGKILL)
        time.sleep(0.5)
    while not busy.exists():
        time.sleep(0.01)
    return repeat.Ended("a")

repeat._run = run
try:
    list(repeat.repeat(None, None, "zcrx", idle.parent, runs=2, workers=2))
except EnvironmentProblem as problem:
    print(problem.message)
"""


def test_worker_killed_while_it_waits_for_work_keeps_nobody_waiting(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITH_A_KILLED_WORKER, tmp_path],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "a process of this command was killed\n", done.stderr
