# SPDX-License-Identifier: GPL-2.0-only
"""``testbed conformance``: the face of a card as data (docs/conformance.md)."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from testbed.cli.as_json import AsJson, print_json
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import errors, progress, tell_end
from testbed.conformance import diff as comparing
from testbed.conformance.diff import ORDER, Comparison, Severity
from testbed.conformance.personality import make_personality
from testbed.conformance.record import SCRIPT, record_session
from testbed.conformance.recording import Recording, load, save
from testbed.engines.open import build_options
from testbed.engines.session import Session
from testbed.errors import ExitCode
from testbed.host.console import console as console_of
from testbed.host.terminal import escape
from testbed.job.by_hand import HandRequest, run_by_hand

conformance = typer.Typer(
    help="Record what a card shows, compare two cards, make a personality (docs/conformance.md)."
)
_Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]
_Scrub = Annotated[
    bool,
    typer.Option("--scrub/--no-scrub", help="Hide serial numbers and halves of MAC addresses."),
]


@conformance.command("script")
def script() -> None:
    """Print the shell script that shows a card: for a machine that is not ours."""
    typer.echo(SCRIPT.read_text(encoding="utf-8"), nl=False)


@conformance.command("read")
def read(
    shown: Annotated[Path, typer.Argument(help="What the script printed.")], output: _Output
) -> None:
    """Make a recording of what the script printed."""
    recording = load(shown)
    save(output, recording.text())
    _tell(recording, output)


@conformance.command("record")
@run_options()
def record(
    given: Mapping[str, Any], output: _Output, scrub: _Scrub = True, run_dir: RunFolder = None
) -> None:
    """Record the card of a machine: a guest of ours, or a lab's (--lab, --dut)."""
    made: list[Recording] = []

    def work(session: Session) -> int:
        made.append(record_session(session, scrub=scrub))
        return ExitCode.PASS

    request = HandRequest(
        job="conformance", options=build_options(given), command=["testbed", *sys.argv[1:]],
        words=["record.sh"], runs=run_dir, console=errors,
    )  # fmt: skip
    report, _ = run_by_hand(request, work, progress)
    tell_end(report)
    if made:
        save(output, made[0].text())
        _tell(made[0], output)
    raise typer.Exit(report.exit_code)


def _tell(recording: Recording, output: Path) -> None:
    progress(f"{output}: {len(recording.values)} values, {len(recording.left_out)} left out")


@conformance.command("diff")
def diff(
    left: Annotated[Path, typer.Argument(help="A recording, or what the script printed.")],
    right: Annotated[Path, typer.Argument(help="The other one.")],
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="The least severity that makes the exit code 1.")
    ] = Severity.LOW,
    as_json: AsJson = False,
) -> None:
    """Compare two recordings value by value; fails if one differs."""
    one, other = load(left), load(right)
    found = comparing.compare(one, other)
    worst = found.worst()
    failed = worst is not None and ORDER.index(worst) <= ORDER.index(fail_on)
    if as_json:
        print_json(_document(found))
    else:
        _print(found, (left, one), (right, other))
    raise typer.Exit(ExitCode.TEST_FAILURE if failed else ExitCode.PASS)


def _print(found: Comparison, left: tuple[Path, Recording], right: tuple[Path, Recording]) -> None:
    console = console_of()
    for file, recording in (left, right):
        console.print(f"{file}: {recording.made_with()}", soft_wrap=True, markup=False)
    table = Table(
        Column("path", overflow="fold"), Column("left", overflow="fold"),
        Column("right", overflow="fold"), "severity", Column("whose job", overflow="fold"),
    )  # fmt: skip
    for one in sorted(found.differences, key=lambda one: ORDER.index(one.severity)):
        words = (one.path, one.left, one.right, one.severity, one.whose)
        table.add_row(*(Text(escape(word)) for word in words))
    if table.row_count:
        console.print(table)
    for name, side in found.one_sided.items():
        console.print(f"only the {side} one has {name}: not compared", markup=False)
    counts = Counter(one.severity for one in found.differences)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in ORDER)
    console.print(f"{found.compared} values compared, {len(found.differences)} differ: {told}")


def _document(found: Comparison) -> dict[str, Any]:
    return {
        "compared": found.compared, "one_sided": found.one_sided,
        "differences": [
            {
                "path": one.path, "left": one.left, "right": one.right,
                "severity": one.severity.value, "whose": one.whose,
            }
            for one in found.differences
        ],
    }  # fmt: skip


@conformance.command("personality")
def personality(
    recording: Annotated[Path, typer.Argument(help="A recording, or what the script printed.")],
    output: _Output,
) -> None:
    """Make a personality of a recording, and say what it cannot have."""
    made = make_personality(load(recording))
    save(output, made.text(recording))
    progress(f"{output}: {len(made.options)} options differ from the default card's")
    for name, why in made.refused.items():
        progress(f"cannot be had: {name} = {why}")
    if made.untold:
        progress(f"the recording does not tell: {', '.join(made.untold)}")
    if made.without:
        progress(f"no option decides: {', '.join(made.without)}")
