# SPDX-License-Identifier: GPL-2.0-only
"""``testbed findings``: bugs of the kernel on record, and what becomes of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markdown import Markdown
from rich.table import Column, Table
from rich.text import Text

from kernels.flavours import FLAVOURS
from kernels.patches import is_ours
from testbed.cli.findings_export import commands as export_commands
from testbed.cli.options import RunFolder
from testbed.cli.progress import progress, tell_end
from testbed.errors import UsageProblem
from testbed.findings.describe import documents
from testbed.findings.head import Needs, Status
from testbed.findings.judge import Findings
from testbed.findings.kernel import DEBIAN
from testbed.findings.load import Finding, load_findings
from testbed.findings.record import record_check, record_fix
from testbed.followup import evidence
from testbed.followup.check import Answer, Verdict, as_checked, check_all, to_check
from testbed.followup.close import close as close_finding
from testbed.followup.file import file_finding, look
from testbed.followup.target import KernelChoice, Target, Where
from testbed.followup.verify import Verification, own_fix, times_for
from testbed.host.console import console as console_of
from testbed.host.terminal import escape, escape_text
from testbed.report.outcome import conclude, last_words
from testbed.report.results import RunReport
from testbed.report.rundir import LATEST, RUNS, RunDirectory, now_utc

findings = typer.Typer(help="Bugs of the kernel on record: listed, checked, verified, exported.")
findings.add_typer(export_commands)
console = console_of()

_ID = Column("finding", no_wrap=True)  # whole, to be named
_STYLES = {
    Verdict.SHOWN: "yellow", Verdict.GONE: "green", Verdict.CANNOT_TELL: "dim",
    Verdict.BACK: "bold red", Verdict.NEW: "bold red",
}  # fmt: skip

Id = Annotated[str, typer.Argument(help="Of the finding: its file's name without .md.")]
Kernels = Annotated[
    list[str] | None,
    typer.Option(
        "--kernel",
        help="A version, a folder with sources, or a build; may be repeated.  [the pinned one]",
    ),
]
Kernel = Annotated[
    str | None, typer.Option("--kernel", help="A version or a folder with sources.  [pinned]")
]
Series = Annotated[
    list[Path] | None,
    typer.Option("--series", help="Patches, as `kernel build` takes them; may be repeated."),
]
Engine = Annotated[
    Literal["uml", "qemu"] | None,
    typer.Option("--engine", help="Only what shows there.  [each finding's own]"),
]
OnFlavour = Annotated[
    str | None,
    typer.Option("--flavour", help="Only what shows there.  [each finding's own]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


def row(finding: Finding) -> dict[str, Any]:
    """A finding as ``findings list --json`` shows it."""
    return {
        "id": finding.id, "title": finding.title, "status": finding.status.value,
        "needs": finding.needs.value, "trigger": finding.trigger.value,
        "impact": finding.impact.value, "subsystem": finding.subsystem,
        "files": list(finding.files), "flavours": list(finding.flavours),
        "link": finding.link, "disclosure": finding.disclosure.value,
        "fixed": None if finding.fixed is None else str(finding.fixed.version),
        "checked": [
            {
                "kernel": str(one.kernel), "flavour": one.flavour, "date": str(one.date),
                "runs": one.runs, "shown": one.shown,
            }
            for one in finding.checked
        ],
        "verified": [
            {
                "kernel": str(one.kernel), "flavour": one.flavour, "date": str(one.date),
                "runs": one.runs, "tests": one.tests,
            }
            for one in finding.verified
        ],
    }  # fmt: skip


@findings.command("list")
def list_command(
    status: Annotated[
        Literal[tuple(one.value for one in Status)] | None,  # type: ignore[valid-type]
        typer.Option("--status", help="Only those."),
    ] = None,
    needs: Annotated[
        Literal[tuple(one.value for one in Needs)] | None,  # type: ignore[valid-type]
        typer.Option("--needs", help="Only those."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is on record."""
    chosen = [one for one in load_findings() if status in (None, one.status)]
    chosen = [one for one in chosen if needs in (None, one.needs)]
    if as_json:
        for one in chosen:
            print(json.dumps(row(one)))
        return
    table = Table(_ID, "status", "needs", "who", "impact", "shown on")
    for one in chosen:
        shown = ", ".join(dict.fromkeys(str(each.kernel) for each in one.checked if each.shown))
        words = (one.id, one.status, one.needs, one.trigger, one.impact, shown)
        table.add_row(*(escape(str(word)) for word in words))
    console.print(table)
    console.print(f"{len(chosen)} findings")


