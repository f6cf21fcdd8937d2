# SPDX-License-Identifier: GPL-2.0-only
"""``testbed repeat``: is a scenario the same run every time, and how fast is it?"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from testbed import ROOT
from testbed.cli.options import run_options
from testbed.cli.progress import errors, progress
from testbed.engines.open import build_options
from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.prepare import UmlPrepared
from testbed.errors import ExitCode, UsageProblem
from testbed.host.cpu import cpu_name
from testbed.options import RunOptions
from testbed.repeat.recorded import FILE, Record, find, inputs_of, keep
from testbed.repeat.repeat import Repeats, cycle, repeat
from testbed.workloads.table import SCENARIOS

_NAMES = ", ".join(SCENARIOS)


@run_options("kernel", "flavour", "watchdog_s", "memory_mib", "seed", memory_mib=512, seed=1)
def repeat_command(
    given: Mapping[str, Any],
    scenario: Annotated[str, typer.Argument(help=f"One of: {_NAMES}.")] = "zcrx",
    runs: Annotated[int, typer.Option("--runs", min=1, help="How many runs.")] = 20,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Guests at once; default: one for each core."),
    ] = None,
    persistent: Annotated[
        bool,
        typer.Option(
            "--persistent",
            help="All in one guest, which unbinds and binds the driver after each.",
        ),
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help=f"Keep the event hash in {FILE.relative_to(ROOT)}.")
    ] = False,
) -> None:
    """Run a scenario many times in fresh UML guests; fails unless all are one and the same run,

    and the one on record, if that had the same kernel, guest, card and seed.
    """
    if scenario not in SCENARIOS:
        raise UsageProblem(f"there is no scenario {scenario!r}", remedy=f"allowed: {_NAMES}")
    if record and persistent:
        raise UsageProblem("--persistent has no event hash to record", remedy="drop one of both")
    options = build_options({**given, "engine": UML.name})
    console = Console()
    options, prepared = UML.prepare(options, progress)
    if persistent:
        done = cycle(options, prepared, scenario, runs)
        rate = done.count / done.seconds
        console.print(f"{done.count} cycles of {scenario} in one guest, {rate:.2f} a second")
        console.print(f"event hash of all together: {done.event_hash}", highlight=False)
        raise typer.Exit(ExitCode.PASS)
    account = Repeats()
    for account in repeat(options, prepared, scenario, runs=runs, workers=workers):
        if errors.is_terminal:
            errors.print(f"{account.runs} of {runs} ", end="\r")
    console.print(f"{account.runs} of {runs} runs of {scenario}, {account.per_second:.2f} a second")
    for digest, count in account.hashes.most_common():
        console.print(f"{count:6} x {digest}", highlight=False)
    for failure in account.failures[:10]:
        console.print(Text(f"failed: {failure}", style="red"))
    simulated = UML.simulated_time(options)
    same = len(account.hashes) == 1 or not simulated
    good = not account.failures and same
    if good and simulated:
        good = _compare(console, options, prepared, scenario, account, record=record)
    raise typer.Exit(ExitCode.PASS if good else ExitCode.TEST_FAILURE)


def _compare(
    console: Console, options: RunOptions, prepared: UmlPrepared, scenario: str, account: Repeats,
    *, record: bool,
) -> bool:  # fmt: skip
    """Whether the runs are the one on record, if there is one; with ``record`` keep this one."""
    inputs, (event_hash,) = inputs_of(options, prepared), account.hashes
    known = find(scenario, inputs)
    if known is not None and known.event_hash != event_hash:
        console.print(f"on {known.date} it was {known.event_hash}", style="red", highlight=False)
        return False
    if known is not None:
        console.print(f"as recorded on {known.date}")
    if record:
        assert options.seed is not None
        keep(
            Record(
                scenario=scenario, flavour=options.flavour, seed=options.seed, inputs=inputs,
                kernel=str(prepared.kernel.provenance["image_sha256"]), cpu=cpu_name(),
                release=prepared.kernel.release,
                date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(), runs=account.runs,
                event_hash=event_hash,
            )
        )  # fmt: skip
    return True
