# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz triage``, ``confirm`` and ``file`` with guests that are a few lines of Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Self

import pytest

from testbed.cli import fuzz_triage as module
from testbed.cli import main as cli
from testbed.errors import ExitCode
from testbed.findings.load import load_findings, read_finding
from testbed.fuzz import record
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.qemu import OnQemu
from testbed.fuzz.reading import Reader
from testbed.fuzz.schedule import Schedule
from tests.unit.testbed.followup.made_up import a_finding
from tests.unit.testbed.fuzz.campaigns import LOST, OLD, REFUSED, MadeUp, schedule
from tests.unit.testbed.fuzz.test_confirm import LOG

NEW = Complaint(signature="memory: bnxt_new_bug", oracle="kernel", text="it oopsed")
BOTH = schedule(REFUSED, LOST)


class Guests:
    """Shows NEW where LOST is injected. ``asked``: which finding each was about."""

    asked: ClassVar[list[str]] = []

    release = "7.2.12-testbed-uml-san"
    provenance = {"kernel": {"release": release, "source version": "7.2.12-1"}}  # noqa: RUF012

    def __init__(
        self, folder: Path, flavour: str, kernel: str | None, coverage: bool = True,
        about: str = "", say: object = None,
    ) -> None:  # fmt: skip
        self.asked.append(about)
        (folder / "card").mkdir(parents=True, exist_ok=True)
        (folder / "card" / "kernel.log").write_text(LOG)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, one: Schedule) -> Outcome:
        shown = any(fault["id"] == "lost" for fault in one.faults)
        return Outcome(
            schedule=one.name, ended=Ended.CRASHED if shown else Ended.DONE, event_hash="aa",
            complaints=(NEW,) * shown, log=LOG * shown,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A campaign ``main`` with a new bug and one on record; findings in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "Executor", Guests)
    monkeypatch.setattr(module, "write_index", lambda: None)
    (tmp_path / "findings").mkdir()
    original = record.file_bug
    monkeypatch.setattr(module, "file_bug", lambda *given: original(*given, tmp_path / "findings"))
    made = MadeUp(
        tmp_path / "runs" / "fuzz-main", {"flavour": "uml-san", "kernel": "", "seed": "1"}
    )
    made.run(BOTH, NEW)
    made.run(schedule(REFUSED), OLD)
    return tmp_path


def fuzz(*words: str) -> int:
    return cli.run_app(["fuzz", *words])


def test_triage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("triage", "--times", "2") == 0
    with Reader.of(folder / "runs" / "fuzz-main") as reader:
        row = reader.triage()[NEW.signature]
        assert (row.shown, row.tried) == (2, 2)
        assert len(json.loads(reader.schedule(row.minimal).text)["fault"]) == 1
        assert OLD.signature not in reader.triage(), "what is on record is not looked into"
    assert "2 of 2" in capsys.readouterr().out


