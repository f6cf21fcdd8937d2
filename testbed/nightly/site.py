# SPDX-License-Identifier: GPL-2.0-only
"""The site of a nightly: static pages, made of the history and of the nights' run directories.

Guests wrote much of it: jinja2 escapes it for HTML, and control characters are spelt out before.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment
from matplotlib.axes import Axes

from testbed.errors import EnvironmentProblem
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.followup.dossier import read_dossier
from testbed.followup.page import page_name as finding_page
from testbed.followup.page import write_pages
from testbed.fuzz.curves import drawing
from testbed.host.terminal import escape
from testbed.nightly.attempt import CAMPAIGN_PAGE, OUTPUT, RUN
from testbed.nightly.cell import SEPARATOR, Cell
from testbed.nightly.config import NightlyConfig
from testbed.nightly.evidence import Evidence, evidence_of, link_run, log_around, real_run
from testbed.nightly.judge import (
    MEANING,
    Curve,
    Ran,
    Series,
    State,
    Told,
    curves_of,
    judge,
    series_of,
)
from testbed.nightly.store import Night, Store, StoredAttempt
from testbed.nightly.verdict import first_shown
from testbed.report.blamed import BlamedOutcome
from testbed.report.drawing import Picture
from testbed.report.html import FILE_NAME as SUMMARY_PAGE
from testbed.report.pages import templates
from testbed.report.quantities import seconds_text

SITE = "site"
INDEX, HISTORY, NUMBERS = "index.html", "history.html", "numbers.html"
TESTS, EVIDENCE, FINDINGS = "tests", "evidence", "findings"
COVERAGE_PAGE = "coverage"
MOST_LINES = 300
"""Of one state, on the first page."""

MARKS = {
    BlamedOutcome.NONE: "?",
    BlamedOutcome.SKIP: "-",
    BlamedOutcome.PASS: "✓",
    BlamedOutcome.GONE: "✓",
    BlamedOutcome.FINDING: "r",
    BlamedOutcome.FAIL: "✗",
    BlamedOutcome.MODEL: "✗",
    BlamedOutcome.LOST_VM: "✗",
}
FLAKY_MARK = "≈"


def page_of(test: str) -> str:
    """The page of a test, from the site's folder."""
    return f"{TESTS}/{sha256(test.encode()).hexdigest()[:20]}.html"


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """A cell tonight: how many of its tests ended how, and where its pages are."""

    cell: Cell
    attempts: tuple[StoredAttempt, ...]
    counts: Mapping[str, int]
    links: tuple[tuple[str, str], ...]

    @property
    def bad(self) -> bool:
        """Whether a test failed in all tries, or it gave no result."""
        return any(self.counts.get(one.value, 0) for one in BlamedOutcome if one.is_bad)

    @property
    def told(self) -> str:
        """In a few words."""
        if not self.attempts:
            return "no time was left"
        if not any(one.reached for one in self.attempts):
            return f"{self.attempts[-1].verdict}: {self.attempts[-1].reason}"
        return ", ".join(f"{count} {name}" for name, count in self.counts.items() if count)


