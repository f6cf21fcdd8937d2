# SPDX-License-Identifier: GPL-2.0-only
"""``testbed conformance`` on the command line, on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main as cli
from testbed.conformance.record import SCRIPT
from testbed.errors import ExitCode
from tests.unit.testbed.conformance.sample import FACE


def run(*words: str | Path) -> int:
    return cli.run_app(["conformance", *map(str, words)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A recording, and one with two differences."""
    left, right = tmp_path / "left.json", tmp_path / "right.json"
    assert run("read", FACE, "-o", left) == 0
    document = json.loads(left.read_text())
    document["values"] |= {"pci/revision": "0x11", "features/rx-gro-hw": "off [fixed]"}
    right.write_text(json.dumps(document))
    return left, right


def test_the_script_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("script") == 0
    assert capsys.readouterr().out == SCRIPT.read_text()


def test_recordings_are_compared(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    left, right = files
    assert run("diff", left, FACE) == 0
    assert "0 differ" in capsys.readouterr().out
    assert run("diff", left, right) == ExitCode.TEST_FAILURE
    said = capsys.readouterr().out
    assert "2 differ: 1 high, 1 medium, 0 low" in said
    assert "off [fixed]" in said
    assert said.index("rx-gro-hw") < said.index("revision"), "what matters most comes first"


def test_the_least_severity_that_fails(files: tuple[Path, Path]) -> None:
    left, right = files
    document = json.loads(right.read_text())
    document["values"]["features/rx-gro-hw"] = "on"
    right.write_text(json.dumps(document))
    assert run("diff", left, right, "--fail-on", "high") == 0
    assert run("diff", left, right, "--fail-on", "medium") == ExitCode.TEST_FAILURE


def test_for_programs(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diff", *files, "--json") == ExitCode.TEST_FAILURE
    told = json.loads(capsys.readouterr().out)
    assert told["one_sided"] == {}
    assert told["differences"][1] == {
        "path": "pci/revision", "left": "0x12", "right": "0x11", "severity": "medium",
        "whose": "personality: pci_revision",
    }  # fmt: skip


def test_a_personality_is_written_and_says_what_it_lacks(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    assert run("personality", files[1], "-o", file) == 0
    assert "pci_revision = 17\n" in file.read_text()
    said = capsys.readouterr().err
    assert "2 options differ" in said
    assert "the recording does not tell: management_firmware" in said
    assert "no option decides: coalesce" in said


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert run("diff", tmp_path / "absent", FACE) == ExitCode.USAGE
