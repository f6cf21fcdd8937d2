# SPDX-License-Identifier: GPL-2.0-only
"""``testbed runs`` on the command line: nothing goes unless that is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main as cli
from tests.unit.testbed.report.test_runs import NAMES, make


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        make(tmp_path / "runs", name, days=2.0)
    (tmp_path / "runs/latest").symlink_to(NAMES[-1])
    return tmp_path / "runs"


def test_prune_says_each_and_does_it_only_with_yes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(["runs", "prune", "--keep", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == [
        f"would go: {folder / name}" for name in NAMES[1::-1]
    ]
    assert lines[2].startswith("2 of 5 runs")
    assert lines[2].endswith("add --yes to do it")
    assert (folder / NAMES[0]).is_dir()
    assert cli.run_app(["runs", "prune", "--keep", "3", "--yes"]) == 0
    assert f"removed: {folder / NAMES[0]}" in capsys.readouterr().out
    assert not (folder / NAMES[0]).exists()


def test_prune_without_a_limit_is_no_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(["runs", "prune", "--yes"]) == 2
    assert "--keep, --older or --size" in capsys.readouterr().err
    assert len(list(folder.iterdir())) == 6


def test_list_and_last_for_people_and_programs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(["runs", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)
    assert cli.run_app(["runs", "list", "--json"]) == 0
    (newest, *_) = json.loads(capsys.readouterr().out)
    assert (newest["run_directory"], newest["verdict"]) == (str(folder / NAMES[-1]), "pass")
    assert cli.run_app(["runs", "last"]) == 0
    assert capsys.readouterr().out == f"{folder / NAMES[-1]}\n"


def test_last_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["runs", "last", "--run-dir", str(tmp_path)]) == 2
    assert "there is no run" in capsys.readouterr().err
