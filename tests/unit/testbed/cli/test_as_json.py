# SPDX-License-Identifier: GPL-2.0-only
"""``--json`` and the options of every command, on the command line itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed import ROOT, __version__
from testbed.cli import doctor
from testbed.cli import main as cli
from testbed.cli import progress as told
from testbed.job import by_hand, main
from testbed.options import ENGINES
from testbed.report import runlog


@pytest.fixture(autouse=True)
def _as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(ENGINES, "toy", "tests.unit.testbed.engines.toy.engine")
    monkeypatch.setattr(told, "_quiet", [])
    monkeypatch.setattr(runlog.ROOT, "handlers", [])


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit code, what is on stdout as JSON, and what is on stderr."""
    code = cli.run_app(list(arguments))
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def fail_to_prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(_options: object, say: Any) -> Any:
        say("fetching the kernel")
        raise by_hand.GuestTimeout("never prepared")

    monkeypatch.setattr(main, "prepare_run", prepare)
    monkeypatch.setitem(main.run_main_job.__kwdefaults__, "prepare", prepare)


def test_run_says_where_it_is_also_if_it_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail_to_prepare(monkeypatch)
    code, found, _ = document(capsys, "run", "--json")
    assert (code, found["exit_code"], found["verdict"]) == (1, 1, "fail")
    assert Path(found["run_directory"]) == (tmp_path / "runs/latest").resolve()
    assert json.loads(Path(found["summary"]).read_text())["verdict"] == "fail"
    assert found["problem"]["message"] == "never prepared"


def test_path_is_on_one_line_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail_to_prepare(monkeypatch)
    deep = tmp_path / ("d" * 100)
    assert cli.run_app(["run", "--run-dir", str(deep)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(str((deep / "latest").resolve()) in line for line in lines)


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (None, 0), (False, 3)])
def test_doctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ok: bool | None, code: int
) -> None:
    found = doctor.Finding("memory", ok, "1 GiB", "buy some")
    monkeypatch.setattr(doctor, "examine", lambda: iter([found]))
    returned, said, _ = document(capsys, "doctor", "--json")
    assert (returned, said["ok"]) == (code, ok is not False)
    assert said["checks"] == [{"what": "memory", "ok": ok, "detail": "1 GiB", "remedy": "buy some"}]


def test_cache(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "empty"))
    code, said, _ = document(capsys, "cache", "info", "--json")
    assert (code, said["bytes"], said["items"]) == (0, 0, [])


def test_difference_of_two_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    long = "because " * 40
    for name, outcome, reason in (("a", "pass", ""), ("b", "fail", long)):
        checks = [{"group": "g", "name": "n", "outcome": outcome, "reason": reason}]
        (tmp_path / name).write_text(json.dumps({"checks": checks}))
    code, said, _ = document(capsys, "report", "diff", "a", "b", "--json")
    assert (code, said["counts"]["otherwise"]) == (1, 1)
    assert said["differences"][0]["reason"] == long
    assert cli.run_app(["report", "diff", "a", "b"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "a and b"
    assert any(long.strip() in line for line in said)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["--version"]) == 0
    assert capsys.readouterr().out == f"testbed {__version__}\n"


def test_quiet_tells_problems_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_prepare(monkeypatch)
    told.progress("shown")
    assert cli.run_app(["-q", "run"]) == 1
    told.progress("hidden")
    said = capsys.readouterr()
    assert "shown" in said.err
    assert "hidden" not in said.err
    assert "never prepared" in said.out


def test_quiet_and_verbose_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["-q", "-v", "doctor"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_help_names_the_program_and_what_only_a_clone_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run_app(["--help"]) == 0
    said = capsys.readouterr().out
    assert "Usage: testbed " in said
    assert "./tb test" in said


def test_completion_knows_the_commands() -> None:
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "_TESTBED_COMPLETE": "complete_bash",
        "COMP_WORDS": "testbed fau", "COMP_CWORD": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-m", "testbed"], env=environment, capture_output=True, check=False
    )
    assert done.stdout.split() == [b"faults"]
