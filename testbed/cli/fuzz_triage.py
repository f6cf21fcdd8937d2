# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz triage``, ``confirm`` and ``file``: from complaints to findings on record."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from testbed.artifacts.prepare import is_path
from testbed.cli.findings import write_index
from testbed.cli.fuzz_options import CampaignName, folder_of_campaign
from testbed.cli.options import RunFolder
from testbed.cli.progress import progress, tell_end
from testbed.errors import UsageProblem
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.followup.file import look, new_path
from testbed.fuzz.confirm import JOB, Confirmation, folder_for_guests
from testbed.fuzz.execute import Executor
from testbed.fuzz.folder import is_led, leading, schedule_named
from testbed.fuzz.honest import honesty
from testbed.fuzz.outcome import Complaint
from testbed.fuzz.qemu import confirm_on_qemu, label
from testbed.fuzz.reading import Reader, TriageRow
from testbed.fuzz.record import Candidate, candidate, file_bug
from testbed.fuzz.schedule import Schedule, read_schedule
from testbed.fuzz.store import Store
from testbed.fuzz.triage import TIMES, Bug, Triage
from testbed.host.console import console as console_of
from testbed.host.terminal import escape
from testbed.report.outcome import conclude, last_words
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory, now_utc

console = console_of()

Times = Annotated[int, typer.Option("--times", min=1, help="Runs that confirm it.")]
Engine = Annotated[
    Literal["uml", "qemu"],
    typer.Option("--engine", help="qemu: the stock kernel, a minute for each run."),
]


def triage(
    name: CampaignName = "main",
    times: Times = TIMES,
    budget: Annotated[
        int, typer.Option("--budget", min=1, help="Runs to make one schedule smaller.")
    ] = 60,
    known: Annotated[bool, typer.Option("--known", help="Also what is on record.")] = False,
    engine: Engine = "uml",
    run_dir: RunFolder = None,
) -> None:
    """Merge variants, make the schedule of each new bug as small as it can be, and confirm it.

    With --engine qemu each is tried on QEMU with the stock kernel as well.
    """
    folder = folder_of_campaign(name, run_dir)
    Reader.of(folder).close()
    if is_led(folder):
        raise UsageProblem(f"the campaign in {folder} is running", remedy="testbed fuzz stop")
    directory = RunDirectory.create(run_dir)
    with leading(folder), Store.open(folder) as store:
        facts = store.facts()
        guests = folder_for_guests(directory)
        flavour, kernel = facts["flavour"], facts["kernel"] or None
        with Executor(guests, flavour, kernel, say=progress) as executor:
            work = Triage(store, executor.run, progress)
            bugs = [bug for bug in work.merge() if known or not bug.known]
            rows = [work.work(bug, times, budget) for bug in bugs]
        table = Table("bug", "on record", "confirmed", "faults", "honest card", "where")
        for number, (bug, row) in enumerate(zip(bugs, rows, strict=True)):
            schedule = work.schedule(row.minimal)
            where = "UML"
            if engine == "qemu":
                place = directory.path / f"qemu-{number + 1}"
                where, row = _on_qemu(store, bug, row, schedule, place)
            table.add_row(
                Text(escape(bug.first.signature)), bug.first.finding or row.filed or "new",
                f"{row.shown} of {row.tried}", str(len(schedule.faults)),
                honesty(schedule).text, Text(escape(where)),
            )  # fmt: skip
    console.print(table)


def _on_qemu(
    store: Store, bug: Bug, row: TriageRow, schedule: Schedule, place: Path
) -> tuple[str, TriageRow]:
    first = bug.first
    complaint = Complaint(signature=first.signature, oracle=first.oracle, text=first.text)
    place.mkdir()
    found = confirm_on_qemu(schedule, complaint, place, progress)
    row = replace(row, qemu_shown=found.shown, qemu_tried=found.tried)
    with store.batch():
        store.triaged(row)
    return " ".join(label(row.shown > 0, found, complaint)), row


