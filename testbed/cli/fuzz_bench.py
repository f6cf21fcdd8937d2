# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz bench``: kernels with a bug each, searched guided and blind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.cli.progress import progress
from testbed.errors import EnvironmentProblem
from testbed.fuzz.bench import MODES, Bug, Detector, Results, Trial, bugs_in, rows, share, trial_of
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
) -> None:
    """Time to the first detection of each bug, guided and blind, on kernels built with one bug.

    A trial that is done is not done again: interrupted, it goes on.
    """
    bugs, modes = bugs_in(places), [one for one in MODES if mode in (None, one)]
    out = out.absolute()
    results = Results(out)
    wanted = [(bug, kind, seed) for bug in bugs for kind in modes for seed in range(1, seeds + 1)]
    done: list[Trial] = []
    with _clean(out, flavour, base) as executor:
        for bug, kind, seed in wanted:
            trial = results.get(bug.name, kind, seed)
            if trial is None:
                place = results.place(bug.name, kind, seed)
                kernel = _build(bug, flavour, base)
                trial = _search(
                    place, Wanted(flavour=flavour, kernel=kernel, seed=seed, mode=kind),
                    Detector(executor.run), minutes * 60, workers or os.cpu_count() or 1, bug.name,
                )  # fmt: skip
                results.add(trial)
            done.append(trial)
            progress(escape(_told(trial)))
    results.write_tables(done)
    _print(done)
    console.print(Text(str(out / "bench.json")), soft_wrap=True)


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
    place: Path, wanted: Wanted, detector: Detector, limit_s: float, workers: int, bug: str
) -> Trial:
    """One campaign until the bug is found, or the time is over. Raises TestbedError."""
    place.mkdir(parents=True, exist_ok=True)
    with leading(place), open_campaign(place, wanted) as store:
        left_s = limit_s - store.totals().at
        found: list[str] = detector.found(store)
        if not found and left_s > 0:
            found = _lead(store, place, detector, left_s, workers)
        return trial_of(
            store, found, bug=bug, mode=str(wanted.mode), seed=wanted.seed or 0, limit_s=limit_s
        )


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
    table = Table("bug", "search", "found", "median s", "median runs", "signatures")
    for one in rows(trials):
        table.add_row(
            escape(one.bug), one.mode, f"{one.found} of {one.trials}", _number(one.seconds),
            _number(one.runs), _number(one.signatures),
        )  # fmt: skip
    console.print(table)
    for kind in MODES:
        found, tried = share(trials, kind)
        if tried:
            console.print(f"{kind}: {found} of {tried} trials found their bug")


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.0f}"
