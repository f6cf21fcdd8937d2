# SPDX-License-Identifier: GPL-2.0-only
"""Trials as ``testbed faults`` runs them: a run directory, a report, a line for each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.text import Text

from testbed.cli.progress import progress, tell_end
from testbed.engines.pool import SessionPool
from testbed.faults.entry import Fault, FaultClass
from testbed.faults.judge import TrialVerdict
from testbed.faults.null import GOOD, NullVerdict
from testbed.faults.replay import Replay
from testbed.faults.run import Trial
from testbed.faults.series import TrialSeries
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.findings.splat_report import reports
from testbed.host.console import console as console_of
from testbed.options import RunOptions
from testbed.report.outcome import conclude, last_words
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory, now_utc

_STYLES = {
    TrialVerdict.PASS: "green", TrialVerdict.FINDING: "yellow", TrialVerdict.GONE: "yellow",
}  # fmt: skip
_OUTCOMES = {
    TrialVerdict.PASS: Outcome.PASS, TrialVerdict.FINDING: Outcome.FINDING,
    TrialVerdict.GONE: Outcome.GONE,
}  # fmt: skip


class TrialRuns:
    """A run directory, a report, and the trials that go into them."""

    def __init__(self, options: RunOptions, run_dir: Path | None) -> None:
        self.console = console_of()
        findings = Findings(load_findings())
        self.directory = RunDirectory.named(run_dir)
        self.report = RunReport("faults", now_utc(), ("testbed", *sys.argv[1:]))
        self.pool = SessionPool(options, self.directory.path, progress)
        self.series = TrialSeries(self.pool, findings, self.directory.path / "faults")
        self._began = time.monotonic()

    def run(self, fault: Fault, plan: dict[str, Any] | None = None) -> Trial | None:
        """Try one fault and say how it went; None if it cannot be tried here."""
        trial = self._try(self.series.run_past_known, fault, plan)
        if trial is not None:
            reasons = "; ".join(trial.judgement.reasons[:2])
            self._note_trial(
                fault, trial, _OUTCOMES.get(trial.verdict, Outcome.FAIL),
                reason=reasons or ", ".join(trial.judgement.findings) or _missed(trial),
            )  # fmt: skip
        return trial

    def replay(self, kept: Replay, plan: dict[str, Any]) -> Trial | None:
        """Run a kept trial again: a pass if it shows what the file says; None as above."""
        trial = self._try(self.series.run, kept.fault, plan)
        if trial is not None:
            shown, seen = kept.is_shown_by(trial), trial.judgement.signature or "nothing wrong"
            finding = shown and trial.judgement.findings
            outcome = Outcome.FINDING if finding else Outcome.PASS if shown else Outcome.FAIL
            if trial.verdict is TrialVerdict.GONE:
                outcome = Outcome.GONE
            reason = "" if shown else f"shows {seen}, not {kept.sought}"
            self._note_trial(kept.fault, trial, outcome, reason=reason)
        return trial

    def _try(
        self, run: Callable[[Fault, dict[str, Any] | None], Trial], fault: Fault,
        plan: dict[str, Any] | None,
    ) -> Trial | None:  # fmt: skip
        if self._skips(fault):
            return None
        trial = run(fault, plan)
        style = _STYLES.get(trial.verdict, "red")
        lines = trial.lines()
        self.console.print(Text(f"{lines[0]} ({trial.seconds:.1f} s)", style=style))
        if trial.verdict is not TrialVerdict.PASS:
            for line in lines[1:]:
                self.console.print(Text("  " + line), soft_wrap=True, highlight=False)
        return trial

    def _note_trial(self, fault: Fault, trial: Trial, outcome: Outcome, *, reason: str) -> None:
        lost = trial.lost if outcome is Outcome.FAIL else None
        self._note(
            fault, outcome, seconds=trial.seconds, reason=reason, detail="\n".join(trial.lines()),
            findings=trial.judgement.findings, gone=trial.judgement.gone,
            splats=tuple(reports(trial.events)), fault=lost.fault if lost else "",
        )  # fmt: skip
        if lost is not None:  # nothing on record explains it
            self.report.end_with(lost)

    def run_null(self, fault: Fault) -> tuple[FaultClass, NullVerdict] | None:
        """Try the null fault in its place and say what came of it; None if it cannot be tried."""
        if self._skips(fault):
            return None
        trial, verdict = self.series.run_null(fault)
        good = verdict in GOOD
        said = "; ".join(trial.judgement.reasons[:1]) or fault.unobservable
        line = f"{fault.name}: {verdict.value} ({trial.seconds:.1f} s)"
        self.console.print(
            Text(f"{line} {said}".rstrip(), style="green" if good else "red"), soft_wrap=True
        )
        self._note(
            fault, Outcome.PASS if good else Outcome.FAIL, seconds=trial.seconds,
            reason="" if good else verdict.value, detail="\n".join(trial.lines()),
            fault=trial.lost.fault if trial.lost else "",
        )  # fmt: skip
        if trial.lost is not None:
            self.report.end_with(trial.lost)
        return fault.fault_class, verdict

    def _skips(self, fault: Fault) -> bool:
        """Whether it cannot be tried here, which is noted."""
        reason = self.series.cannot(fault)
        if reason:
            self._note(fault, Outcome.SKIP, reason=reason)
            self.console.print(Text(f"{fault.name}: skipped, {reason}", style="dim"))
        return bool(reason)

    def _note(self, entry: Fault, outcome: Outcome, **more: Any) -> None:
        kept = self.series.kept if outcome is not Outcome.SKIP else None
        evidence = "" if kept is None else str(kept.relative_to(self.directory.path))
        self.report.checks.append(
            Check(
                name=entry.name, title=entry.title, outcome=outcome, group=entry.fault_class.value,
                evidence=evidence, **more,
            )
        )  # fmt: skip

    def conclude(self, work: Callable[[], None]) -> int:
        """Do ``work``, put the machine away and write the reports; the exit code they name."""
        code = conclude(
            self.report, self.directory, lambda: self._with_machine(work), began=self._began
        )
        with last_words():
            self.console.print(f"run directory: {self.directory.path}", highlight=False)
        tell_end(self.report)
        return code

    def _with_machine(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self.pool.discard()
            self.pool.describe(self.report)
        if self.pool.problem is not None:
            raise self.pool.problem


def _missed(trial: Trial) -> str:
    return ", ".join(f"{name} did not show" for name in trial.judgement.gone)