@dataclass
class Site:
    """What the pages are made of. ``night`` is the last one."""

    config: NightlyConfig
    state: Path
    nights: list[Night]
    night: Night
    series: list[Series]
    curves: list[Curve]
    told: list[Told]
    cells: list[Cell]
    attempts: dict[str, list[StoredAttempt]]
    linked: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Path, store: Store, config: NightlyConfig) -> Site:
        """Read the history. Raises TestbedError."""
        night = store.nights()[-1]
        since = first_shown(night, config)
        series, curves = series_of(store.results(since)), curves_of(store.values(since))
        day = date.fromisoformat(night.started_at[:10])
        attempts: dict[str, list[StoredAttempt]] = {}
        for one in store.attempts(night.number):
            attempts.setdefault(one.cell, []).append(one)
        return cls(
            config, state, [one for one in store.nights() if one.number >= since], night, series,
            curves, judge(series, curves, night.number, day, config.known, config.slower),
            store.cells(night.number), attempts,
        )  # fmt: skip

    def by_state(self) -> list[tuple[State, str, list[Told]]]:
        """What is told, each state for itself, with what it means."""
        groups = groupby(self.told, lambda one: one.state)
        return [(state, MEANING[state], list(members)) for state, members in groups]

    def count(self, state: State) -> int:
        """How often it is told."""
        return sum(one.state is state for one in self.told)

    @cached_property
    def rows(self) -> list[CellRow]:
        """The cells tonight, in the order in which they were to run."""
        return [self._row(cell) for cell in self.cells]

    def _row(self, cell: Cell) -> CellRow:
        attempts = tuple(self.attempts.get(cell.name, ()))
        numbers = {one.number for one in attempts}
        counts = dict.fromkeys((one.value for one in reversed(BlamedOutcome)), 0)
        counts["flaky"] = 0
        for series in self.series:
            ran = series.at(self.night.number) if series.place == cell.place else None
            if ran is not None and any(one.number in numbers for one in ran.attempts):
                counts["flaky" if ran.flaky else ran.result.outcome.value] += 1
        links = []
        for one in attempts:
            place = self.linked.get(one.folder)
            for name, page in (
                (f"run {one.attempt}", SUMMARY_PAGE),
                (f"coverage {one.attempt}", f"{COVERAGE_PAGE}/{INDEX}"),
                (f"campaign {one.attempt}", f"{CAMPAIGN_PAGE}/{INDEX}"),
            ):
                if place is not None and (self.site / place / page).is_file():
                    links.append((name, quote(f"{place}/{page}")))
        return CellRow(cell=cell, attempts=attempts, counts=counts, links=tuple(links))

    @property
    def site(self) -> Path:
        """Where the pages are made; once they are there, it becomes the site."""
        return self.state / f".{SITE}.partial"

    def run_of(self, attempt: StoredAttempt) -> Path:
        """Its run directory, which may be gone."""
        return real_run(self.state / attempt.folder / RUN)

    def link(self, attempt: StoredAttempt) -> str | None:
        """The place of its run directory in the site; None if that is gone. Raises OSError."""
        if attempt.folder not in self.linked:
            place = f"{EVIDENCE}/{attempt.folder.replace('/', '_')}"
            if not link_run(self.run_of(attempt), self.site / place):
                return None
            self.linked[attempt.folder] = place
        return self.linked[attempt.folder]

    def evidence(self, ran: Ran) -> Evidence | None:
        """Of the worst try of a test; None if its files are gone. Raises OSError."""
        result, attempt = ran.worst
        place = self.link(attempt)
        if place is None:
            return None
        heading = f"_ {result.test.rpartition('::')[2]} _"  # pytest's, over a failure
        output = log_around(self.state / attempt.folder / OUTPUT, (heading, result.reason))
        return evidence_of(
            self.run_of(attempt), result.evidence, (result.words, result.reason), output,
            self.site, self.site / place,
        )  # fmt: skip

    def findings(self) -> list[str]:
        """Ids of the bugs on record that showed tonight."""
        shown = {
            finding
            for one in self.series
            if (ran := one.at(self.night.number)) is not None
            for result in ran.tries
            for finding in result.findings
        }
        return sorted(shown & {one.id for one in load_findings()})


def write(state: Path, store: Store, config: NightlyConfig) -> Path:
    """Write all pages anew; the old ones stay until they are complete. Returns the first.

    Raises TestbedError.
    """
    target, old = state / SITE, state / f".{SITE}.old"
    if not store.nights():
        return target / INDEX
    site = Site.of(state, store, config)
    try:
        for folder in (site.site, old):
            shutil.rmtree(folder, ignore_errors=True)
        (site.site / TESTS).mkdir(parents=True)
        _write_pages(site)
        if target.exists():
            target.rename(old)
        site.site.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"{site.site} cannot be written: {error.strerror}",
            remedy="free some space; `testbed nightly --page` writes the site again",
        ) from error
    return target / INDEX