@findings.command()
def show(name: Id) -> None:
    """Show one: its head, its text, and where its evidence, reproducer and fix are."""
    finding = _named(name)
    text = escape_text(finding.path.read_text(encoding="utf-8").split("+++\n", 2)[2])
    for key, value in row(finding).items():
        if value not in (None, [], ""):
            said = value if isinstance(value, str) else json.dumps(value)
            console.print(Text.assemble((f"{key:>11}  ", "dim"), escape(said)), soft_wrap=True)
    places = [finding.path]
    if finding.folder.is_dir():
        places += sorted(path for path in finding.folder.rglob("*") if path.is_file())
    for path in places:
        console.print(Text.assemble((f"{'file':>11}  ", "dim"), str(path)), soft_wrap=True)
    console.print(Markdown(text) if console.is_terminal else Text(text), soft_wrap=True)


@findings.command()
def docs() -> None:
    """Write the index in docs/findings/README.md anew."""
    for path in write_index():
        print(path)


def write_index() -> list[Path]:
    """The index as the heads are now; what was written. Raises ConfigProblem."""
    written = documents()
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    return list(written)


@findings.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Ids; without any, all findings.")
    ] = None,
    kernel: Kernels = None,
    series: Series = None,
    engine: Engine = None,
    flavour: OnFlavour = None,
    times: Annotated[int, typer.Option("--times", min=1, help="Runs of each.")] = 1,
    record: Annotated[
        bool, typer.Option("--record", help="Write counts and evidence into docs/findings.")
    ] = False,
    run_dir: RunFolder = None,
) -> None:
    """Run the reproducer of each finding on a kernel, and say what is not as on record.

    Exit code 0: all is as on record. 1: something new, or a fixed one is back. 6: a finding is
    gone, shows where it was not known to, or nothing can be told.
    """
    where = _where(engine, flavour)
    chosen = to_check(load_findings(), _known(names or []), where)
    named: Sequence[str | None] = kernel or [None]
    targets = [Target(one, tuple(series or ())) for one in named]
    odd = [one.label for one in targets if not one.is_stock]
    if record and odd:
        raise UsageProblem(
            f"--record: nobody else has the kernel {odd[0]}", remedy="record published versions"
        )
    choices = [KernelChoice(target, progress) for target in targets]
    directory = RunDirectory.named(run_dir)
    report = _report("findings-check")
    grid: list[list[Answer]] = []

    def work() -> None:
        for number, choice in enumerate(choices):
            grid.append([])
            folder = directory.path / f"kernel-{number + 1}"
            check_all(
                chosen, choice, folder, report, _answered(grid[-1], choice, record=record),
                progress, where=where, times=times,
            )  # fmt: skip

    code = conclude(report, directory, work, began=time.monotonic())
    if record:
        write_index()
    with last_words():
        print_grid([choice.target.label for choice in choices], grid)
        console.print(f"run directory: {directory.path}")
    tell_end(report)
    raise typer.Exit(code)


def _where(engine: str | None, flavour: str | None) -> Where:
    known = [DEBIAN, *(one.name for one in FLAVOURS)]
    if flavour not in (None, *known):
        raise UsageProblem(f"no flavour {flavour}", remedy=f"one of {', '.join(known)}")
    return Where(engine, flavour)


def _answered(
    column: list[Answer], choice: KernelChoice, *, record: bool
) -> Callable[[Answer], None]:
    def take(answer: Answer) -> None:
        column.append(answer)
        text = f"{choice.target.label}: {answer.finding.id}: {answer.cell}"
        reason = f" ({answer.reason})" if answer.reason else ""
        console.print(Text(escape(text + reason), style=_STYLES[answer.verdict]), soft_wrap=True)
        if record:
            _record(answer)

    return take


def _record(answer: Answer) -> None:
    checked, kernel = as_checked(answer), answer.replays.kernel
    if checked is None or kernel is None:
        return
    new = record_check(answer.finding.path, checked)
    new |= not evidence.folder_for(answer.finding, kernel).is_dir()
    if new and checked.shown and answer.replays.run_dir is not None:
        evidence.keep(answer.finding, kernel, answer.replays.run_dir)


