# SPDX-License-Identifier: GPL-2.0-only
"""``testbed repeat``: is a scenario the same run every time, and how fast is it?"""

from __future__ import annotations

import datetime
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from testbed import ROOT
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import errors, progress, tell_end
from testbed.cli.seen import tell_seen
from testbed.engines.open import build_options
from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.prepare import UmlPrepared
from testbed.errors import UsageProblem
from testbed.host.console import console as console_of
from testbed.host.cpu import cpu_name
from testbed.host.terminal import escape
from testbed.options import RunOptions
from testbed.repeat.recorded import FILE, Record, find, inputs_of, keep
from testbed.repeat.repeat import Repeats, cycle, repeat
from testbed.report.outcome import conclude
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory, now_utc
from testbed.report.seen import Seen
from testbed.workloads.table import SCENARIOS

SHOWN = 10
"""Failed runs that are told one by one."""

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
            help="Many in each guest, which unbinds and binds the driver after each.",
        ),
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help=f"Keep the event hash in {FILE.relative_to(ROOT)}.")
    ] = False,
    run_dir: RunFolder = None,
) -> None:
    """Run a scenario many times in fresh UML guests; fails unless all are one and the same run,

    and the one on record, if that had the same kernel, guest, card and seed.
    """
    if scenario not in SCENARIOS:
        raise UsageProblem(f"there is no scenario {scenario!r}", remedy=f"allowed: {_NAMES}")
    if record and persistent:
        raise UsageProblem("--persistent has no event hash to record", remedy="drop one of both")
    options, prepared = UML.prepare(build_options({**given, "engine": UML.name}), progress)
    job = _Job(
        options, prepared, scenario, RunDirectory.named(run_dir),
        RunReport("repeat", now_utc(), ("testbed", *sys.argv[1:])),
    )  # fmt: skip
    if persistent:
        raise typer.Exit(job.conclude(lambda: job.cycle(runs, workers)))
    raise typer.Exit(job.conclude(lambda: job.repeat(runs, workers, record=record)))


@dataclass
class _Job:
    """A scenario to repeat, and the report of it."""

    options: RunOptions
    prepared: UmlPrepared
    scenario: str
    directory: RunDirectory
    report: RunReport
    console: Console = field(default_factory=console_of)

    def conclude(self, work: Callable[[], None]) -> int:
        UML.describe(self.options, self.report)
        self.report.kernel_release = self.prepared.kernel.release
        self.report.note_all(self.prepared.provenance)
        code = conclude(self.report, self.directory, work, began=time.monotonic())
        tell_seen(self.report.seen, self.directory.path, quiet=False)
        tell_end(self.report)
        return code

    def cycle(self, runs: int, workers: int | None) -> None:
        done = cycle(
            self.options, self.prepared, self.scenario, self.directory.path, runs=runs,
            workers=workers,
        )  # fmt: skip
        guests = done.event_hashes.total()
        self.console.print(
            f"{done.count} cycles of {self.scenario} in each of {guests} guests, "
            f"{done.per_second:.2f} a second"
        )
        for digest, count in done.event_hashes.most_common():
            self.console.print(f"{count:6} x {digest} (all cycles of a guest together)")
        self._add_seen(done.seen)
        self._check("cycles", "Every cycle ends well", "", seconds=done.seconds)
        if not UML.simulated_time(self.options):
            return
        if guests > 1:
            self._check_one(done.event_hashes)
        if len(done.event_hashes) == 1:
            (self.report.event_hash,) = done.event_hashes

    def _check_one(self, hashes: Counter[str]) -> None:
        bad = f"{len(hashes)} event hashes" if len(hashes) > 1 else ""
        self._check("one-run", "All are one and the same run", bad)

    def repeat(self, runs: int, workers: int | None, *, record: bool) -> None:
        account = Repeats()
        try:
            for account in repeat(
                self.options, self.prepared, self.scenario, self.directory.path, runs=runs,
                workers=workers,
            ):  # fmt: skip
                if errors.is_terminal:
                    errors.print(f"{account.runs} of {runs} ", end="\r")
        finally:
            self._tell(account, runs)
            self._add_seen(account.seen)
        for failure in account.failures:
            self.report.end_with(failure)
        bad = f"{len(account.failures)} of {runs} do not" if account.failures else ""
        self._check("runs", "Every run ends well", bad, seconds=account.seconds)
        if not UML.simulated_time(self.options) or not account.hashes:
            return
        self._check_one(account.hashes)
        if not self.report.totals.failed:
            self._compare(account, record=record)

    def _add_seen(self, seen: Sequence[Seen]) -> None:
        """Whatever is not on record of this kernel fails the run, without --strict."""
        self.report.seen += seen
        self.report.judge_seen(strict=True)

    def _tell(self, account: Repeats, runs: int) -> None:
        rate = f"{account.per_second:.2f} a second"
        self.console.print(f"{account.runs} of {runs} runs of {self.scenario}, {rate}")
        for digest, count in account.hashes.most_common():
            self.console.print(f"{count:6} x {digest}")
        for failure in account.failures[:SHOWN]:
            text = escape(f"failed: {failure.fault}: {failure.message}")
            self.console.print(Text(text, style="red"), soft_wrap=True)

    def _check(self, name: str, title: str, problem: str, *, seconds: float = 0.0) -> None:
        outcome = Outcome.FAIL if problem else Outcome.PASS
        self.report.checks.append(
            Check(name=name, title=title, outcome=outcome, reason=problem, seconds=seconds)
        )

    def _compare(self, account: Repeats, *, record: bool) -> None:
        """With the run on record, if there is one; with ``record`` keep this one."""
        inputs, (event_hash,) = inputs_of(self.options, self.prepared), account.hashes
        self.report.event_hash = event_hash
        known = find(self.scenario, inputs)
        if known is not None and known.event_hash != event_hash:
            problem = f"on {known.date} it was {known.event_hash}"
            self.console.print(problem, style="red")
            self._check("recorded", "They are the run on record", problem)
            return
        if known is not None:
            self.console.print(f"as recorded on {known.date}")
            self._check("recorded", "They are the run on record", "")
        if record:
            self._keep(account.runs, inputs, event_hash)

    def _keep(self, runs: int, inputs: str, event_hash: str) -> None:
        assert self.options.seed is not None
        keep(
            Record(
                scenario=self.scenario, flavour=self.options.flavour, seed=self.options.seed,
                inputs=inputs, kernel=str(self.prepared.kernel.provenance["image_sha256"]),
                cpu=cpu_name(), release=self.prepared.kernel.release,
                date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(), runs=runs,
                event_hash=event_hash,
            )
        )  # fmt: skip