def _write_pages(site: Site) -> None:
    environment = templates("testbed.nightly")
    environment.filters |= {
        "plain": escape, "page": page_of, "seconds": seconds_text, "mark": mark, "kind": kind_of,
        "finding": finding_page,
    }  # fmt: skip
    for attempts in site.attempts.values():
        for one in attempts:
            site.link(one)
    findings = site.findings()
    if findings:
        known = Findings(load_findings())
        write_pages(site.site / FINDINGS, [read_dossier(known[name]) for name in findings])
    _write(environment, site, INDEX, findings=findings)
    _write(environment, site, HISTORY, places=places_of(site))
    _write(environment, site, NUMBERS, curves=[(one, picture(one, site)) for one in site.curves])
    for test, members in groupby(sorted(site.series, key=lambda one: one.test), _test_of):
        series = sorted(members, key=lambda one: one.place)
        shown = [(one, last_bad(one, site.night.number)) for one in series]
        _write(
            environment, site, page_of(test), "test.html", test=test,
            shown=[(one, bad, site.evidence(bad) if bad else None) for one, bad in shown],
        )  # fmt: skip


def _test_of(series: Series) -> str:
    return series.test


def _write(
    environment: Environment, site: Site, name: str, template: str = "", **values: object
) -> None:
    top = "../" * name.count("/")
    text = environment.get_template(f"{template or name}.j2").render(
        site=site, top=top, states=State, separator=SEPARATOR, **values
    )
    (site.site / name).write_text(text, encoding="utf-8")


def last_bad(series: Series, night: int) -> Ran | None:
    """The last time it failed in some try, up to that night."""
    found = [one for one in series.ran if one.night <= night and (one.bad or one.flaky)]
    return found[-1] if found else None


def places_of(site: Site) -> list[tuple[str, list[Series], list[Series]]]:
    """By place: the series in which something happened, and those that were always good."""
    found = []
    ordered = sorted(site.series, key=lambda one: (one.place, one.test))
    for place, members in groupby(ordered, lambda one: one.place):
        told: list[Series] = []
        quiet: list[Series] = []
        for one in members:
            (quiet if _quiet(one) else told).append(one)
        found.append((place, told, quiet))
    return found


def _quiet(series: Series) -> bool:
    outcomes = {result.outcome for ran in series.ran for result in ran.tries}
    return len(outcomes) == 1 and not any(one.is_bad for one in outcomes)


def mark(ran: Ran | None) -> str:
    """One character of the history grid."""
    if ran is None:
        return ""
    return FLAKY_MARK if ran.flaky else MARKS[ran.result.outcome]


def kind_of(ran: Ran | None) -> str:
    """The same as a class of the style sheet, and in words."""
    if ran is None:
        return "absent"
    return "flaky" if ran.flaky else ran.result.outcome.value


def picture(curve: Curve, site: Site) -> Picture:
    """The curve over the nights, each with its day, kernel and commit."""
    numbers = [number for number, _, _ in curve.points]
    values = [value for _, value, _ in curve.points]
    dates = {one.number: one.started_at[5:10] for one in site.nights}
    step = max(1, len(numbers) // 6)
    names = [f"{dates.get(one, one)}\n{commit_of(at)}" for one, _, at in curve.points]

    def draw(axes: Axes) -> None:
        axes.plot(numbers, values, marker="o", color="#1f5fa8")
        axes.set_ylabel(curve.unit)
        axes.set_xticks(numbers[::step], names[::step], fontsize=8, parse_math=False)

    words = f"{escape(curve.name)}: {values[0]:.4g} to {values[-1]:.4g} {curve.unit}"
    return Picture(drawing(draw, legend=False), words)


def commit_of(attempt: StoredAttempt) -> str:
    """What was measured, in a few characters: the kernel, and the testbed's commit."""
    return escape(f"{attempt.release[:16]} {attempt.testbed[:8]}".strip())


def nights_of(series: Series, nights: Sequence[Night]) -> list[tuple[Night, Ran | None]]:
    """Every night, and what became of the test in it."""
    return [(night, series.at(night.number)) for night in nights]