def test_triage_on_qemu(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def confirm_on_qemu(one: Schedule, complaint: Complaint, *_: object) -> OnQemu:
        asked.append((len(one.faults), complaint.signature))
        return OnQemu(shown=1, tried=1)

    monkeypatch.setattr(module, "confirm_on_qemu", confirm_on_qemu)
    assert fuzz("triage", "--times", "1", "--engine", "qemu") == 0
    assert asked == [(1, NEW.signature)]
    assert "both" in capsys.readouterr().out
    with Reader.of(folder / "runs" / "fuzz-main") as reader:
        assert reader.triage()[NEW.signature].qemu_shown == 1


def test_confirm(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("confirm", BOTH.name, "--times", "3") == ExitCode.TEST_FAILURE
    assert f"3 of 3 runs show {NEW.signature}" in capsys.readouterr().out
    assert fuzz("confirm", schedule(REFUSED).name, "--times", "1") == 0


@pytest.mark.parametrize(("shown", "code", "where"), [(3, 0, "both"), (0, 1, "UML only")])
def test_confirm_on_qemu(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    shown: int, code: int, where: str,
) -> None:  # fmt: skip
    """What one run on UML shows is looked for there, with the stock kernel."""
    asked = []

    def confirm_on_qemu(
        one: Schedule, complaint: Complaint, place: Path, _say: object, *, times: int
    ) -> OnQemu:
        assert place.is_dir()
        asked.append((one.kernel, complaint.signature, times))
        return OnQemu(shown=shown, tried=3)

    monkeypatch.setattr(module, "confirm_on_qemu", confirm_on_qemu)
    assert fuzz("confirm", BOTH.name, "--engine", "qemu", "--times", "3") == code
    assert asked == [(None, NEW.signature, 3)]
    told = " ".join(capsys.readouterr().out.split())
    assert f"{shown} of 3" in told
    assert where in told


def test_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one command: the record, its schedule and its evidence; and the campaign knows of it."""
    assert fuzz("triage", "--times", "1") == 0
    assert fuzz("file", NEW.signature, "new-bug", "--times", "4") == 0
    finding = read_finding(folder / "findings" / "new-bug.md")
    assert finding.reproducer.schedule == "schedule.json"
    assert len(json.loads((finding.folder / "schedule.json").read_text())["fault"]) == 1
    assert (finding.checked[0].shown, finding.checked[0].runs) == (4, 4)
    [evidence] = (finding.folder / "evidence").iterdir()
    assert (evidence / "kernel.log").read_text() == LOG
    with Reader.of(folder / "runs" / "fuzz-main") as reader:
        assert reader.triage()[NEW.signature].filed == "new-bug"
    assert fuzz("file", NEW.signature, "new-bug") == ExitCode.USAGE
    assert "exists" in capsys.readouterr().err


def test_file_of_a_schedule_file(folder: Path) -> None:
    (folder / "mine.json").write_text(BOTH.text)
    assert fuzz("file", "mine.json", "new-bug", "--times", "1") == 0
    assert read_finding(folder / "findings" / "new-bug.md").reproducer.deterministic


def test_a_schedule_that_loses_its_guest_has_no_signature_to_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hangs = Outcome(schedule=BOTH.name, ended=Ended.HUNG, event_hash="aa", problem="it hangs")
    monkeypatch.setattr(Guests, "run", lambda _self, _one: hangs)
    (folder / "mine.json").write_text(BOTH.text)
    assert fuzz("file", "mine.json", "new-bug", "--times", "1") == ExitCode.USAGE
    assert "shows a signature that is not on record" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["file", "no-such", "new-bug"], "no complaint of this campaign is 'no-such'"),
        (["file", OLD.signature, "new-bug"], "is on record as tpa-agg-bug-on"),
        (["file", NEW.signature, "New Bug"], "is no id"),
        (["confirm", "ffff"], "no schedule named 'ffff'"),
        (["confirm", schedule(REFUSED).name, "--engine", "qemu"], "shows nothing to look for"),
        (["confirm", BOTH.name, "--engine", "qemu", "--kernel", "7.2"], "takes no --finding"),
        (["confirm", BOTH.name, "--finding", "no-such"], "no finding 'no-such' is on record"),
        (["triage", "--name", "other"], "holds no campaign"),
    ],
)
def test_bad_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz(*words) == ExitCode.USAGE
    assert said in " ".join(capsys.readouterr().err.split())


def test_confirm_of_a_finding(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `findings check` runs: a run that does not show it is told as gone."""
    a_finding(folder / "findings", shows='schedule = "schedule.json"')
    monkeypatch.setattr(module, "load_findings", lambda: load_findings(folder / "findings"))
    words = ["confirm", schedule(REFUSED).name, "--finding", "a-bug", "--times", "2"]
    assert fuzz(*words, "--run-dir", str(folder / "mine"), "--name", "main") == ExitCode.USAGE
    (folder / "s.json").write_text(schedule(REFUSED).text)
    words[1] = "s.json"
    assert fuzz(*words, "--run-dir", str(folder / "mine")) == 0
    summary = json.loads((folder / "mine" / "latest" / "summary.json").read_text())
    assert [one["outcome"] for one in summary["checks"]] == ["gone", "gone"]
    assert Guests.asked[-1] == "a-bug"  # else it would explain nothing where it is mended
