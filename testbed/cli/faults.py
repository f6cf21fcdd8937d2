# SPDX-License-Identifier: GPL-2.0-only
"""``testbed faults``: the catalogue, trials of its entries, replays, the schema of plans."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text

from testbed.card.plans import check_plan, load_plan, plan_schema
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import progress
from testbed.engines.open import build_options, engine_of
from testbed.engines.pool import SessionPool
from testbed.errors import ExitCode, UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.faults.describe import documents
from testbed.faults.entry import Fault
from testbed.faults.judge import TrialVerdict
from testbed.faults.replay import SEED, entry_of, load_finding, load_replay
from testbed.faults.run import Trial
from testbed.faults.series import TrialSeries
from testbed.findings.judge import Findings
from testbed.findings.load import Replayed, kernel_of, load_findings
from testbed.findings.record import record_replay
from testbed.findings.splat_report import reports
from testbed.options import ENGINES, RunOptions
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory, now_utc
from testbed.workloads.table import WORKLOADS

faults = typer.Typer(help="Scripted faults of the card, and what the driver makes of them.")
_STYLES = {TrialVerdict.PASS: "green", TrialVerdict.FINDING: "yellow"}
_OUTCOMES = {TrialVerdict.PASS: Outcome.PASS, TrialVerdict.FINDING: Outcome.FINDING}


def row(fault: Fault) -> dict[str, Any]:
    """An entry as ``faults list --json`` shows it."""
    return {
        "name": fault.name, "class": fault.fault_class.value,
        "injection_point": ", ".join(fault.points), "title": fault.title,
        "expected_reaction": fault.expect.reaction.value, "finding": fault.expect.finding or None,
        "workload": fault.workload, "engines": list(fault.engines), "source": fault.source,
    }  # fmt: skip


@faults.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show the catalogue."""
    for fault in load_catalogue().values():
        if as_json:
            print(json.dumps(row(fault)))
        else:
            where = ", ".join(fault.points)
            print(f"{fault.name:32} {fault.fault_class.value:24} {where:18} "
                  f"{fault.expect.reaction.value}")  # fmt: skip


@faults.command()
def schema() -> None:
    """Print the JSON schema of plan files."""
    print(json.dumps(plan_schema(), indent=1))


