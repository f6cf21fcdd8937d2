# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz``: campaigns of schedules, and what they find."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from testbed.cli.fuzz_bench import bench, bench_table
from testbed.cli.fuzz_corpus import corpus
from testbed.cli.fuzz_options import CampaignName, Flavour, Kernel, folder_of_campaign
from testbed.cli.fuzz_page import export, page
from testbed.cli.fuzz_replay import minimise_command, replay
from testbed.cli.fuzz_triage import confirm, file, triage
from testbed.cli.options import RunFolder
from testbed.cli.progress import progress, tell_end
from testbed.errors import EnvironmentProblem
from testbed.fuzz.folder import ask_to_stop, is_led
from testbed.fuzz.parts import RUN_S
from testbed.fuzz.reading import Reader
from testbed.fuzz.start import FailOn, Wanted
from testbed.host.console import console as console_of
from testbed.host.terminal import escape, escape_text
from testbed.report import junit as junit_file
from testbed.report.outcome import conclude, last_words
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory, now_utc

MINUTE_S = 60.0

fuzz = typer.Typer(help="Search for bugs with faults of the card, packets and failing allocations.")
fuzz.add_typer(corpus, name="corpus", no_args_is_help=True)
fuzz.command("replay")(replay)
fuzz.command("minimise")(minimise_command)
for _command in (triage, confirm, file, page, export, bench, bench_table):
    fuzz.command()(_command)
console = console_of()


@fuzz.command()
def start(
    name: CampaignName = "main",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="End after so long, this time.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=1, help="End when the campaign has so many runs.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Guests at once; default: one for each core."),
    ] = None,
    flavour: Flavour = None,
    kernel: Kernel = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of all that is drawn.")] = None,
    blind: Annotated[
        bool | None,
        typer.Option("--blind/--guided", help="Draw each schedule as if it were the first."),
    ] = None,
    from_corpus: Annotated[
        Path | None, typer.Option("--corpus", help="Run the schedules of this folder first.")
    ] = None,
    check_every: Annotated[
        int, typer.Option("--check-every", min=1, help="Do one run in so many again, and compare.")
    ] = 20,
    persistent: Annotated[
        int,
        typer.Option(
            "--persistent",
            min=1,
            help="Schedules that a guest serves, at most; a fresh run decides what shows in it.",
        ),
    ] = 1,
    run_limit: Annotated[
        float, typer.Option("--run-limit", min=1.0, help="Seconds that a run may take.")
    ] = RUN_S,
    scheduler: Annotated[
        str, typer.Option("--scheduler", help="Of a Dask cluster: tcp://HOST:PORT.")
    ] = "",
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            help="HOST:PORT where workers of other machines join, with the campaign's key.json.",
        ),
    ] = "",
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option("--fail-on", help="Exit 1 if there is such a thing. Can be repeated."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the JUnit file here, too.")
    ] = None,
    run_dir: RunFolder = None,
) -> None:
    """Start a campaign, or go on with it; ends by Ctrl-C, `fuzz stop`, --minutes or --runs."""
    from testbed.cli.fuzz_lead import Lead  # distributed takes a while to load
    from testbed.fuzz.campaign import Limits
    from testbed.fuzz.search import BLIND, GUIDED

    wanted = Wanted(
        flavour=flavour, kernel=kernel, seed=seed, corpus=from_corpus,
        mode=None if blind is None else BLIND if blind else GUIDED,
    )  # fmt: skip
    limits = Limits(
        seconds=None if minutes is None else minutes * MINUTE_S, runs=runs, check_every=check_every,
        per_guest=persistent, run_s=run_limit,
    )  # fmt: skip
    directory = RunDirectory(folder_of_campaign(name, run_dir))
    report = RunReport("fuzz", now_utc(), ("testbed", *sys.argv[1:]))
    lead = Lead(
        directory.path, wanted, limits, workers=workers, scheduler=scheduler, listen=listen,
        fail_on=fail_on or [],
    )  # fmt: skip
    directory.make()
    with lead.opened() as store:
        began = time.monotonic()
        code = conclude(report, directory, lambda: lead.run(store, report), began=began)
    _copy_junit(directory.path / junit_file.FILE_NAME, junit)
    with last_words():
        for check in report.checks:
            told = ": ".join(filter(None, (check.name, check.reason, check.measured)))
            console.print(Text(f"{check.outcome.value:8} {told}"), soft_wrap=True)
        console.print(Text(f"campaign: {directory.path}"), soft_wrap=True)
    tell_end(report)
    raise typer.Exit(code)


def _copy_junit(written: Path, wanted: Path | None) -> None:
    if wanted is None:
        return
    try:
        shutil.copy(written, wanted)
    except OSError as error:
        raise EnvironmentProblem(f"{wanted} cannot be written: {error.strerror}") from error


