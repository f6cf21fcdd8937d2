# SPDX-License-Identifier: GPL-2.0-only
"""The command: what it prints, where the site is, its exit codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.cli import nightly as command
from testbed.cli.main import run_app
from testbed.nightly.run import LOCK, leading
from testbed.nightly.store import FILE_NAME, Store
from testbed.nightly.workers import OneByOne
from tests.unit.testbed.nightly.nights import CONFIG, Killed, Processes, Say, check


def good(_words: Sequence[str]) -> Sequence[Mapping[str, object]]:
    return [check("test_a"), check("test_b")]


def bad(_words: Sequence[str]) -> Sequence[Mapping[str, object]]:
    return [check("test_a", "fail", reason="no byte came"), check("test_b")]


def nightly(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str, say: Say = good, dies: int = 0,
    key: str = "k1",
) -> int:  # fmt: skip
    processes = Processes(say, dies, key)
    monkeypatch.setattr(command, "OneByOne", lambda state: OneByOne(state, processes))
    file = folder / "nightly.toml"
    if not file.exists():
        file.write_text(CONFIG)
    state = str(folder / "state")
    return run_app(["nightly", "--config", str(file), "--folder", state, *words])


def summary(folder: Path, night: int) -> Mapping[str, object]:
    text = (folder / "state" / "nights" / str(night) / "report" / "summary.json").read_text()
    found: Mapping[str, object] = json.loads(text)
    return found


def test_a_good_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly(tmp_path, monkeypatch) == 0
    assert "pass     suite · 7.2 · uml · plain: 7.2.12" in capsys.readouterr().out
    assert (tmp_path / "state" / "site" / "index.html").is_file()
    assert summary(tmp_path, 1)["verdict"] == "pass"


def test_a_regression_fails_the_night_and_is_a_check_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly(tmp_path, monkeypatch) == 0
    assert nightly(tmp_path, monkeypatch, say=bad) == 1
    told = capsys.readouterr().out
    assert "fail     suite rings/test_restart.py::test_a (7.2 · uml · plain): night 1: pass" in told
    assert "no byte came" in told
    assert nightly(tmp_path, monkeypatch, say=bad) == 0, "it is not new any more"
    assert nightly(tmp_path, monkeypatch, key="k2") == 0
    assert "pass     suite rings/test_restart.py::test_a" in capsys.readouterr().out


def test_a_night_without_results_is_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly(tmp_path, monkeypatch, say=lambda _words: [{"name": "x"}]) == 0, "verdict: pass"
    monkeypatch.setattr(Processes, "__call__", _no_result)
    assert nightly(tmp_path, monkeypatch) == 3
    assert "no cell gave a result" in capsys.readouterr().err


def _no_result(*_arguments: object, **_more: object) -> object:
    from testbed.host.child import Ended

    return Ended(3, ["no registry"], timed_out=False)


def test_a_killed_night_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "judge_night", _killed)
    nightly(tmp_path, monkeypatch, dies=3)
    monkeypatch.undo()
    capsys.readouterr()
    assert nightly(tmp_path, monkeypatch) == 0
    assert "night 1, 3 cells, going on after 2" in " ".join(capsys.readouterr().err.split())


def _killed(*_arguments: object) -> None:
    raise Killed


def test_the_plan_and_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nightly(tmp_path, monkeypatch, "--plan") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == "suite · 7.2 · qemu · plain"
    assert "3 cells" in printed.err
    assert not (tmp_path / "state").exists(), "a plan changes nothing"
    nightly(tmp_path, monkeypatch)
    page = tmp_path / "state" / "site" / "index.html"
    page.unlink()
    assert nightly(tmp_path, monkeypatch, "--page") == 0
    assert page.is_file()
    with Store.open(tmp_path / "state") as store:
        assert len(store.nights()) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--plan", "--page"], 2, "one at a time"),
        (["--minutes", "0"], 2, "0.1"),
    ],
)
def test_wrong_options(
    words: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert nightly(tmp_path, monkeypatch, *words) == code
    assert says in capsys.readouterr().err


def test_a_wrong_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nightly.toml").write_text("minutes = true")
    assert nightly(tmp_path, monkeypatch) == 2
    assert "nightly.toml" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_a_history_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / FILE_NAME).write_text("not a database, but long enough to be one " * 100)
    assert nightly(tmp_path, monkeypatch) == 3
    assert "is damaged" in capsys.readouterr().err
    assert (state / FILE_NAME).read_text().startswith("not a database"), "it is left as it is"


def test_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with leading(tmp_path / "state"):
        assert nightly(tmp_path, monkeypatch) == 2
    assert "is running: process" in capsys.readouterr().err
    assert (tmp_path / "state" / LOCK).is_file()
