# SPDX-License-Identifier: GPL-2.0-only
"""``testbed run``: every outcome, good or bad, ends with a run directory and a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console

from testbed.engines.engine import Prepared
from testbed.engines.open import engine_of, prepare_run
from testbed.errors import TestbedError
from testbed.job import probe_steps, teardown_steps, traffic_steps
from testbed.job.context import JobContext
from testbed.job.progress import Progress, final_table
from testbed.job.recorder import Recorder, Step
from testbed.options import Nic, RunOptions
from testbed.report import provenance
from testbed.report.outcome import conclude, last_words
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory, now_utc
from testbed.workloads.seen import seen_in_log

KERNEL_LOG_TAIL_LINES = 60

Prepare = Callable[[RunOptions, Callable[[str], None]], tuple[RunOptions, Prepared]]
Play = Callable[[Recorder, JobContext], None]
"""Runs the steps of a job."""
Tell = Callable[[RunReport, Path], None]


def job_steps(nic: Nic) -> list[Step[JobContext]]:
    """The whole job, in order."""
    return [probe_steps.BOOT, *probe_steps.STEPS, *traffic_steps.STEPS, *teardown_steps.steps(nic)]


def play_main_job(recorder: Recorder, job: JobContext) -> None:
    """The main job's steps."""
    steps = job_steps(job.options.nic)
    recorder.run_one(steps[0], job)
    recorder.run(steps[1:], job)


def _keep_evidence(job: JobContext) -> None:
    """What the logs say at the end, whatever the end was."""
    if job.opened is None:
        return
    log = job.opened.kernel_log
    job.report.show("End of the kernel log", log.tail(KERNEL_LOG_TAIL_LINES))
    if job.opened.machine.lost is not None:  # no step comes to judge it
        job.report.seen += seen_in_log(log, job.opened.kernel)
    if engine_of(job.options).simulated_time(job.options):
        with suppress(TestbedError):
            job.report.event_hash = job.opened.card.state()["digest"]
    if job.report.violations is None and job.options.nic is Nic.BNXT:
        with suppress(TestbedError):
            teardown_steps.account(job)


def _run(
    options: RunOptions, report: RunReport, directory: RunDirectory, progress: Progress,
    prepare: Prepare, play: Play,
) -> None:  # fmt: skip
    options, prepared = prepare(options, progress.say)
    engine_of(options).describe(options, report)
    report.note_all(prepared.provenance)
    progress.note("kernel", prepared.kernel.release)
    if report.accelerator is not None:
        progress.note("accelerator", report.accelerator)
    progress.note("seed", str(options.seed))
    is_open = play is not play_main_job
    with ExitStack() as stack:
        job = JobContext(options, prepared, directory.path, report, stack)
        total = 0 if is_open else len(job_steps(options.nic))
        recorder = Recorder(report, progress, total, job.explain)
        try:
            play(recorder, job)
        finally:
            _keep_evidence(job)


def run_main_job(
    options: RunOptions, console: Console, *, command: Sequence[str],
    run_folder: Path | None = None, prepare: Prepare = prepare_run, play: Play = play_main_job,
    name: str = "run", began: float | None = None, tell: Tell | None = None,
) -> int:  # fmt: skip
    """Run a job and return its exit code; see :func:`testbed.report.outcome.conclude`.

    ``play`` and ``name``: another job than the main one, of as many steps as it likes. ``began``
    is when its wall time starts, by ``time.monotonic()``; now, if it is None. ``tell`` says how it
    ended, given the report and the run directory; without it a table on ``console`` does.

    Raises EnvironmentProblem only if the run directory itself cannot be made or written.
    """
    directory = RunDirectory.named(run_folder)
    report = RunReport(job=name, started_at=now_utc(), command=tuple(command))

    def work() -> None:
        report.note("repository commit", provenance.repository_commit())
        report.note_all(provenance.host())
        with Progress(console) as progress:
            _run(options, report, directory, progress, prepare, play)

    code = conclude(report, directory, work, began=began or time.monotonic())
    with last_words():
        if tell is None:
            console.print(final_table(report, str(directory.path)))
        else:
            tell(report, directory.path)
    return code
