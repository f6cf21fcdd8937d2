# SPDX-License-Identifier: GPL-2.0-only
"""One schedule, run several times in fresh guests: a check for each run, and what they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from testbed.errors import EnvironmentProblem, ModelFailure
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import Finding
from testbed.findings.splat_report import SplatReport, reports
from testbed.followup.file import SCHEDULE
from testbed.followup.replay import OUTCOMES
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.triage import KERNEL, Confirmed
from testbed.report.results import Check, RunReport
from testbed.report.results import Outcome as Result
from testbed.report.rundir import RunDirectory

JOB = "fuzz"
SAYS_NOTHING = (Ended.ENVIRONMENT, Ended.ILLEGAL)


class Runner(Protocol):
    """What :class:`testbed.fuzz.execute.Executor` is here."""

    release: str

    @property
    def provenance(self) -> Mapping[str, object]:
        """Where the kernel came from."""

    def run(self, schedule: Schedule) -> Outcome:
        """One run."""


def shows(finding: Finding, one: Complaint) -> bool:
    """Whether the complaint is the finding, on a run that was made to show it."""
    if one.finding or one.oracle == KERNEL:
        return one.finding == finding.id
    return finding.is_failure(said(one))


def said(one: Complaint) -> str:
    """A complaint in one line: its first, by which its finding is known again.

    What the kernel says begins anyhow; its signature says more, and its splat tells the finding.
    """
    return one.signature if one.oracle == KERNEL else one.text.partition("\n")[0] or one.signature


def splats(outcome: Outcome) -> list[SplatReport]:
    """The kernel's complaints that are not on record, each as its own text begins: of the log there
    is the end only, from which a long report is missing. Where no text says so, all of the log."""
    new = (one.text for one in outcome.complaints if one.oracle == KERNEL and not one.finding)
    return [one for text in new for one in _reports(text)] or _reports(outcome.log)


def _reports(text: str) -> list[SplatReport]:
    watcher = KernelLogWatcher()
    watcher.feed(text.encode() + b"\n")
    return reports(watcher.events)


def check_of(outcome: Outcome, finding: Finding | None, number: int) -> Check:
    """What one run says: it shows what is on record, something new, or nothing.

    ``finding``: the one that the schedule is to show.
    """
    ids = [
        finding.id if finding is not None and shows(finding, one) else one.finding
        for one in outcome.complaints
    ]
    known = tuple(dict.fromkeys(filter(None, ids)))
    new = [one for one, name in zip(outcome.complaints, ids, strict=True) if not name]
    check = Check(
        name=outcome.schedule, title=f"run {number} of schedule {outcome.schedule}",
        outcome=Result.PASS, group="", seconds=outcome.wall_s, findings=known,
        measured=f"{outcome.ended.value}, events {outcome.event_hash[:16]}",
        detail="\n".join([*(one.text for one in outcome.complaints), *outcome.output]),
    )  # fmt: skip
    if outcome.ended in SAYS_NOTHING:
        return replace(check, outcome=Result.SKIP, reason=outcome.problem, measured="")
    if outcome.ended is Ended.MODEL_BUG:
        return replace(check, outcome=Result.FAIL, reason=outcome.problem, fault=ModelFailure.fault)
    if new:
        found = splats(outcome) if any(one.oracle == KERNEL for one in new) else []
        return replace(
            check,
            outcome=Result.FAIL,
            reason=said(new[0]),
            title=new[0].signature,
            splats=tuple(found),
        )
    if known:
        return replace(check, outcome=Result.FINDING, reason=", ".join(known))
    if finding is not None:
        return replace(check, outcome=Result.GONE, gone=(finding.id,), reason="it does not show")
    return check


class Confirmation:
    """Runs of one schedule that go into a run directory."""

    def __init__(
        self, directory: RunDirectory, report: RunReport, say: Callable[[str], None],
        finding: Finding | None = None,
    ) -> None:  # fmt: skip
        self.outcomes: list[Outcome] = []
        self._directory = directory
        self._report = report
        self._say = say
        self._finding = finding

    @property
    def about(self) -> str:
        """Id of the finding that the runs are to show; empty if there is none."""
        return "" if self._finding is None else self._finding.id

    def run(self, schedule: Schedule, runner: Runner, times: int) -> None:
        """So many ``times``; each run is told. Raises TestbedError."""
        report = self._report
        report.engine, report.seed = schedule.engine, schedule.seed
        report.kernel_release = runner.release
        report.note_all(runner.provenance)
        self._directory.write(SCHEDULE, schedule.text + "\n")
        for number in range(1, times + 1):
            outcome = runner.run(schedule)
            self.outcomes.append(outcome)
            check = check_of(outcome, self._finding, number)
            report.checks.append(check)
            self._say(f"run {number}: {outcome.ended.value}: {_told(outcome)}")
            self._write_outcomes()
            if outcome.ended is Ended.MODEL_BUG:
                report.end_with(ModelFailure(outcome.problem.partition("\n")[0]))
                return

    def _write_outcomes(self) -> None:
        told = [
            {
                "ended": one.ended.value, "event_hash": one.event_hash,
                "signatures": sorted(one.signatures), "fired": dict(one.fired),
                "cpu_s": round(one.cpu_s, 3), "wall_s": round(one.wall_s, 3),
            }
            for one in self.outcomes
        ]  # fmt: skip
        self._directory.write(OUTCOMES, json.dumps(told, indent=1) + "\n")

    def confirmed(self, signature: str) -> Confirmed:
        """How many of the runs showed that."""
        return Confirmed.of(self.outcomes, signature)


def _told(outcome: Outcome) -> str:
    said = ", ".join(sorted(outcome.signatures)) or outcome.problem.partition("\n")[0]
    return said or "nothing wrong"


def folder_for_guests(directory: RunDirectory) -> Path:
    """Where the logs of a run directory's guests go, made. Raises EnvironmentProblem."""
    folder = directory.path / "guests"
    try:
        folder.mkdir()
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be made: {error.strerror}") from error
    return folder
