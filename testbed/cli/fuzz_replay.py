# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz replay`` and ``minimise``: one schedule, again and smaller."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from testbed.cli.fuzz_options import CampaignName, folder_of_campaign
from testbed.cli.options import RunFolder
from testbed.cli.progress import progress, tell_end
from testbed.errors import EnvironmentProblem, ModelFailure, UsageProblem
from testbed.fuzz.execute import Executor
from testbed.fuzz.folder import schedule_named
from testbed.fuzz.minimise import minimise
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.schedule import Schedule
from testbed.host.console import console as console_of
from testbed.host.terminal import escape
from testbed.report.outcome import conclude, last_words
from testbed.report.results import Check, RunReport
from testbed.report.results import Outcome as Verdict
from testbed.report.rundir import RunDirectory, now_utc

MINIMAL = "minimal.json"
console = console_of()

What = Annotated[str, typer.Argument(help="A schedule's file, or the name of one of the campaign.")]


@contextmanager
def _executor(schedule: Schedule, directory: RunDirectory) -> Iterator[Executor]:
    """Runs the schedule's kernel. Raises UsageProblem, EnvironmentProblem."""
    if schedule.engine != "uml":
        raise UsageProblem(f"schedule {schedule.name} is for engine {schedule.engine}")
    progress(f"schedule {schedule.name}: {schedule.workload}, {len(schedule.faults)} faults")
    with Executor(directory.path, schedule.flavour, schedule.kernel, say=progress) as executor:
        yield executor


def _run(executor: Executor, schedule: Schedule) -> Outcome:
    """What it shows. Raises UsageProblem if it cannot be run; ModelFailure."""
    outcome = executor.run(schedule)
    if outcome.ended is Ended.ILLEGAL:
        raise UsageProblem(f"schedule {schedule.name} cannot be run: {outcome.problem}")
    if outcome.ended is Ended.MODEL_BUG:
        raise ModelFailure(outcome.problem)
    return outcome


def _told(outcome: Outcome) -> str:
    words = ", ".join(sorted(outcome.signatures)) or "nothing wrong"
    return f"{outcome.ended.value}: {words}"


def replay(
    what: What,
    times: Annotated[int, typer.Option("--times", min=1, help="How often.")] = 1,
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Run a schedule again, each time in a fresh guest; passes if all runs are one and the same."""
    schedule = schedule_named(what, folder_of_campaign(name, run_dir))
    directory = RunDirectory.named(run_dir)
    report = RunReport("fuzz replay", now_utc(), ("testbed", *sys.argv[1:]))
    report.seed, report.engine = schedule.seed, schedule.engine
    shown: Counter[tuple[str, str]] = Counter()

    def work() -> None:
        with _executor(schedule, directory) as executor:
            report.kernel_release = executor.release
            for number in range(1, times + 1):
                outcome = _run(executor, schedule)
                shown[_told(outcome), outcome.event_hash] += 1
                report.checks.append(_check(number, outcome))
        same = len(shown) == 1
        report.checks.append(
            Check(
                name="one-run", title="All are one and the same run",
                outcome=Verdict.PASS if same else Verdict.FAIL,
                reason="" if same else f"{len(shown)} different ones",
            )
        )  # fmt: skip

    code = conclude(report, directory, work, began=time.monotonic())
    with last_words():
        for (told, digest), count in shown.most_common():
            console.print(Text(f"{count:6} x {escape(told)}, event hash {digest or 'none'}"),
                          soft_wrap=True)  # fmt: skip
        console.print(Text(f"run directory: {directory.path}"), soft_wrap=True)
    tell_end(report)
    raise typer.Exit(code)


def _check(number: int, outcome: Outcome) -> Check:
    known = tuple(sorted({one.finding for one in outcome.complaints if one.finding}))
    return Check(
        name=f"run-{number}", title=f"Run {number}", seconds=outcome.wall_s,
        outcome=Verdict.FINDING if outcome.complaints else Verdict.PASS, findings=known,
        reason=_told(outcome) if outcome.complaints else "", measured=_told(outcome),
        detail="\n".join(one.text for one in outcome.complaints),
    )  # fmt: skip


def minimise_command(
    what: What,
    signature: Annotated[
        str, typer.Option("--signature", help="Which to keep; default: all that it shows.")
    ] = "",
    budget: Annotated[int, typer.Option("--budget", min=1, help="At most so many runs.")] = 60,
    out: Annotated[
        Path | None, typer.Option("--out", help=f"File; default: {MINIMAL} of the run directory.")
    ] = None,
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Make a schedule smaller as long as it shows the same, and write it into a file."""
    schedule = schedule_named(what, folder_of_campaign(name, run_dir))
    directory = RunDirectory.create(run_dir)
    with _executor(schedule, directory) as executor:
        shown = _run(executor, schedule).signatures
        wanted = frozenset({signature}) if signature else shown
        if not wanted or not wanted <= shown:
            told = ", ".join(sorted(shown)) or "nothing wrong"
            raise UsageProblem(f"schedule {schedule.name} shows {told}")
        found = minimise(schedule, lambda one: wanted <= executor.run(one).signatures, budget)
    target = out or directory.path / MINIMAL
    try:
        target.write_text(found.schedule.text + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{target} cannot be written: {error.strerror}") from error
    console.print(Text(f"{schedule.name}: {_size(schedule)}"), soft_wrap=True)
    console.print(Text(f"{found.schedule.name}: {_size(found.schedule)}, after {found.runs} runs"))
    console.print(Text(f"shows: {escape(', '.join(sorted(wanted)))}"), soft_wrap=True)
    console.print(Text(str(target)), soft_wrap=True)


def _size(schedule: Schedule) -> str:
    return (
        f"{schedule.workload}, {len(schedule.faults)} faults, {len(schedule.companions)} "
        f"companions, {len(schedule.packets)} packets, {len(schedule.text)} bytes"
    )
