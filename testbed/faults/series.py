# SPDX-License-Identifier: GPL-2.0-only
"""Trials one after the other: a clean guest for each, evidence and a replay file of each bad one.

A UML guest costs a tenth of a second, so every trial there gets a fresh one and is, for its seed,
the same run every time. A QEMU guest serves until a trial leaves something behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbed.dut.protocols import Capability
from testbed.engines.open import engine_of
from testbed.engines.pool import SessionPool
from testbed.engines.session import Session
from testbed.errors import EnvironmentProblem, LostVM, TestbedError
from testbed.faults.entry import Fault
from testbed.faults.judge import TrialVerdict
from testbed.faults.null import GOOD, NullVerdict, null_plan, null_verdict
from testbed.faults.replay import FILE_NAME, replay_text
from testbed.faults.run import Trial, try_fault
from testbed.findings.judge import Findings
from testbed.report.results import REQUIRES
from testbed.workloads.table import WORKLOADS


class TrialSeries:
    """Tries faults in sessions of ``pool``; evidence goes to ``folder``."""

    def __init__(self, pool: SessionPool, findings: Findings, folder: Path) -> None:
        self._pool = pool
        self._findings = findings
        self._folder = folder
        self._used = False
        self.kept: Path | None = None
        """Where the last trial's replay file and logs are; None if they were not kept."""

    def cannot(self, fault: Fault) -> str:
        """Why the fault cannot be tried here, or empty; boots if need be. Raises TestbedError."""
        engine = engine_of(self._pool.options)
        if not engine.owns_machine:
            return f"{REQUIRES}{Capability.FAULTS.value}"
        if engine.name not in fault.engines:
            return f"not on {engine.name}"
        needs = fault.needs | WORKLOADS[fault.workload].needs
        self._end_lost_guest()
        has = self._pool.current().dut.capabilities
        self._used = True  # probed for its capabilities, it is not what later guests are
        for lacking in sorted(needs - has):
            return f"{REQUIRES}{lacking.value}"
        for too_much in sorted(fault.without & has):
            return f"not with {too_much.value}"
        return ""

    def run_past_known(self, fault: Fault, plan: Mapping[str, Any] | None = None) -> Trial:
        """As :meth:`run`; once more if a bug on record that the entry is not about ends the guest.

        What the second trial passes counts as that finding. Raises TestbedError as it does.
        """
        trial = self.run(fault, plan)
        if not trial.panicked_of:
            return trial
        ended_by, trial = trial.panicked_of, self.run(fault, plan)
        judged = trial.judgement
        judged.findings = tuple(dict.fromkeys((*judged.findings, *ended_by)))
        if judged.verdict in (TrialVerdict.PASS, TrialVerdict.GONE):
            judged.verdict, judged.gone = TrialVerdict.FINDING, ()
        return trial

    def run(self, fault: Fault, plan: Mapping[str, Any] | None = None) -> Trial:
        """Try it in a clean guest. Raises TestbedError for what is not the guest's fault."""
        session, trial = self._try(fault, plan)
        if trial.verdict is not TrialVerdict.PASS:
            self._keep(session, trial, plan)
        if trial.spoiled:
            self._pool.discard(told=trial.lost is not None)
        return trial

    def run_null(self, fault: Fault) -> tuple[Trial, NullVerdict]:
        """Try the null fault in its place (:mod:`testbed.faults.null`). Raises TestbedError.

        That an entry misses its fault is no reason for another machine.
        """
        plan = null_plan(fault)
        session, trial = self._try(fault, plan)
        verdict = null_verdict(trial)
        if verdict not in GOOD:
            self._keep(session, trial, plan)
        if trial.worn:
            self._pool.discard(told=trial.lost is not None)
        return trial, verdict

    def _try(self, fault: Fault, plan: Mapping[str, Any] | None) -> tuple[Session, Trial]:
        self.kept = None
        session = self._clean_session()
        self._used = True
        options = self._pool.options
        try:
            trial = try_fault(
                session, fault, self._findings, plan=plan,
                simulated=engine_of(options).simulated_time(options),
            )  # fmt: skip
        except TestbedError:
            self._pool.discard(told=True)
            raise
        return session, trial

    def _clean_session(self) -> Session:
        self._end_lost_guest()
        if self._used and self._pool.is_up and engine_of(self._pool.options).can_restart:
            try:
                self._pool.current().restart()
            except LostVM as lost:  # of a guest whose trial has been judged; another one boots
                self._end_lost_guest(lost)
        return self._pool.current()

    def _end_lost_guest(self, lost: LostVM | None = None) -> None:
        """One that was lost when its trial had been judged. Raises what else ended the session."""
        cause = self._pool.loss if lost is None else self._pool.tell(lost)
        if cause is not None:
            self._pool.discard(told=True)
            if not isinstance(cause, LostVM):
                raise cause

    def _keep(self, session: Session, trial: Trial, plan: Mapping[str, Any] | None) -> None:
        folder = self._folder / trial.fault.name
        number = 1
        while folder.exists():
            number += 1
            folder = self._folder / f"{trial.fault.name}-{number}"
        try:
            folder.mkdir(parents=True)
            text = replay_text(trial, self._pool, plan)
            (folder / FILE_NAME).write_text(text, encoding="utf-8")
            (folder / "trial.txt").write_text("\n".join(trial.lines()) + "\n", encoding="utf-8")
        except OSError as err:
            raise EnvironmentProblem(f"{folder} cannot be written: {err.strerror}") from err
        self.kept = folder
        for path in (session.card.trace_path, session.card.pcap_path, session.card.log_path):
            with suppress(OSError):
                shutil.copy(path, folder)
        with suppress(OSError):
            shutil.copy(session.machine.kernel_log_path, folder)