def print_grid(labels: Sequence[str], grid: Sequence[Sequence[Answer]]) -> None:
    """Findings by kernels, and how many of each verdict."""
    table = Table(_ID, "needs", *(escape(label) for label in labels))
    for number, first in enumerate(grid[0] if grid else ()):
        answers = [column[number] for column in grid if number < len(column)]
        cells = [Text(escape(one.cell), style=_STYLES[one.verdict]) for one in answers]
        table.add_row(first.finding.id, first.finding.needs.value, *cells)
    console.print(table)
    for label, column in zip(labels, grid, strict=False):
        counts = [(kind, sum(one.verdict is kind for one in column)) for kind in Verdict]
        told = ", ".join(f"{count} {kind.value}" for kind, count in counts if count)
        other = sum(not one.as_on_record for one in column)
        console.print(escape(f"{label}: {told}; {other} not as on record"))


@findings.command()
def verify(
    name: Id,
    series: Series = None,
    kernel: Kernel = None,
    engine: Engine = None,
    flavour: OnFlavour = None,
    times: Annotated[
        int | None, typer.Option("--times", min=1, help="Runs of the reproducer.  [3 or 20]")
    ] = None,
    tests: Annotated[
        list[str] | None, typer.Option("--tests", help="Other tests than the finding's.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write that our fix is good into docs/findings.")
    ] = False,
    run_dir: RunFolder = None,
) -> None:
    """Build a kernel with patches, and say whether the finding is gone and its area still works.

    Without --series it is our own fix, kernels/fixes/ID; a build is taken as it is. Exit code 0:
    gone, and nothing else broke. 1: it still shows, or a test fails that passes without the
    patches. 6: cannot tell.
    """
    finding = _named(name)
    patches = series or ([] if Target(kernel).is_build else [own_fix(name)])
    target = Target(kernel, tuple(patches))
    if record and not (Target(kernel).is_stock and all(map(is_ours, series or ()))):
        raise UsageProblem(
            "--record is for our own fix of a published version",
            remedy=f"put the patch into kernels/fixes/{name}",
        )
    directory = RunDirectory.named(run_dir)
    report = _report("findings-verify")
    report.note("finding", name)
    report.note("series", ", ".join(map(str, target.series)))
    verification = Verification(
        finding, target, directory.path, report, progress, times or times_for(finding),
        _where(engine, flavour),
        tuple(tests or ()),
    )  # fmt: skip

    def work() -> None:
        verified = verification.run()
        if record and verified is not None:
            record_fix(finding.path, replace(verified, together=bool(series)))

    code = conclude(report, directory, work, began=time.monotonic())
    if record:
        write_index()
    with last_words():
        for one in report.checks:
            line = f"{one.outcome.value}: {one.name}: {one.reason or one.measured}"
            console.print(Text(escape(line)), soft_wrap=True)
        console.print(f"run directory: {directory.path}")
    tell_end(report)
    raise typer.Exit(code)


@findings.command()
def close(
    name: Id,
    status: Annotated[
        Literal[tuple(one.value for one in Status if one is not Status.DUPLICATE)],  # type: ignore[valid-type]
        typer.Option("--status", help="What has become of it."),
    ] = "fixed",
    link: Annotated[
        str | None, typer.Option("--link", help="Of the report, or of the fix.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="The first mainline release with the fix.")
    ] = None,
    commit: Annotated[str | None, typer.Option("--commit", help="The fix.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Of the fix.")] = None,
) -> None:
    """Write down that a finding is reported, fixed, or will stay."""
    fix = {"version": version, "commit": commit, "subject": subject}
    given = {key: value for key, value in fix.items() if value is not None}
    closed = close_finding(_named(name), Status(status), link=link, fixed=given or None)
    write_index()
    print(f"{closed.path}: {closed.status.value}")


@findings.command("file")
def file_command(
    name: Id,
    run: Annotated[Path, typer.Option("--from", help="The run directory that shows it.")] = Path(
        RUNS, LATEST
    ),
    check: Annotated[
        str | None, typer.Option("--check", help="Which failed check.  [the first with a splat]")
    ] = None,
) -> None:
    """Put a new finding on record: docs/findings/ID.md out of a run, to be completed by hand."""
    seen = look(run, check)
    finding, left = file_finding(name, seen)
    write_index()
    print(finding.path)
    for line in left:
        progress(line)


def _named(name: str) -> Finding:
    return Findings(load_findings())[name]


def _known(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        _named(name)
    return names


def _report(job: str) -> RunReport:
    return RunReport(job, now_utc(), ("testbed", *sys.argv[1:]))
