# SPDX-License-Identifier: GPL-2.0-only
"""`testbed findings export` and `page`: where the text goes, and how the commands end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kernels.scripts import Addressee
from testbed.artifacts.source_kernels import SourceKernels
from testbed.cli import findings_export as cli
from testbed.errors import UsageProblem
from testbed.findings.load import read_finding
from testbed.followup.dossier import Dossier, read_dossier
from tests.unit.testbed.followup.whole_finding import write


class Scripts:
    """The kernel's scripts; checkpatch complains as it is told to."""

    complaints: Sequence[str] = ()

    @classmethod
    def of(cls, *_: Any) -> Scripts:
        return cls()

    def addressees(self, files: Sequence[str]) -> list[Addressee]:
        return [Addressee("a@example.org", "maintainer:X")]

    def checkpatch(self, patch: str) -> Sequence[str]:
        return self.complaints


@pytest.fixture(autouse=True)
def finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One finding on record, public; the folder it is in."""
    found = read_finding(write(tmp_path))

    def read(_finding: object) -> Dossier:
        return read_dossier(found, tmp_path / "fixes")

    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cli, "load_findings", lambda: (found,))
    monkeypatch.setattr(cli, "read_dossier", read)
    monkeypatch.setattr(cli, "KernelScripts", Scripts)
    monkeypatch.setattr(SourceKernels, "fetch", lambda _self, _request: tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.commands, arguments)


def test_mail_is_the_output_and_notes_stand_beside_it() -> None:
    result = run("export", "it-breaks")
    assert result.exit_code == 0
    assert result.stdout.startswith("To: a@example.org\n")
    assert "before you send it" not in result.stdout
    assert "before you send it: read it" in " ".join(result.stderr.split())


def test_letters_may_go_into_a_folder(tmp_path: Path) -> None:
    result = run("export", "it-breaks", "--format", "patch", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert result.stdout == ""
    [file] = (tmp_path / "out").iterdir()
    assert "[PATCH net]" in file.read_text()


def test_patch_that_is_not_clean_fails_and_is_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Scripts, "complaints", ["line 1: ERROR: bad"])
    result = run("export", "it-breaks")
    assert result.exit_code == 1
    assert "checkpatch: 0001" in result.stderr
    assert result.stdout.startswith("To: ")


def test_finding_that_is_not_there_lists_those_that_are() -> None:
    result = run("export", "it-brakes")
    assert isinstance(result.exception, UsageProblem)
    assert result.exception.remedy == "on record in docs/findings: it-breaks"


def test_patch_of_a_finding_without_one_says_where_to_put_it(finding: Path) -> None:
    (finding / "fixes/it-breaks/0001-bnxt_en-Do-not-break.patch").unlink()
    (finding / "fixes/it-breaks").rmdir()
    result = run("export", "it-breaks", "--format", "patch")
    assert isinstance(result.exception, UsageProblem)
    assert result.exception.remedy == "put one into kernels/fixes/it-breaks"


def test_pages_are_written(tmp_path: Path) -> None:
    assert run("page", "--out", str(tmp_path / "web")).exit_code == 0
    assert {path.name for path in (tmp_path / "web").iterdir()} == {"index.html", "it-breaks.html"}
