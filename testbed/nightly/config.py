# SPDX-License-Identifier: GPL-2.0-only
"""nightly.toml: which kernels, on what, and what runs there. docs/nightly.md explains the keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval, MinLen

from kernels.flavours import FLAVOURS
from testbed.bench.ratio import FEWEST_ROUNDS
from testbed.bench.wire.contenders import CONTENDERS, DEFAULT
from testbed.card.personality import check_card_options
from testbed.compare.variants import MOST_RUNS, Method, parse_variant
from testbed.errors import UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.matrix.run import SUITES
from testbed.schema import After, Date, FilePath, OneOf, Text, Texts, WrongValue, read_toml
from testbed.workloads.table import SCENARIOS

QEMU = "qemu"
ENGINES = (QEMU, *(flavour.name for flavour in FLAVOURS if flavour.arch == "um"))
"""What a kernel runs on: QEMU, or a flavour of User Mode Linux."""

PLAIN = "plain"
"""The card as it is, without a personality."""

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
_SAMPLE = re.compile(r"(\d+|today)/[1-9]\d*")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise WrongValue(f"{text!r} is no name", allowed=["letters, digits, ., _, + and -"])
    return text


def _part(text: str) -> str:
    number, _, of = text.partition("/")
    if not _SAMPLE.fullmatch(text) or (number != "today" and int(number) >= int(of)):
        raise WrongValue(f"{text!r} is no part", allowed=["K/N with 0 <= K < N, today/N"])
    return text


def _faults(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name != "all" and name not in load_catalogue():
            raise WrongValue(
                f"there is no fault {name!r}", allowed=["all", "what `testbed faults list` shows"]
            )
    return names


def _variants(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            parse_variant(text, Method.ZCRX)
        except UsageProblem as problem:
            allowed = [problem.remedy] if problem.remedy else []
            raise WrongValue(problem.message, allowed=allowed) from problem
    if len(texts) < 2:
        raise WrongValue("names one variant", allowed=["two or more, as epoll, zcrx"])
    return texts


def suite_names() -> list[str]:
    """Folders of tests/suite."""
    return sorted(path.parent.name for path in SUITES.glob("*/__init__.py"))


def _suites(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in suite_names():
            raise WrongValue(f"there is no suite {name!r}", allowed=suite_names())
    return names


Name = Annotated[str, After(_name)]
Engines = Annotated[tuple[Annotated[str, OneOf(ENGINES)], ...], MinLen(1)]
Minutes = Annotated[float, Interval(ge=0.1, le=10080)]


@dataclass(frozen=True, kw_only=True)
class KernelTable:
    """``[[kernel]]``: one of ``version`` (a package, or its source), ``build`` (as ``--kernel``
    takes it) and ``tree``, of which ``branch`` says which; ``series`` are patches on top.
    """

    name: Name
    version: Text | None = None
    build: FilePath | None = None
    tree: FilePath | None = None
    branch: Text | None = None
    series: tuple[Text, ...] = ()
    engines: Engines = (QEMU,)

    def __post_init__(self) -> None:
        given = [key for key in ("version", "build", "tree") if getattr(self, key) is not None]
        if len(given) != 1:
            said = f"{' and '.join(given)} at once" if given else "names no kernel"
            raise WrongValue(said, allowed=["one of version, build, tree"])
        if self.branch is not None and self.tree is None:
            raise WrongValue("a branch of no tree", key="branch", allowed=["with tree"])
        if self.branch is not None and self.branch.startswith("-"):
            raise WrongValue(f"{self.branch!r} is no branch", key="branch", allowed=["a name"])
        if self.series and self.build is not None:
            raise WrongValue("is built already", key="series", allowed=["with version or tree"])


@dataclass(frozen=True, kw_only=True)
class PersonalityTable:
    """``[[personality]]``: another card, by the ``card_options`` of testbed.toml."""

    name: Name
    card_options: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_card_options(self.card_options)


@dataclass(frozen=True, kw_only=True)
class WorkTable:
    """What each table of work has: a ``name`` for several of a kind; where it runs, if not
    everywhere; ``limit_minutes`` that one process of it may take.
    """

    name: Name | None = None
    kernels: tuple[Text, ...] = ()
    engines: tuple[Annotated[str, OneOf(ENGINES)], ...] = ()
    limit_minutes: Minutes = 60.0


@dataclass(frozen=True, kw_only=True)
class OnCards(WorkTable):
    """The same for work that can have a personality; without one, the plain card."""

    personalities: tuple[Text, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SuiteTable(OnCards):
    """``[[suite]]``: folders of tests/suite, whole or a part of them, which pytest runs."""

    suites: Annotated[Texts, After(_suites)]
    sample: Annotated[str, After(_part)] | None = None
    keyword: str = ""


@dataclass(frozen=True, kw_only=True)
class JobTable(OnCards):
    """``[[job]]``: the main job."""


@dataclass(frozen=True, kw_only=True)
class KsftTable(OnCards):
    """``[[ksft]]``: the kernel's own selftests, on QEMU."""

    files: Texts


@dataclass(frozen=True, kw_only=True)
class FaultsTable(OnCards):
    """``[[faults]]``: entries of the catalogue, or all."""

    faults: Annotated[Texts, After(_faults)]


@dataclass(frozen=True, kw_only=True)
class FuzzTable(WorkTable):
    """``[[fuzz]]``: so many minutes of a campaign that each night goes on with, on UML."""

    minutes: Minutes
    workers: Annotated[int, Interval(ge=1, le=1024)] | None = None


