# SPDX-License-Identifier: GPL-2.0-only
"""``testbed findings``: what is refused, what is printed, what is written down."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from kernels.version import KernelVersion
from testbed.cli import findings as module
from testbed.cli import main as cli
from testbed.findings.describe import BEGIN, END, documents
from testbed.findings.head import Verified
from testbed.findings.kernel import GuestKernel
from testbed.findings.load import load_findings, read_finding
from testbed.followup import check, verify
from testbed.followup.replay import Replays, Result
from tests.unit.testbed.followup.made_up import (
    RELEASE,
    a_finding,
    check_of,
    leave,
    summary_of,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One finding is on record, in a folder of its own."""
    a_finding(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "load_findings", lambda: load_findings(tmp_path))
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n")
    monkeypatch.setattr(module, "documents", lambda: documents(tmp_path))
    return tmp_path


def shows(
    monkeypatch: pytest.MonkeyPatch, *results: Result, run: Path | None = None,
    release: str = RELEASE,
) -> None:  # fmt: skip
    done = Replays(list(results), GuestKernel.of(release), run_dir=run)
    monkeypatch.setattr(check, "replay", lambda *_: done)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "no-such"], "a-bug"),
        (["check", "no-such"], "a-bug"),
        (["check", "--record", "--kernel", "/home/me/linux"], "nobody else has the kernel linux"),
        (["check", "--record", "--series", "a.patch"], "nobody else has"),
        (["check", "--engine", "lab"], "qemu"),
        (["verify", "a-bug"], "kernels/fixes/a-bug does not exist"),
        (["verify", "a-bug", "--record", "--series", "x"], "--record is for our own fix"),
        (["verify", "a-bug", "--record", "--kernel", "/home/me/linux"], "of a published version"),
        (["file", "new-bug"], "no run directory"),
        (["list", "--status", "new"], "wontfix"),
    ],
)
def test_bad_usage_ends_with_2_and_names_it(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(["findings", *arguments]) == 2
    assert said in capsys.readouterr().err.replace("\n", "")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["findings", "list", "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["id"], found["needs"], found["disclosure"]) == ("a-bug", "none", "public")
    assert cli.run_app(["findings", "list", "--needs", "lying card", "--json"]) == 0
    assert not capsys.readouterr().out
    assert cli.run_app(["findings", "list"]) == 0
    assert "a-bug" in capsys.readouterr().out


def test_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a-bug").mkdir()
    (folder / "a-bug" / "reproduce.sh").touch()
    assert cli.run_app(["findings", "show", "a-bug"]) == 0
    said = capsys.readouterr().out
    assert "# It breaks" in said
    assert str(folder / "a-bug" / "reproduce.sh") in said


def test_check_tells_and_records(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(folder / "run", summary_of(check_of()), "it broke")
    shows(monkeypatch, *[Result(shown=True)] * 21, run=folder / "run")
    assert cli.run_app(["findings", "check", "--kernel", "7.2", "--kernel", "7.2.12"]) == 0
    said = capsys.readouterr().out
    assert "7.2: a-bug: 21/21" in said
    assert "7.2.12: 1 shown; 0 not as on record" in said
    assert read_finding(folder / "a-bug.md").checked[0].runs == 20, "not without --record"
    assert cli.run_app(["findings", "check", "--record", "a-bug"]) == 0
    assert read_finding(folder / "a-bug.md").checked[0].runs == 21
    assert (folder / "a-bug/evidence/7.2.12-uml/kernel.log").read_text() == "it broke"
    assert "7.2.12: uml 21 of 21" in (folder / "README.md").read_text()


def test_evidence_stays_with_a_count_that_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = folder / "a-bug/evidence/7.2.12-uml/kernel.log"
    leave(folder / "run", summary_of(check_of()), "it broke")
    shows(monkeypatch, Result(shown=True), run=folder / "run")
    assert cli.run_app(["findings", "check", "--record"]) == 0
    assert read_finding(folder / "a-bug.md").checked[0].runs == 20, "one run says no more"
    assert log.read_text() == "it broke", "there was none yet"
    log.write_text("what came with the twenty")
    assert cli.run_app(["findings", "check", "--record"]) == 0
    assert log.read_text() == "what came with the twenty"


def test_what_has_not_shown_leaves_no_evidence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(folder / "run", summary_of(check_of()), "all is well")
    shows(monkeypatch, Result(), run=folder / "run")
    assert cli.run_app(["findings", "check", "--record"]) == 6
    assert read_finding(folder / "a-bug.md").checked[0].shown == 20, "the same kernel has it"
    shows(monkeypatch, Result(), run=folder / "run", release="7.3.0-testbed-uml")
    assert cli.run_app(["findings", "check", "--record"]) == 6
    assert [one.shown for one in read_finding(folder / "a-bug.md").checked] == [20, 0]
    assert not (folder / "a-bug").exists()


def test_close_and_docs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["findings", "close", "a-bug"]) == 2
    assert "missing, and the status is fixed" in capsys.readouterr().err
    assert (
        cli.run_app(["findings", "close", "a-bug", "--version", "7.4", "--link", "https://x"]) == 0
    )
    assert "[fixed in 7.4](https://x)" in (folder / "README.md").read_text()
    (folder / "README.md").write_text(f"{BEGIN}\n{END}\n")
    assert cli.run_app(["findings", "docs"]) == 0
    assert "[fixed in 7.4](https://x)" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("result", "code", "verdict"),
    [(Result(), 6, "changed"), (Result(unknown="oops: \x1b[31m"), 1, "fail")],
)
def test_exit_code_and_summary_agree(
    result: Result, code: int, verdict: str, folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shows(monkeypatch, result)
    assert cli.run_app(["findings", "check"]) == code
    summary = json.loads((folder / "runs/latest/summary.json").read_text())
    assert (summary["exit_code"], summary["verdict"]) == (code, verdict)
    assert "\x1b" not in capsys.readouterr().out


def test_verify(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(self: verify.Verification) -> None:
        assert self.times == 3
        self._judge(Replays([Result()] * 3, GuestKernel.of(RELEASE)))

    monkeypatch.setattr(verify.Verification, "run", run)
    assert cli.run_app(["findings", "verify", "a-bug", "--series", "fix.patch"]) == 0
    assert "pass: a-bug: 0 of 3 runs" in capsys.readouterr().out
    (folder / "linux").touch()
    kernel = str(folder / "linux")
    assert cli.run_app(["findings", "verify", "a-bug", "--kernel", kernel]) == 0, "it is built"
    assert cli.run_app(["findings", "verify", "a-bug", "--kernel", "7.3"]) == 2


def test_a_good_fix_is_recorded_where_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Verified(
        kernel=KernelVersion.parse("7.2.12"), flavour="uml", date=date(2026, 11, 22), runs=3,
        tests=7,
    )  # fmt: skip

    def run(self: verify.Verification) -> Verified:
        self._judge(Replays([Result()] * 3, GuestKernel.of(RELEASE)))
        return good

    monkeypatch.setattr(verify.Verification, "run", run)
    monkeypatch.setattr(module, "own_fix", lambda _name: folder)
    assert cli.run_app(["findings", "verify", "a-bug"]) == 0
    assert read_finding(folder / "a-bug.md").verified == ()
    assert cli.run_app(["findings", "verify", "a-bug", "--record"]) == 0
    assert read_finding(folder / "a-bug.md").verified == (good,)
    together = ["findings", "verify", "a-bug", "--record", "--series", "fixes"]
    assert cli.run_app(together) == 0
    assert read_finding(folder / "a-bug.md").verified == (replace(good, together=True),)
    assert "| 7.2.12 |" in (folder / "README.md").read_text()


def test_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(folder / "run", summary_of(check_of("fail", reason="it broke")))
    monkeypatch.setattr(module, "file_finding", partial(module.file_finding, folder=folder))
    assert cli.run_app(["findings", "file", "new-bug", "--from", "run"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{folder / 'new-bug.md'}\n"
    assert "pytest.mark.finding" in said.err
    assert "[new-bug](new-bug.md)" in (folder / "README.md").read_text()
