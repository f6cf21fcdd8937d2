# SPDX-License-Identifier: GPL-2.0-only
"""Commands that are timed: which there are, what a round is made of, and what comes of failures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.bench import start
from testbed.bench.start import COMMANDS, Command, Took, document, measure, named, samples_csv
from testbed.errors import GuestCommandFailed, UsageProblem
from testbed.host.child import Ended
from testbed.host.load import Load, LoadSeen

LOAD = LoadSeen(Load(1.0, 10, 1000), Load(2.0, 30, 2000), 2)
BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


@pytest.mark.parametrize("text", ["help,make-tea", "", " ,"])
def test_unknown_command(text: str) -> None:
    with pytest.raises(UsageProblem, match="--commands: there is no") as caught:
        named("--commands", text)
    assert ", ".join(COMMANDS) in str(caught.value.remedy)


def test_rounds_and_the_first_that_counts_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def run(words: Sequence[str], log: Path, _limit_s: float, *, folder: Path) -> Ended:
        calls.append(tuple(words[2:]))
        run_folder = folder / "runs" / "20261122-000000-abcdef"
        if "exec" in words:
            run_folder.mkdir(parents=True)
            (run_folder / "summary.json").write_text("x" * 1000)
        log.write_text("")
        return Ended(0, [], False)

    monkeypatch.setattr(start, "run_python", run)
    found = measure(("help", "exec-uml"), 2, tmp_path, lambda _text: None)
    assert calls == [COMMANDS[name].words for name in ("help", "exec-uml")] * 3
    assert [(one.command, one.round) for one in found] == [
        ("help", 1), ("exec-uml", 1), ("help", 2), ("exec-uml", 2),
    ]  # fmt: skip
    assert [one.left_bytes for one in found[:2]] == [0, 1000]
    assert not list(tmp_path.iterdir())  # what they leave behind does not stay


def test_cpu_time_is_that_of_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "COMMANDS", {"busy": Command(())})
    real = start.run_python
    monkeypatch.setattr(
        start, "run_python", lambda _words, *more, **named: real(["-c", BUSY], *more, **named)
    )
    (took,) = measure(("busy",), 1, tmp_path, lambda _text: None)
    assert took.cpu_s >= 0.3


def test_a_command_that_does_it_several_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = iter([0.0, 9.0, 10.0, 16.0])
    monkeypatch.setattr(start, "COMMANDS", {"cycle": Command((), times=3)})
    monkeypatch.setattr(start, "_computed_s", lambda: next(computed))
    monkeypatch.setattr(start, "run_python", lambda *_, **_named: Ended(0, [], False))
    (took,) = measure(("cycle",), 1, tmp_path, lambda _text: None)
    assert took.cpu_s == 2.0


def test_a_command_that_fails_fails_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_words: Sequence[str], _log: Path, _limit_s: float, *, folder: Path) -> Ended:
        return Ended(3, ["environment: no kernel"], False)

    monkeypatch.setattr(start, "run_python", run)
    with pytest.raises(GuestCommandFailed, match=r"--help ends with 3: environment: no kernel"):
        measure(("help",), 1, tmp_path, lambda _text: None)


def test_files() -> None:
    found = [Took("help", number, wall, 0.2, 0) for number, wall in ((1, 0.5), (2, 0.7), (3, 9.0))]
    told = document(found, LOAD, "0123")
    assert told["commands"]["help"] == {"wall_s": 0.7, "cpu_s": 0.2, "left_bytes": 0}
    assert told["load"]["stolen"] == 0.02
    rows = list(csv.DictReader(samples_csv(found).splitlines()))
    assert [row["wall_s"] for row in rows] == ["0.500", "0.700", "9.000"]
