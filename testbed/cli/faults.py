# SPDX-License-Identifier: GPL-2.0-only
"""``testbed faults``: the catalogue, trials of its entries, replays, the schema of plans."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from testbed.card.plans import check_plan, load_plan, plan_schema
from testbed.cli.options import RunFolder, run_options
from testbed.cli.trials import TrialRuns
from testbed.engines.open import build_options, engine_of
from testbed.errors import UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.faults.describe import documents
from testbed.faults.entry import Fault
from testbed.faults.judge import TrialVerdict
from testbed.faults.null import NullVerdict, null_table
from testbed.faults.replay import SEED, Replay, entry_of, load_finding, load_replay
from testbed.faults.run import Trial
from testbed.findings.head import Checked
from testbed.findings.record import record_check
from testbed.options import ENGINES
from testbed.report.outcome import last_words
from testbed.workloads.table import WORKLOADS

faults = typer.Typer(help="Scripted faults of the card, and what the driver makes of them.")


def row(fault: Fault) -> dict[str, Any]:
    """An entry as ``faults list --json`` shows it."""
    return {
        "name": fault.name, "class": fault.fault_class.value,
        "injection_point": ", ".join(fault.points), "title": fault.title,
        "expected_reaction": fault.expect.reaction.value, "finding": fault.expect.finding or None,
        "workload": fault.workload, "engines": list(fault.engines), "source": fault.source,
        "unobservable": fault.unobservable or None,
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
                  f"{fault.expect.reaction.value}"
                  + (", unobservable" if fault.unobservable else ""))  # fmt: skip


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
    null: Annotated[
        bool, typer.Option("--null", help="Each action changes nothing: no entry may pass then.")
    ] = False,
    run_dir: RunFolder = None,
) -> None:
    """Try faults; passes if each fires and the driver does as the catalogue says.

    With --null it passes if each entry tells that its fault is missing, or says itself why it
    cannot.
    """
    if not names and plan is None:
        raise UsageProblem("name faults, or a --plan", remedy="testbed faults list")
    if null and (plan is not None or not names):
        raise UsageProblem("--null is of the catalogue's plans", remedy="name faults and no --plan")
    if workload not in WORKLOADS:
        raise UsageProblem(
            f"there is no workload {workload!r}", remedy=f"allowed: {', '.join(WORKLOADS)}"
        )
    document = load_plan(plan) if plan is not None else None
    chosen = _chosen(names) if names else [entry_of("plan", workload, document or {})]
    options = build_options(given)
    for fault in chosen:
        check_plan(document or fault.document(), fault.name)
    runs = TrialRuns(options, run_dir)
    work = _try_null if null else partial(_try_all, document=document)
    raise typer.Exit(runs.conclude(lambda: work(runs, chosen)))


def _try_all(runs: TrialRuns, chosen: list[Fault], document: dict[str, Any] | None) -> None:
    """Each fault, and a line that counts the verdicts, of an early end as well."""
    count: Counter[str] = Counter()
    try:
        for fault in chosen:
            count[counted_as(fault, runs.run(fault, document))] += 1
    finally:
        runs.console.print(", ".join(f"{n} {what}" for what, n in sorted(count.items())))


def counted_as(fault: Fault, trial: Trial | None) -> str:
    """What a trial is counted as; a pass that says nothing of the driver counts apart."""
    if trial is None:
        return "skipped"
    apart = trial.verdict is TrialVerdict.PASS and fault.unobservable
    return f"pass, {NullVerdict.UNOBSERVABLE.value}" if apart else trial.verdict.value


def _try_null(runs: TrialRuns, chosen: list[Fault]) -> None:
    """Null faults, and a table of what came of them."""
    results = []
    try:
        for fault in chosen:
            result = runs.run_null(fault)
            results += [result] if result is not None else []
    finally:
        runs.console.print("\n".join(null_table(results)), highlight=False)


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
    runs = TrialRuns(kept.options, run_dir)
    shown = Shown()
    code = runs.conclude(lambda: _replay_all(runs, kept, plan, times, shown))
    with last_words():
        runs.console.print(f"{shown.same} of {times} show: {kept.sought}")
        for digest, count in shown.hashes.most_common():
            mark = " as in the file" if digest == kept.event_hash else ""
            runs.console.print(f"{count:6} x {digest}{mark}", highlight=False)
    if record and shown.hashes.total() == times:
        kernel = runs.pool.kernel
        assert kernel is not None
        assert kernel.version is not None
        simulated = engine_of(kept.options).simulated_time(kept.options)
        different = len(shown.hashes) if simulated else 0
        checked = Checked(
            kernel=kernel.version, flavour=kernel.flavour, date=datetime.now(UTC).date(),
            runs=times, shown=shown.same, event_hashes=different,
        )  # fmt: skip
        record_check(file, checked)
    raise typer.Exit(code)


@dataclass
class Shown:
    """How many runs showed what was sought, and the event hashes of all."""

    same: int = 0
    hashes: Counter[str] = field(default_factory=Counter)


def _replay_all(
    runs: TrialRuns, kept: Replay, plan: dict[str, Any], times: int, shown: Shown
) -> None:
    for _ in range(times):
        trial = runs.replay(kept, plan)
        if trial is not None:
            shown.hashes[trial.evidence.digest] += 1
            shown.same += kept.is_shown_by(trial)