@dataclass(frozen=True, kw_only=True)
class CompareTable(WorkTable):
    """``[[compare]]``: what receiving costs, in instructions, on QEMU."""

    variants: Annotated[Texts, After(_variants)]
    runs: Annotated[int, Interval(ge=1, le=MOST_RUNS)] = 3
    mib: Annotated[int, Interval(ge=1, le=1024)] = 8


@dataclass(frozen=True, kw_only=True)
class PagePoolTable(WorkTable):
    """``[[page-pool]]``: the kernel's benchmark of page_pool, on QEMU."""

    runs: Annotated[int, Interval(ge=1, le=1000)] = 4


@dataclass(frozen=True, kw_only=True)
class WireTable(WorkTable):
    """``[[wire]]``: the card beside QEMU's NICs, on QEMU."""

    nics: Annotated[tuple[Annotated[str, OneOf(CONTENDERS)], ...], MinLen(2)] = DEFAULT
    rounds: Annotated[int, Interval(ge=FEWEST_ROUNDS, le=1000)] = 9


@dataclass(frozen=True, kw_only=True)
class CoverageTable(WorkTable):
    """``[[coverage]]``: which lines of driver and zcrx these scenarios reach, on UML."""

    scenarios: Annotated[tuple[Annotated[str, OneOf(SCENARIOS)], ...], MinLen(1)] = tuple(SCENARIOS)


@dataclass(frozen=True, kw_only=True)
class FindingsTable(WorkTable):
    """``[[findings]]``: which bugs on record show; all, if none is named."""

    ids: tuple[Text, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KnownTable:
    """``[[known]]``: tests whose failure is known since a day, and excused until another.

    ``test`` and ``place`` may have * and ?; they are as the site shows them.
    """

    test: Text
    reason: Text
    since: Date
    until: Date
    place: Text = "*"

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise WrongValue(f"{self.until} is before {self.since}", key="until")

    def covers(self, place: str, test: str) -> bool:
        """Whether it is about this test there, whatever the day."""
        return fnmatchcase(test, self.test) and fnmatchcase(place, self.place)

    def excuses(self, day: date) -> bool:
        """Whether it counts on that day."""
        return self.since <= day <= self.until


@dataclass(frozen=True, kw_only=True)
class SlowerTable:
    """``[slower]``: a value is slower if it is beyond the median of the last ``nights`` nights by
    more than ``deviations`` of them and by more than ``percent`` (of seconds: ``percent_of_time``).
    """

    nights: Annotated[int, Interval(ge=3, le=1000)] = 14
    at_least: Annotated[int, Interval(ge=2, le=1000)] = 4
    deviations: Annotated[float, Interval(ge=1, le=100)] = 5.0
    percent: Annotated[float, Interval(ge=0, le=1000)] = 3.0
    percent_of_time: Annotated[float, Interval(ge=0, le=10000)] = 100.0
    seconds: Annotated[float, Interval(ge=0, le=3600)] = 2.0


@dataclass(frozen=True, kw_only=True)
class NightlyConfig:
    """The whole file. ``minutes`` is the budget of a night, pauses not counted."""

    name: Name
    minutes: Minutes
    kernel: Annotated[tuple[KernelTable, ...], MinLen(1)]
    seed: Annotated[int, Interval(ge=0, le=2**63 - 1)] = 1
    retries: Annotated[int, Interval(ge=0, le=10)] = 1
    most_retried: Annotated[int, Interval(ge=1, le=10000)] = 20
    keep_nights: Annotated[int, Interval(ge=1, le=10000)] = 14
    personality: tuple[PersonalityTable, ...] = ()
    suite: tuple[SuiteTable, ...] = ()
    job: tuple[JobTable, ...] = ()
    ksft: tuple[KsftTable, ...] = ()
    faults: tuple[FaultsTable, ...] = ()
    fuzz: tuple[FuzzTable, ...] = ()
    compare: tuple[CompareTable, ...] = ()
    page_pool: tuple[PagePoolTable, ...] = ()
    wire: tuple[WireTable, ...] = ()
    coverage: tuple[CoverageTable, ...] = ()
    findings: tuple[FindingsTable, ...] = ()
    known: tuple[KnownTable, ...] = ()
    slower: SlowerTable = field(default_factory=SlowerTable)

    def __post_init__(self) -> None:
        _each_once("kernel", [one.name for one in self.kernel])
        _each_once("personality", [PLAIN, *(one.name for one in self.personality)])
        if not self.work:
            raise WrongValue("nothing to run", allowed=[f"[[{kind}]]" for kind in KINDS])
        kernels = [one.name for one in self.kernel]
        cards = [PLAIN, *(one.name for one in self.personality)]
        for kind, tables in self.work.items():
            _each_once(kind, [table.name or kind for table in tables])
            for number, table in enumerate(tables, 1):
                place = f"[[{kind}]] {number}"
                _check_names(f"{place}.kernels", table.kernels, kernels)
                if isinstance(table, OnCards):
                    _check_names(f"{place}.personalities", table.personalities, cards)

    @property
    def work(self) -> Mapping[str, Sequence[WorkTable]]:
        """The tables of each kind of work that there is, by the kind's name."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: tables for kind, tables in found.items() if tables}


KINDS = (
    "suite", "job", "ksft", "faults", "fuzz", "compare", "page_pool", "wire", "coverage",
    "findings",
)  # fmt: skip
"""Kinds of work, and the names of their tables."""


def _each_once(kind: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise WrongValue(f"{', '.join(twice)} is there twice", key=kind, allowed=["other names"])


def _check_names(place: str, names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise WrongValue(f"there is no {name!r}", key=place, allowed=list(known))


def load(file: Path) -> NightlyConfig:
    """Read ``file``. Raises ConfigProblem, which names file, key and allowed values."""
    return read_toml(NightlyConfig, file)
