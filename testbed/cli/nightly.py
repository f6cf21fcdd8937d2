# SPDX-License-Identifier: GPL-2.0-only
"""``testbed nightly``: a night of work on many kernels, and the site that tells of it."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from testbed.cli.progress import progress, tell_end
from testbed.errors import UsageProblem
from testbed.host.console import console as console_of
from testbed.nightly.config import NightlyConfig, load
from testbed.nightly.plan import MINUTE_S, cells_of, fair_order
from testbed.nightly.run import NIGHTS, Workers, leading, night_of, prune, run_night
from testbed.nightly.store import Night, Store
from testbed.nightly.verdict import judge_night
from testbed.nightly.workers import OneByOne
from testbed.report.outcome import conclude, last_words
from testbed.report.quantities import seconds_text
from testbed.report.results import RunReport
from testbed.report.rundir import RUNS, RunDirectory, now_utc

REPORT = "report"
console = console_of()


def nightly(
    config: Annotated[Path, typer.Option("--config", help="nightly.toml: see docs/nightly.md.")],
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help=f"Of history and site.  [{RUNS}/nightly-NAME]"),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.1, help="Budget of this night, if not the file's."),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Leave a night that is not over, and begin another.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only list the cells of a new night, in order.")
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="Only write the site anew.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Cells at once on this machine, by Dask."),
    ] = None,
    scheduler: Annotated[
        str, typer.Option("--scheduler", help="Of a Dask cluster: tcp://HOST:PORT.")
    ] = "",
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            help="HOST:PORT where workers of other machines join: testbed fuzz worker KEY.",
        ),
    ] = "",
) -> None:
    """Run what nightly.toml names within its time, and write a site: new, fixed, flaky, slower.

    A night that was killed is gone on with. Exit code 1: something is new, or slower.
    """
    if plan + page + new > 1:
        raise UsageProblem("--plan, --page and --new are for one at a time")
    told = load(config)
    state = (folder or Path.cwd() / RUNS / f"nightly-{told.name}").absolute()
    if plan:
        _show_plan(told, state)
        return
    with leading(state), Store.open(state) as store:
        if page:
            progress(str(_write_site(state, store, told)))
            return
        night = night_of(store, told, now_utc(), new=new, minutes=minutes)
        with closing(_crew(state, workers, scheduler, listen)) as crew:
            code = _conclude(told, state, store, night, crew)
        raise typer.Exit(code)


def _crew(state: Path, workers: int | None, scheduler: str, listen: str) -> Workers:
    if workers is None and not scheduler and not listen:
        return OneByOne(state)
    from testbed.nightly.cluster import OnCluster  # distributed takes a while to load

    crew = OnCluster(state, workers=workers or 1, scheduler=scheduler, listen=listen)
    progress(f"workers join by: testbed fuzz worker {crew.where}")
    return crew


def _show_plan(told: NightlyConfig, state: Path) -> None:
    """The cells of a new night, with what each took lately."""
    last: dict[str, int] = {}
    expected: dict[str, float] = {}
    if state.is_dir():
        with leading(state), Store.open(state) as store:
            last, expected = store.last_ended(), store.expected_s()
    cells = fair_order(cells_of(told, datetime.now(UTC).date()), last)
    for cell in cells:
        took = f"  {seconds_text(expected[cell.name])}" if cell.name in expected else ""
        console.print(Text(f"{cell.name}{took}"), soft_wrap=True)
    whole = sum(expected.get(cell.name, 0.0) for cell in cells)
    progress(
        f"{len(cells)} cells, of which {sum(one.name in expected for one in cells)} took "
        f"{seconds_text(whole)} lately; the budget is {seconds_text(told.minutes * MINUTE_S)}"
    )


def _conclude(told: NightlyConfig, state: Path, store: Store, night: Night, crew: Workers) -> int:
    directory = RunDirectory(state / NIGHTS / str(night.number) / REPORT)
    report = RunReport("nightly", now_utc(), ("testbed", *sys.argv[1:]), seed=told.seed)
    began = time.monotonic()

    def work() -> None:
        done = len(store.tried(night))
        progress(
            f"night {night.number}, {len(store.cells(night.number))} cells"
            + (f", going on after {done}" if done else "")
        )
        try:
            run_night(store, night, told, state, crew, progress)
            store.end(night, now_utc())
            prune(state, night, told.keep_nights)
        finally:
            judge_night(store, night, told, report)
            progress(str(_write_site(state, store, told)))

    code = conclude(report, directory, work, began=began)
    with last_words():
        for check in report.checks:
            line = ": ".join(filter(None, (check.name, check.reason, check.measured)))
            console.print(Text(f"{check.outcome.value:8} {line}"), soft_wrap=True)
    tell_end(report)
    return code


def _write_site(state: Path, store: Store, told: NightlyConfig) -> Path:
    from testbed.nightly.site import write  # matplotlib takes a while to load

    return write(state, store, told)