def confirm(
    what: Annotated[str, typer.Argument(help="A schedule's file, or its name in the campaign.")],
    times: Times = TIMES,
    finding: Annotated[
        str | None, typer.Option("--finding", help="The finding on record that it has to show.")
    ] = None,
    engine: Engine = "uml",
    flavour: Annotated[
        str | None, typer.Option("--flavour", help="Not the schedule's own.")
    ] = None,
    kernel: Annotated[str | None, typer.Option("--kernel", help="Not the schedule's own.")] = None,
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Run a schedule in fresh guests, each run a check; exit code 1 if any shows something new.

    With --engine qemu: what one run on UML shows is looked for on QEMU, both with the stock kernel;
    exit code 1 if any of it does not show there.
    """
    if engine == "qemu" and (finding or flavour or kernel):
        raise UsageProblem("--engine qemu takes no --finding, --flavour or --kernel")
    given = schedule_named(what, folder_of_campaign(name, run_dir))
    schedule = replace(given, flavour=flavour or given.flavour, kernel=kernel or given.kernel)
    on_record = None if finding is None else Findings(load_findings())[finding]
    if engine == "qemu":
        raise typer.Exit(_confirm_on_qemu(schedule, RunDirectory.create(run_dir), times))
    directory, report = RunDirectory.named(run_dir), _report()
    runs = Confirmation(directory, report, progress, on_record)
    code = _run(runs, directory, report, schedule, times)
    with last_words():
        for signature in sorted({one for run in runs.outcomes for one in run.signatures}):
            console.print(Text(escape(f"{runs.confirmed(signature)} runs show {signature}")))
        console.print(Text(f"run directory: {directory.path}"), soft_wrap=True)
    tell_end(report)
    raise typer.Exit(code)


def _confirm_on_qemu(schedule: Schedule, directory: RunDirectory, times: int) -> int:
    is_own = schedule.kernel is not None and is_path(schedule.kernel)
    plan = replace(schedule, kernel=None) if is_own else schedule
    guests = folder_for_guests(directory)
    with Executor(guests, plan.flavour, plan.kernel, coverage=False, say=progress) as executor:
        outcome = executor.run(plan)
    if not outcome.complaints:
        raise UsageProblem(f"one run on UML shows nothing to look for: {outcome.problem or 'done'}")
    table = Table("bug", "on record", "QEMU", "where", "besides, on QEMU")
    everywhere = True
    for number, complaint in enumerate(outcome.complaints):
        place = directory.path / f"qemu-{number + 1}"
        place.mkdir()
        found = confirm_on_qemu(plan, complaint, place, progress, times=times)
        where, why = label(True, found, complaint)
        everywhere = everywhere and found.shown > 0
        table.add_row(
            Text(escape(complaint.signature)), complaint.finding or "new",
            f"{found.shown} of {found.tried}", Text(escape(f"{where} {why}".strip())),
            Text("\n".join(map(escape, found.else_seen))),
        )  # fmt: skip
    console.print(table)
    return 0 if everywhere else 1


def file(
    what: Annotated[
        str, typer.Argument(help="A signature, a schedule's name, or its file, as `findings` has.")
    ],
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Of the finding to be.")],
    times: Times = TIMES,
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Put a new bug on record: docs/findings/ID.md, its schedule and its evidence beside it."""
    new_path(identifier)
    folder = folder_of_campaign(name, run_dir)
    wanted = _wanted(what, folder)
    directory, report = RunDirectory.named(run_dir), _report()
    runs = Confirmation(directory, report, progress)
    _run(runs, directory, report, wanted.schedule, times)
    tell_end(report)
    look(directory.path)  # nothing new there: it says so
    new = (one.signature for run in runs.outcomes for one in run.new)
    signature = wanted.signature or next(new, "")
    if not signature:  # a guest that is lost has something wrong with it, and no name for it
        raise UsageProblem(f"no run of {what} shows a signature that is not on record")
    found, left = file_bug(identifier, directory.path, wanted.schedule, runs.outcomes, signature)
    write_index()
    if Path(what).suffix != ".json":
        _note_filed(folder, signature, found.id)
    print(found.path)
    for line in left:
        progress(line)


def _wanted(what: str, folder: Path) -> Candidate:
    if Path(what).suffix == ".json":
        return Candidate(read_schedule(Path(what)))
    with Reader.of(folder) as reader:
        return candidate(reader, what)


def _note_filed(folder: Path, signature: str, identifier: str) -> None:
    with Store.open(folder) as store, store.batch():
        row = store.triage().get(signature, TriageRow(signature=signature))
        store.triaged(replace(row, filed=identifier))


def _run(
    runs: Confirmation, directory: RunDirectory, report: RunReport, schedule: Schedule, times: int
) -> int:
    def work() -> None:
        guests = folder_for_guests(directory)
        # any build will do, also one that counts no edges
        with Executor(
            guests, schedule.flavour, schedule.kernel, coverage=False, about=runs.about,
            say=progress,
        ) as executor:  # fmt: skip
            runs.run(schedule, executor, times)

    return conclude(report, directory, work, began=time.monotonic())


def _report() -> RunReport:
    return RunReport(JOB, now_utc(), ("testbed", *sys.argv[1:]))