@faults.command()
def docs() -> None:
    """Write what docs/ says of points, plans and catalogue anew."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
        print(path)


def _chosen(names: list[str]) -> list[Fault]:
    catalogue = load_catalogue()
    if names == ["all"]:
        return list(catalogue.values())
    unknown = [name for name in names if name not in catalogue]
    if unknown:
        raise UsageProblem(
            f"there is no fault {unknown[0]!r}", remedy="testbed faults list shows all; or: all"
        )
    return [catalogue[name] for name in names]


class _Runs:
    """A run directory, a report, and the trials that go into them."""

    def __init__(self, options: RunOptions, run_dir: Path | None) -> None:
        self.console = Console()
        self.directory = RunDirectory.create(run_dir)
        self.report = RunReport("faults", now_utc(), ("testbed", *sys.argv[1:]))
        self.pool = SessionPool(options, self.directory.path, progress)
        findings = Findings(load_findings())
        self.series = TrialSeries(self.pool, findings, self.directory.path / "faults")
        self._began = time.monotonic()

    def run(self, fault: Fault, plan: dict[str, Any] | None = None) -> Trial | None:
        """Try one fault and say how it went; None if it cannot be tried here."""
        reason = self.series.cannot(fault)
        if reason:
            self._note(fault, Outcome.SKIP, reason=reason)
            self.console.print(Text(f"{fault.name}: skipped, {reason}", style="dim"))
            return None
        trial = self.series.run(fault, plan)
        style = _STYLES.get(trial.verdict, "red")
        lines = trial.lines()
        self.console.print(Text(f"{lines[0]} ({trial.seconds:.1f} s)", style=style))
        if trial.verdict is not TrialVerdict.PASS:
            for line in lines[1:]:
                self.console.print(Text("  " + line), soft_wrap=True, highlight=False)
        self._note(
            fault, _OUTCOMES.get(trial.verdict, Outcome.FAIL), seconds=trial.seconds,
            reason="; ".join(trial.judgement.reasons[:2]) or ", ".join(trial.judgement.findings),
            detail="\n".join(lines), findings=trial.judgement.findings,
            splats=tuple(reports(trial.events)),
        )  # fmt: skip
        return trial

    def _note(self, fault: Fault, outcome: Outcome, **more: Any) -> None:
        self.report.checks.append(
            Check(
                name=fault.name, title=fault.title, outcome=outcome, group=fault.fault_class.value,
                **more,
            )
        )  # fmt: skip

    def end(self) -> None:
        """Put the machine away and write the reports."""
        pool, report = self.pool, self.report
        pool.discard()
        pool.describe(report)
        report.wall_seconds = time.monotonic() - self._began
        self.directory.write_reports(report)
        self.console.print(f"run directory: {self.directory.path}", highlight=False)


@faults.command()
@run_options(
    without=["icount", "coverage", "oracle", "share", "nic", "lab", "dut"], engine="uml", seed=SEED
)
def run(
    given: Mapping[str, Any],
    names: Annotated[
        list[str] | None, typer.Argument(help="Entries of the catalogue, or all.")
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="Inject this plan instead; alone, nothing is expected of it."),
    ] = None,
    workload: Annotated[
        str, typer.Option("--workload", help=f"Of a plan alone: {', '.join(WORKLOADS)}.")
    ] = "stream",
    run_dir: RunFolder = None,
) -> None:
    """Try faults; passes if each fires and the driver does as the catalogue says."""
    if not names and plan is None:
        raise UsageProblem("name faults, or a --plan", remedy="testbed faults list")
    if workload not in WORKLOADS:
        raise UsageProblem(
            f"there is no workload {workload!r}", remedy=f"allowed: {', '.join(WORKLOADS)}"
        )
    document = load_plan(plan) if plan is not None else None
    chosen = _chosen(names) if names else [entry_of("plan", workload, document or {})]
    options = build_options(given)
    for fault in chosen:
        check_plan(document or fault.document(), fault.name)
    runs = _Runs(options, run_dir)
    count: Counter[str] = Counter()
    try:
        for fault in chosen:
            trial = runs.run(fault, document)
            count["skipped" if trial is None else trial.verdict.value] += 1
    finally:
        runs.end()
    runs.console.print(", ".join(f"{n} {what}" for what, n in sorted(count.items())))
    bad = count[TrialVerdict.FAIL.value] + count[TrialVerdict.NEVER_FIRED.value]
    raise typer.Exit(ExitCode.TEST_FAILURE if bad else ExitCode.PASS)


@faults.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A replay.toml, or a finding: docs/findings/*.md.")],
    times: Annotated[int, typer.Option("--times", min=1, help="How often.")] = 1,
    engine: Annotated[
        Literal[tuple(ENGINES)],  # type: ignore[valid-type]
        typer.Option("--engine", help="For a finding; a replay.toml names its own."),
    ] = "uml",
    record: Annotated[
        bool, typer.Option("--record", help="Write into the finding how often it showed.")
    ] = False,
    run_dir: RunFolder = None,
) -> None:
    """Run a kept trial again; passes if every run shows what the file says."""
    if record and file.suffix != ".md":
        raise UsageProblem(f"{file} is no finding", remedy="--record takes docs/findings/*.md")
    kept = load_finding(file, engine) if file.suffix == ".md" else load_replay(file)
    plan = check_plan(kept.document, str(file))
    runs = _Runs(kept.options, run_dir)
    hashes: Counter[str] = Counter()
    same = 0
    try:
        for _ in range(times):
            trial = runs.run(kept.fault, plan)
            if trial is not None:
                hashes[trial.evidence.digest] += 1
                same += kept.is_shown_by(trial)
    finally:
        runs.end()
    sought = kept.finding or kept.signature or "nothing wrong"
    runs.console.print(f"{same} of {times} show: {sought}")
    for digest, count in hashes.most_common():
        mark = " as in the file" if digest == kept.event_hash else ""
        runs.console.print(f"{count:6} x {digest}{mark}", highlight=False)
    if record and hashes:
        kernel = kernel_of(runs.report.kernel_release or "")[1]
        simulated = engine_of(kept.options).simulated_time(kept.options)
        different = len(hashes) if simulated else 0
        record_replay(file, Replayed(kernel, hashes.total(), same, different))
    raise typer.Exit(ExitCode.PASS if same == times else ExitCode.TEST_FAILURE)