@fuzz.command()
def status(name: CampaignName = "main", run_dir: RunFolder = None) -> None:
    """How a campaign is doing."""
    from testbed.fuzz.live import clock

    folder = folder_of_campaign(name, run_dir)
    with Reader.of(folder) as store:
        facts, found = store.facts(), store.totals()
        waiting = store.number("SELECT count(*) FROM waiting")
        only_used = store.only_used()
    running = "running" if is_led(folder) else "not running"
    rate = found.runs / found.at if found.at else 0.0
    rows = {
        "campaign": f"{folder}, {running}",
        "search": f"{facts['mode']}, seed {facts['seed']}",
        "kernel": f"{facts.get('release') or facts['kernel'] or 'not yet known'}, "
        f"flavour {facts['flavour']}",
        "runs": f"{found.runs} in {clock(found.at)}, {rate:.2f} a second; {found.spoiled} spoiled; "
        f"{waiting} seeds to go",
        "shown": f"{found.edges} edges, {found.states} states; corpus {found.corpus}",
        "findings": f"{found.new} new, {found.known} known",
        "run twice": f"{found.checked} schedules, {found.nondeterministic} not deterministic",
        "used": f"{found.used} runs in used guests; {len(only_used)} signatures only there",
    }
    for key, value in rows.items():
        console.print(Text(f"{key:10}{escape(value)}"), soft_wrap=True)


@fuzz.command()
def stop(name: CampaignName = "main", run_dir: RunFolder = None) -> None:
    """End a running campaign after the runs that are under way."""
    folder = folder_of_campaign(name, run_dir)
    ask_to_stop(folder)
    progress(f"asked the campaign in {folder} to stop")


@fuzz.command()
def findings(
    name: CampaignName = "main",
    only_new: Annotated[bool, typer.Option("--new", help="Only what is not on record.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    run_dir: RunFolder = None,
) -> None:
    """List what was wrong, by signature, with the shortest schedule that shows it."""
    with Reader.of(folder_of_campaign(name, run_dir)) as store:
        found = [one for one in store.complaints() if not (only_new and one.finding)]
    if as_json:
        for one in found:
            print(json.dumps(vars(one)))
        return
    table = Table("signature", "finding", "runs", "first", "schedule")
    for one in found:
        known = Text(one.finding) if one.finding else Text("new", style="bold red")
        table.add_row(
            Text(escape(one.signature)), known, str(one.count), str(one.first_run), one.schedule
        )
    console.print(table)


@fuzz.command()
def show(
    what: Annotated[str, typer.Argument(help="A schedule's name, or a signature.")],
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Show a schedule, where it comes from, its runs, and what was wrong."""
    with Reader.of(folder_of_campaign(name, run_dir)) as store:
        complaints = store.complaints()
        by_signature = {one.signature: one for one in complaints}
        wanted = by_signature[what].schedule if what in by_signature else what
        row = store.schedule(wanted)
        done = [run for run in store.runs() if run.schedule == row.name]
        before = {run.number: store.served(run) for run in done}
    lines = [f"schedule {row.name}, by {row.mutation} of {row.parent or 'nothing'}"]
    lines += [json.dumps(json.loads(row.text), indent=1)]
    if row.deterministic is not None:
        lines += [f"not deterministic: {row.differs}" if row.differs else "deterministic"]
    for run in done:
        lines += [f"run {run.number} ({run.mode}): {run.ended.value}, {run.edges_new} new edges, "
                  f"{run.wall_s:.1f} s, event hash {run.event_hash or 'none'}"]  # fmt: skip
        lines += [f"  fired: {run.fired}"] if run.fired else []
        lines += [f"  {line}" for line in run.problem.splitlines()]
        if before[run.number]:
            lines += [f"  in guest {run.guest}, after {' '.join(before[run.number])}"]
        lines += [f"  there only a hint: {', '.join(run.suspected)}"] if run.suspected else []
    shown = {signature for run in done for signature in run.signatures}
    for one in complaints:
        if one.signature in shown:
            lines += ["", f"{one.signature} ({one.finding or 'new'}, {one.count} runs)", one.text]
    for line in "\n".join(lines).split("\n"):
        console.print(Text(escape_text(line)), soft_wrap=True)


@fuzz.command()
def worker(
    where: Annotated[
        str, typer.Argument(help="A campaign's key.json, or the address of a Dask scheduler.")
    ],
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Guests at once; default: all cores.")
    ] = None,
) -> None:
    """Work for a campaign, here or of another machine, until it ends."""
    from testbed.fuzz.workers import join

    join(where, workers, progress)
