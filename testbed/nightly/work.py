# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of work: what a table of nightly.toml becomes, and the command that does it.

Each command is one of ``testbed``, or pytest for the suite, and leaves a run directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from testbed import ROOT
from testbed.matrix.run import SUITES
from testbed.nightly import config
from testbed.nightly.cell import Cell
from testbed.report.rundir import LATEST

TRACEFILE = "coverage.info"
CAMPAIGNS = "campaigns"
"""Folder of fuzz campaigns, which every night goes on with."""

OF_SOURCE = "x86"
"""The flavour that QEMU runs where a kernel is built."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """``make`` gives words and targets of a table. ``qemu``, ``uml``: what can run it.

    ``builds``: whether it takes a kernel that was built before, by the path of its image.
    ``retried``: whether what failed can be run again by itself (of ``whole``: all of it).
    """

    make: Callable[[config.NightlyConfig, config.WorkTable, date], tuple[Words, Words]]
    qemu: bool = True
    uml: bool = True
    builds: bool = True
    retried: bool = True
    whole: bool = False


def _suite(
    _config: config.NightlyConfig, table: config.WorkTable, day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.SuiteTable)
    words: Words = ("-k", table.keyword) if table.keyword else ()
    if table.sample is not None:
        number, _, of = table.sample.partition("/")
        part = day.toordinal() % int(of) if number == "today" else number
        words += ("--sample", f"{part}/{of}")
    return words, tuple(str((SUITES / one).relative_to(ROOT)) for one in table.suites)


def _job(
    _config: config.NightlyConfig, _table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    return ("run",), ()


def _ksft(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.KsftTable)
    return ("ksft",), table.files


def _faults(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.FaultsTable)
    return ("faults", "run"), table.faults


def _fuzz(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.FuzzTable)
    words: Words = ("fuzz", "start", "--minutes", f"{table.minutes:g}", "--fail-on", "new")
    return words + (() if table.workers is None else ("--workers", str(table.workers))), ()


def _compare(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.CompareTable)
    return ("compare", "--runs", str(table.runs), "--mib", str(table.mib)), table.variants


def _page_pool(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.PagePoolTable)
    return ("bench", "page-pool", "--runs", str(table.runs)), ()


def _wire(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.WireTable)
    return ("bench", "wire", "--nics", ",".join(table.nics), "--rounds", str(table.rounds)), ()


def _coverage(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.CoverageTable)
    return ("coverage", "run"), table.scenarios


def _findings(
    _config: config.NightlyConfig, table: config.WorkTable, _day: date
) -> tuple[Words, Words]:
    assert isinstance(table, config.FindingsTable)
    return ("findings", "check"), table.ids


WORK: Mapping[str, Kind] = {
    "suite": Kind(_suite),
    "job": Kind(_job, whole=True),
    "ksft": Kind(_ksft, uml=False),
    "faults": Kind(_faults),
    "fuzz": Kind(_fuzz, qemu=False, builds=False, retried=False),
    "compare": Kind(_compare, uml=False, builds=False, retried=False),
    "page_pool": Kind(_page_pool, uml=False, builds=False, retried=False),
    "wire": Kind(_wire, uml=False, retried=False),
    "coverage": Kind(_coverage, qemu=False, builds=False, retried=False),
    "findings": Kind(_findings, builds=False),
}
"""By the names of the tables."""


def needs_build(cell: Cell) -> bool:
    """Whether ``--kernel`` cannot name its kernel: it has to be built before."""
    return not cell.source.given


def build_words(cell: Cell, tarball: Path | None) -> list[str]:
    """Our own Python's arguments that build the kernel of a cell; the last line they print is the
    path of its image. ``tarball`` holds the branch, if the source names one."""
    source = cell.source
    flavour = OF_SOURCE if cell.engine == config.QEMU else cell.engine
    words = ["-m", "testbed", "kernel", "build", "--flavour", flavour]
    if tarball is not None:
        words += ["--tarball", str(tarball)]
    elif source.tree:
        words += ["--tree", source.tree]
    else:
        words += ["--base", source.base]
    for series in source.series:
        words += ["--series", series]
    return words


def command(cell: Cell, kernel: str, only: Sequence[str], runs: Path, state: Path) -> list[str]:
    """Our own Python's arguments that do the work. ``kernel`` is what ``--kernel`` takes, ``only``
    what is retried (empty: all), ``runs`` where its run directory goes, ``state`` the nightly's.
    """
    targets = list(only) or list(cell.targets)
    if cell.kind == "suite":
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
        words += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
        words += () if only else cell.words
        words += [str(ROOT / target) for target in targets]
        return [*words, *_machine(cell, kernel, "--testbed-"), "--testbed-run-dir", str(runs)]
    words = ["-m", "testbed", *cell.words]
    if cell.kind == "compare":
        targets = [f"{variant}@{kernel}" for variant in targets]
    elif cell.kind == "page_pool":
        targets = [kernel, kernel]
    elif cell.kind == "fuzz":
        words += ["--name", campaign_of(cell), "--flavour", cell.engine, "--kernel", kernel]
        return [*words, "--seed", str(cell.seed), "--run-dir", str(state / CAMPAIGNS)]
    words += [*targets, "--run-dir", str(runs)]
    if cell.kind in ("job", "faults"):
        words += _machine(cell, kernel, "--")
    elif cell.kind in ("ksft", "wire"):
        words += ["--kernel", kernel, "--seed", str(cell.seed)]
    elif cell.kind == "findings":
        where = ["--engine", "qemu"] if cell.engine == config.QEMU else ["--flavour", cell.engine]
        words += ["--kernel", kernel, *where]
    elif cell.kind == "coverage":
        words += ["--flavour", cell.engine, "--kernel", kernel, "--seed", str(cell.seed)]
        words += ["--lcov", str(runs / TRACEFILE)]
    return words


def _machine(cell: Cell, kernel: str, prefix: str) -> list[str]:
    words = (
        {"engine": "qemu"}
        if cell.engine == config.QEMU
        else {"engine": "uml", "flavour": cell.engine}
    )
    words |= {"kernel": kernel, "seed": str(cell.seed)}
    given = [part for name, value in words.items() for part in (f"{prefix}{name}", value)]
    return [*given, f"{prefix}activity"]


def campaign_of(cell: Cell) -> str:
    """The name of its campaign, the same every night."""
    return f"{cell.work}-{cell.kernel}-{cell.engine}"


def result_folder(cell: Cell, runs: Path, state: Path) -> Path:
    """The run directory that the command left."""
    if cell.kind == "fuzz":
        return state / CAMPAIGNS / f"fuzz-{campaign_of(cell)}"
    return runs / LATEST


def retry_target(kind: str, group: str, name: str) -> str:
    """What to name in order to run one check of a summary again; nothing if that would be taken
    for an option."""
    if kind == "suite":
        return f"{group}::{name}"
    target = group if kind == "ksft" else name
    return "" if target.startswith("-") else target
