# SPDX-License-Identifier: GPL-2.0-only
"""``testbed exec`` and ``testbed shell``: what is done by hand leaves a report like any other run.

The command's own status stays the exit code. What card and kernel said meanwhile is told at the
end, a line for each thing; ``strict`` makes it a failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join

from rich.console import Console

from testbed.engines.open import engine_of, new_session, prepare_run
from testbed.engines.session import Session
from testbed.errors import GuestTimeout
from testbed.host.clock import process_began
from testbed.options import RunOptions
from testbed.report import provenance
from testbed.report.outcome import conclude
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory, now_utc
from testbed.workloads.seen import SessionAccount, explained

LOG_TAIL_LINES = 60
TIMED_OUT = 124
"""The status of a command that ran out of time, as timeout(1) has it."""

Work = Callable[[Session], int]
"""What is done in the session: returns the status of it, as a shell has it."""


@dataclass(frozen=True, kw_only=True)
class HandRequest:
    """What the command line asks for; ``runs`` None is the default place of run directories.

    ``command`` is ours, ``words`` are the guest's. ``console`` is told how the start proceeds.
    """

    job: str
    options: RunOptions
    command: Sequence[str]
    words: Sequence[str]
    runs: Path | None = None
    strict: bool = False
    console: Console | None = None


def run_by_hand(
    request: HandRequest, work: Work, progress: Callable[[str], None]
) -> tuple[RunReport, RunDirectory]:
    """Open a session, do ``work`` in it, write the reports.

    Whatever ends it is in the report. Raises EnvironmentProblem if a report cannot be written.
    """
    directory = RunDirectory.named(request.runs)
    report = RunReport(job=request.job, started_at=now_utc(), command=tuple(request.command))
    report.note("repository commit", provenance.repository_commit())
    report.note_all(provenance.host())
    conclude(
        report, directory, lambda: _run(request, report, directory.path, work, progress),
        began=process_began(),
    )  # fmt: skip
    return report, directory


def _run(
    request: HandRequest, report: RunReport, folder: Path, work: Work,
    progress: Callable[[str], None],
) -> None:  # fmt: skip
    options, prepared = prepare_run(request.options, progress)
    engine_of(options).describe(options, report)
    report.note_all(prepared.provenance)
    session = new_session(options, folder, prepared, request.console)
    account: SessionAccount | None = None
    try:
        with session:
            report.kernel_release = session.kernel_release
            report.boot_seconds = session.boot_seconds
            try:
                report.checks.append(_do(request, report, work, session))
            finally:
                account = SessionAccount.of(session)
            account.require_answers()
    finally:
        if account is not None:
            account.add_to(report)
            if engine_of(options).simulated_time(options):
                report.event_hash = account.event_hash
            report.judge_seen(strict=request.strict)
            report.show("End of the kernel log", account.log.tail(LOG_TAIL_LINES))


def _do(request: HandRequest, report: RunReport, work: Work, session: Session) -> Check:
    began = time.monotonic()
    try:
        status = report.command_status = work(session)
    except GuestTimeout as late:
        report.command_status = TIMED_OUT
        raise explained(late, session.kernel_log, session.kernel) from late
    return Check(
        name="command", title=join(request.words), seconds=time.monotonic() - began,
        outcome=Outcome.FAIL if status else Outcome.PASS,
        reason=f"exit status {status}" if status else "",
    )  # fmt: skip
