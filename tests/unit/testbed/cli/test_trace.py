# SPDX-License-Identifier: GPL-2.0-only
"""``testbed trace`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main as cli
from tests.unit.testbed.report.test_trace import write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    latest = tmp_path / "runs/latest"
    latest.mkdir(parents=True)
    write(latest / "trace.jsonl", "{\n")
    return latest


def test_the_last_run_as_text_json_and_file(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.run_app(["trace", "--only", "violation,hwrm", "--ring", "7"]) == 0
    said = capsys.readouterr()
    assert [line.split()[1] for line in said.out.splitlines()] == ["hwrm", "violation"]
    assert "1 lines are no records" in said.err
    assert cli.run_app(["trace", str(folder), "--json", "--since", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["topic"], one["t_ns"]) for one in found] == [
        ("violation", 3_000_000_000), ("doorbell", 3_000_000_001),
    ]  # fmt: skip
    assert cli.run_app(["trace", "--perfetto", "out.json"]) == 0
    assert len(json.loads((tmp_path / "out.json").read_text())["traceEvents"]) > 5


def test_the_kernels_messages_are_there_for_who_asks(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (folder / "kernel.log").write_text("[    1.000000] bnxt_en 0000:01:00.0: enabling device\n")
    assert cli.run_app(["trace", "--only", "kernel"]) == 0
    assert capsys.readouterr().out.split()[1:] == [
        "kernel",
        "bnxt_en",
        "0000:01:00.0:",
        "enabling",
        "device",
    ]
    assert cli.run_app(["trace"]) == 0
    assert "enabling" not in capsys.readouterr().out
    assert cli.run_app(["trace", "--perfetto", "out.json"]) == 0
    assert "enabling device" in (tmp_path / "out.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--only", "dance"], 2, "allowed: hwrm, reset"), (["absent"], 2, "no trace.jsonl"),
        (["--perfetto", "/proc/no/such"], 3, "/proc/no/such"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert cli.run_app(["trace", *arguments]) == code
    assert said in capsys.readouterr().err
