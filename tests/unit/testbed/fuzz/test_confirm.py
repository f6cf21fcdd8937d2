# SPDX-License-Identifier: GPL-2.0-only
"""Runs of one schedule as checks, in a run directory that `findings check` understands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.findings.load import Finding
from testbed.followup.file import SCHEDULE
from testbed.followup.replay import OUTCOMES
from testbed.fuzz.confirm import Confirmation, check_of, splats
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.schedule import Schedule
from testbed.report.results import Check, RunReport
from testbed.report.rundir import RunDirectory
from tests.unit.testbed.followup.made_up import a_finding
from tests.unit.testbed.fuzz.campaigns import LEAK, LOST, MEMORY, schedule

LOG = """[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000032
[    1.000000] CPU: 0 PID: 77 Comm: sh
[    1.000000] RIP: 0010:bnxt_new_bug+0x1f0/0x3b0
"""
OF_IT = Complaint(signature="memory: bnxt_poll", oracle="kernel", finding="a-bug")


@pytest.fixture
def finding(tmp_path: Path) -> Finding:
    shows = 'schedule = "schedule.json"'
    return a_finding(tmp_path, shows=shows, more='failure = "[0-9]+ mappings are left"\n')


def check(finding: Finding | None, *complaints: Complaint, ended: Ended = Ended.DONE) -> Check:
    outcome = Outcome(
        schedule="0123", ended=ended, complaints=complaints, log=LOG, problem="why"
    )  # fmt: skip
    return check_of(outcome, finding, 1)


def test_each_end(finding: Finding) -> None:
    assert check(None).outcome == "pass"
    assert check(finding).outcome == "gone"
    assert check(finding).gone == ("a-bug",)
    known = check(finding, OF_IT)
    assert (known.outcome, known.findings) == ("finding", ("a-bug",))
    new = check(finding, MEMORY)
    assert (new.outcome, new.findings) == ("fail", ())
    assert [one.function for one in new.splats] == ["bnxt_rx_pkt"], "as the complaint has it"
    assert (new.reason, new.title) == (MEMORY.signature, MEMORY.signature)
    assert check(None, ended=Ended.ILLEGAL).outcome == "skip"
    assert check(None, ended=Ended.ENVIRONMENT).reason == "why"
    assert check(None, ended=Ended.MODEL_BUG).fault == "model"


def test_what_only_the_card_shows_is_known_by_its_words(finding: Finding) -> None:
    """No list of functions tells it; on another run than the finding's own it is new."""
    assert check(finding, LEAK).findings == ("a-bug",)
    assert check(None, LEAK).outcome == "fail"
    assert check(None, LEAK).splats == ()
    other = Complaint(signature="leak: pools", oracle="leak", text="3 pools are left")
    assert check(finding, other).outcome == "fail"


def test_new_beside_known_is_new(finding: Finding) -> None:
    both = check(finding, OF_IT, MEMORY)
    assert (both.outcome, both.findings) == ("fail", ("a-bug",))


class Guests:
    """Shows MEMORY each time; the card fails in run ``fails``."""

    release = "7.2.12-testbed-uml-san"

    def __init__(self, fails: int = 0) -> None:
        self.provenance = {"kernel": {"release": self.release}}
        self.runs = 0
        self.fails = fails

    def run(self, one: Schedule) -> Outcome:
        self.runs += 1
        if self.runs == self.fails:
            return Outcome(schedule=one.name, ended=Ended.MODEL_BUG, problem="it raised\nmore")
        return Outcome(
            schedule=one.name, ended=Ended.CRASHED, complaints=(MEMORY,), event_hash="aa",
            log=LOG, fired={"lost": 1},
        )  # fmt: skip


def confirmed(tmp_path: Path, guests: Guests) -> tuple[Confirmation, RunReport]:
    directory, report = RunDirectory(tmp_path / "run"), RunReport("fuzz", "now")
    directory.make()
    runs = Confirmation(directory, report, lambda _text: None)
    runs.run(schedule(LOST, seed=9), guests, 3)
    return runs, report


def test_run_directory(tmp_path: Path) -> None:
    runs, report = confirmed(tmp_path, Guests())
    assert runs.about == ""
    assert (report.engine, report.seed, report.kernel_release) == ("uml", 9, Guests.release)
    assert report.provenance["kernel release"] == Guests.release
    assert len(report.checks) == 3
    assert str(runs.confirmed(MEMORY.signature)) == "3 of 3"
    assert json.loads((tmp_path / "run" / SCHEDULE).read_text())["seed"] == 9
    told = json.loads((tmp_path / "run" / OUTCOMES).read_text())
    assert [one["event_hash"] for one in told] == ["aa"] * 3
    assert told[0]["signatures"] == [MEMORY.signature]


def test_a_bug_of_the_card_ends_it(tmp_path: Path) -> None:
    runs, report = confirmed(tmp_path, Guests(fails=2))
    assert len(runs.outcomes) == 2
    assert report.problem is not None
    assert report.problem.fault == "model"


def test_the_log_is_read_as_everywhere() -> None:
    outcome = Outcome(schedule="x", ended=Ended.CRASHED, log=LOG)
    assert [one.kind for one in splats(outcome)] == ["kernel NULL pointer dereference"]


def test_a_report_that_is_longer_than_the_log_is_told_by_the_complaint() -> None:
    """Else what is left in the log would be taken for it: a command that failed."""
    text = (
        "BUG: KASAN: slab-use-after-free in bnxt_new_bug+0x10/0x20\nCall Trace:\n bnxt_new_bug+0x10"
    )
    new = Complaint(signature="memory: bnxt_new_bug", oracle="kernel", text=text)
    end = "bnxt_en 0000:01:00.0 nut0: hwrm req_type 0x50 seq id 0x1 error 0x2"
    outcome = Outcome(schedule="x", ended=Ended.DONE, log=end, complaints=(OF_IT, new))
    (found,) = splats(outcome)
    assert found.headline.startswith("BUG: KASAN: slab-use-after-free")
