# SPDX-License-Identifier: GPL-2.0-only
"""A campaign's page, out of its store: static files, or what the server shows.

Guests wrote the texts: jinja2 escapes them for HTML, and control characters are spelt out before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.coverage.html import page_name
from testbed.errors import EnvironmentProblem
from testbed.fuzz.covered import COVERAGE, Covered
from testbed.fuzz.curves import CHECK, Curve, plots
from testbed.fuzz.honest import WORDS, Honesty, honesty
from testbed.fuzz.outcome import Ended
from testbed.fuzz.reading import CorpusRow, Reader, RunRow, ScheduleRow, Totals, TriageRow
from testbed.fuzz.schedule import Schedule, schedule_of
from testbed.fuzz.triage import Bug, bugs
from testbed.host.terminal import escape, escape_text
from testbed.report.pages import templates

INDEX = "index.html"
MOST_CORPUS = 100
MOST_FUNCTIONS = 400


@dataclass(frozen=True)
class Shown:
    """A bug as the page has it. ``schedule`` is the minimised one, or the shortest there is."""

    bug: Bug
    triage: TriageRow
    row: ScheduleRow
    schedule: Schedule

    @property
    def honesty(self) -> Honesty:
        """What it asks of the card."""
        return honesty(self.schedule)

    @property
    def text(self) -> str:
        """The schedule for a person."""
        return escape_text(json.dumps(self.schedule.document(), indent=1, sort_keys=True))

    @property
    def faults(self) -> list[tuple[str, str, str, str]]:
        """Of each fault its id, where, what, and what it asks of the card."""
        asked = self.honesty.faults
        return [
            (name, escape(str(one.get("where", ""))), _what(one), WORDS[asked[name]])
            for name, one in zip(asked, self.schedule.faults, strict=True)
        ]


def _what(fault: Any) -> str:
    return escape(json.dumps(fault.get("what", {}), sort_keys=True))


@dataclass(frozen=True)
class Kind:
    """Runs that ended the same way; ``cpu_s`` of one on average."""

    name: str
    count: int
    share: float
    cpu_s: float


@dataclass(frozen=True)
class Campaign:
    """Everything the page shows of one campaign."""

    name: str
    facts: dict[str, str]
    totals: Totals
    runs: list[RunRow]
    shown: list[Shown]
    corpus: list[tuple[CorpusRow, ScheduleRow]]
    unequal: list[ScheduleRow]
    only_used: dict[str, list[int]] = field(default_factory=dict)

    @property
    def search(self) -> list[RunRow]:
        """Runs that searched."""
        told = (one for one in self.runs if one.ended is not Ended.ENVIRONMENT)
        return [one for one in told if one.mode != CHECK]

    @property
    def kinds(self) -> list[Kind]:
        """All runs by how they ended."""
        found = []
        for ended in Ended:
            of_it = [one for one in self.runs if one.ended is ended]
            if of_it:
                cpu_s = sum(one.cpu_s for one in of_it) / len(of_it)
                found.append(Kind(ended.value, len(of_it), len(of_it) / len(self.runs), cpu_s))
        return found

    @property
    def honest(self) -> tuple[int, int]:
        """Of the bugs that are not on record, how many an honest card shows, and how many are."""
        new = [one for one in self.shown if not one.bug.known]
        return sum(one.honesty.honest for one in new), len(new)


def gather(reader: Reader, name: str) -> Campaign:
    """Read one campaign. Raises TestbedError."""
    runs, triage = list(reader.runs()), reader.triage()
    schedules = {one.name: one for one in reader.schedules()}
    shown = []
    for bug in bugs(reader.complaints(), runs):
        row = triage.get(bug.first.signature, TriageRow(signature=bug.first.signature))
        kept = schedules[row.minimal or bug.first.schedule]
        shown.append(Shown(bug, row, kept, schedule_of(json.loads(kept.text), kept.name)))
    return Campaign(
        name, {escape(key): escape(value) for key, value in reader.facts().items()},
        reader.totals(), runs, shown,
        [(one, schedules[one.schedule]) for one in reader.corpus()],
        [one for one in schedules.values() if one.deterministic is False], reader.only_used(),
    )  # fmt: skip


def render(
    campaign: Campaign, others: Sequence[Curve] = (), covered: Covered | None = None,
    refresh_s: int = 0,
) -> str:  # fmt: skip
    """The page. ``others``: curves to compare with; ``refresh_s``: loads itself again, if set."""
    environment = templates("testbed.fuzz")
    environment.filters |= {"file_page": page_name, "plain": escape, "plain_text": escape_text}
    pictures = plots([Curve.of(escape(campaign.name), campaign.runs), *others])
    return environment.get_template("campaign.html.j2").render(
        campaign=campaign, totals=campaign.totals, covered=covered, refresh_s=refresh_s,
        plots=pictures, coverage=COVERAGE,
        corpus=campaign.corpus[-MOST_CORPUS:],
        functions=[] if covered is None else covered.functions[:MOST_FUNCTIONS],
    )  # fmt: skip


def write(
    folder: Path, campaign: Campaign, others: Sequence[Curve] = (), covered: Covered | None = None,
) -> Path:  # fmt: skip
    """Write all pages; returns the index. Raises EnvironmentProblem."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if covered is not None:
            covered.write(folder / COVERAGE)
        text = render(campaign, others, covered)
        (folder / INDEX).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be written: {error.strerror}") from error
    return folder / INDEX
