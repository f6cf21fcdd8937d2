# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz bench``: kernels with a bug each, searched guided and blind; ``bench-table``."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.cli.progress import progress
from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.fuzz.bench import MODES, Bug, Detector, Results, Trial, bugs_in, part_of, trial_of
from testbed.fuzz.bench_plot import drawing
from testbed.fuzz.bench_table import lines
from testbed.fuzz.execute import Executor
from testbed.fuzz.folder import leading
from testbed.fuzz.start import Wanted, open_campaign, search_of
from testbed.fuzz.store import Store
from testbed.host import interrupt
from testbed.host.console import console as console_of
from testbed.host.terminal import escape

MINUTES = 20.0
console = console_of()


def bench(
    places: Annotated[
        list[Path],
        typer.Argument(metavar="PATCH...", help="Patches or folders of them, one bug each."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for results; goes on with them.")],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trials of each, seeds 1 to N.")] = 3,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, help="A trial ends after so long.")
    ] = MINUTES,
    mode: Annotated[
        Literal["guided", "blind"] | None, typer.Option("--mode", help="Only that.  [both]")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Kernel that the patches are for.  [pinned]")
    ] = None,
    flavour: Annotated[str, typer.Option("--flavour", help="Of the UML kernels.")] = "uml-san",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Guests at once; default: all cores.")
    ] = None,
    part: Annotated[
        str, typer.Option("--bugs", metavar="I/N", help="Every N-th bug only, from the I-th on.")
    ] = "1/1",
    stop_after: Annotated[
        float | None,
        typer.Option("--stop-after", min=0.1, help="End after so many minutes, this time."),
    ] = None,
) -> None:
    """Time to the first detection of each bug, guided and blind, on kernels built with one bug.

    A trial that is done is not done again: interrupted or stopped, it goes on.
    """
    bugs = part_of(bugs_in(places), part)
    modes = [one for one in MODES if mode in (None, one)]
    out = out.absolute()
    results = Results(out)
    wanted = [(bug, kind, seed) for seed in range(1, seeds + 1) for bug in bugs for kind in modes]
    ends = math.inf if stop_after is None else time.monotonic() + stop_after * 60
    without: dict[str, UsageProblem] = {}
    with _clean(out, flavour, base) as executor:
        for bug, kind, seed in wanted:
            if bug.name in without or results.get(bug.name, kind, seed) is not None:
                continue
            try:
                kernel = _build(bug, flavour, base)
            except UsageProblem as problem:
                without[bug.name] = problem
                progress(escape(f"{bug.name} has no kernel: {problem.message}"))
                continue
            left_s = ends - time.monotonic()
            trial = None
            if left_s > 0:
                trial = _search(
                    results.place(bug.name, kind, seed),
                    Wanted(flavour=flavour, kernel=kernel, seed=seed, mode=kind),
                    Detector(executor.run), minutes * 60, workers or os.cpu_count() or 1, bug.name,
                    left_s,
                )  # fmt: skip
            if trial is None:
                progress("the time is over; the same command goes on")
                break
            results.add(trial)
            progress(escape(_told(trial)))
    done = results.all()
    results.write_tables(done)
    _print(done)
    console.print(Text(str(out / "bench.json")), soft_wrap=True)
    if without:
        names = ", ".join(without)
        raise UsageProblem(f"no kernel can be built of {names}: {next(iter(without.values()))}")


def bench_table(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Of --out, those of shares as well.")
    ],
    plot: Annotated[
        Path | None, typer.Option("--svg", help="Write the share of bugs found over time there.")
    ] = None,
) -> None:
    """What benches have found as a table in Markdown, done or not. Nothing is run."""
    trials = [one for folder in folders for one in Results(folder).all()]
    if not trials:
        raise UsageProblem(f"no trial is done in {', '.join(map(str, folders))}")
    _print(trials)
    if plot is not None:
        try:
            plot.write_text(drawing(trials), encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"{plot} cannot be written: {error.strerror}") from error


@contextmanager
def _clean(out: Path, flavour: str, base: str | None) -> Iterator[Executor]:
    """Runs schedules on the kernel without any bug, instrumented alike. Raises TestbedError."""
    guests = out / "clean"
    try:
        guests.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{guests} cannot be made: {error.strerror}") from error
    with Executor(guests, flavour, base) as executor:
        yield executor


def _build(bug: Bug, flavour: str, base: str | None) -> str:
    request = KernelRequest(flavour, base=base, patches=(bug.patches,), coverage=True)
    built = SourceKernels(report=progress).build(request)
    progress(f"{bug.name}: {built.release} ({built.key})")
    return str(built.image)


def _search(
    place: Path, wanted: Wanted, detector: Detector, limit_s: float, workers: int, bug: str,
    most_s: float = math.inf,
) -> Trial | None:  # fmt: skip
    """One campaign until the bug is found, or its time is over; None if ``most_s`` was less, and
    the campaign has to go on later. Raises TestbedError."""
    place.mkdir(parents=True, exist_ok=True)
    with leading(place), open_campaign(place, wanted) as store:
        left_s = limit_s - store.totals().at
        found: list[str] = detector.found(store)
        if not found and left_s > 0:
            found = _lead(store, place, detector, min(left_s, most_s), workers)
            if not found and most_s < left_s:
                return None
        return trial_of(
            store, found, bug=bug, mode=str(wanted.mode), seed=wanted.seed or 0, limit_s=limit_s,
            load=os.getloadavg()[0],
        )  # fmt: skip


def _lead(store: Store, place: Path, detector: Detector, seconds: float, workers: int) -> list[str]:
    from testbed.fuzz.campaign import STOP, Campaign, Limits
    from testbed.fuzz.workers import DaskPool, ExecutorSpec  # distributed takes a while to load

    found: list[str] = []
    facts = store.facts()
    spec = ExecutorSpec(factory=Executor, flavour=facts["flavour"], kernel=facts["kernel"])
    pool = DaskPool(
        spec, campaign=f"{facts['started_at']}-{place.parent.name}-{place.name}",
        folder=place / "workers", workers=workers,
    )  # fmt: skip

    def look(_view: object) -> None:
        found[:] = detector.found(store)
        if found:
            (place / STOP).touch()

    try:
        limits = Limits(seconds=seconds)
        Campaign(
            store, pool, search_of(store), limits, lambda text: progress(escape(text)), look
        ).run()
    finally:
        with interrupt.held():
            pool.close()
    return detector.found(store)


def _told(one: Trial) -> str:
    what = f"found in {one.seconds:.0f} s, run {one.runs}: {one.signature}"
    if not one.found:
        what = f"not found in {one.seconds:.0f} s, {one.runs} runs"
    return f"{one.bug}, {one.mode}, seed {one.seed}: {what}"


def _print(trials: list[Trial]) -> None:
    for line in lines(trials):
        console.print(Text(escape(line)), soft_wrap=True)
