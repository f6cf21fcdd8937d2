# SPDX-License-Identifier: GPL-2.0-only
"""The tables that documents show of the record, between two comments of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import ROOT
from tests.jobs.due import due
from tests.jobs.results import Outcome
from tests.jobs.seeds import PROMISED, SUITE
from tests.seeded.choice import TRIED
from tests.seeded.record import SuiteTests

Record = Mapping[str, Any]
NEVER = "not on record"


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{found[one]} {one}" for one in Outcome if found.get(one))


def seeds(record: Record) -> Iterator[str]:
    """Feature by feature: its tests, and what each job found when it last ran them."""

    def rows() -> Iterator[Sequence[str]]:
        for row in PROMISED:
            jobs = record["promised"].get(row.feature, {})
            ran = {job: found for job, found in jobs.items() if set(found) != {Outcome.SKIP}}
            found = "; ".join(f"`{job}` {_counted(ran[job])}" for job in sorted(ran)) or NEVER
            tests = ", ".join(
                f"[{Path(test).name.partition('::')[2] or Path(test).stem}]"
                f"({SUITE}{test.partition('::')[0]})"
                for test in row.tests
            )
            yield row.seed, row.feature, tests, found

    yield from _table(("seed", "feature", "tests", "last run, by job"), rows())


def jobs(record: Record) -> Iterator[str]:
    """Job by job: when it ran last, how long, what it found."""

    def rows() -> Iterator[Sequence[str]]:
        for job, found in sorted(record["jobs"].items()):
            yield f"`{job}`", found["date"], f"{found['seconds']} s", _counted(found)

    yield from _table(("job", "last run", "took", "found"), rows())


def skips(record: Record) -> Iterator[str]:
    """Reason by reason: how many tests each job skipped for it, why, and which job runs them."""
    reasons: dict[str, dict[str, int]] = {}
    for job, found in sorted(record["jobs"].items()):
        for reason, count in found["skips"].items():
            reasons.setdefault(reason, {})[job] = count

    def rows() -> Iterator[Sequence[str]]:
        for reason in sorted(reasons):
            skipped = ", ".join(f"`{job}` {count}" for job, count in reasons[reason].items())
            known = due(reason)
            why = known.why if known else "**not due**"
            ran_by = ", ".join(f"`{job}`" for job in known.ran_by) if known else ""
            yield reason, skipped, why, ran_by

    yield from _table(("skipped because", "tests", "due, because", "run by"), rows())


def caught(record: Record) -> Iterator[str]:
    """Promise by promise: the test that holds it, the bug that breaks it, when it was caught."""

    def rows() -> Iterator[Sequence[str]]:
        for bug in TRIED:
            catches = str(bug.caught_by)
            if isinstance(bug.caught_by, SuiteTests):
                catches = ", ".join(f"`{node.partition('::')[2]}`" for node in bug.caught_by.nodes)
            promise = bug.promise or bug.title
            where = bug.engine if bug.engine == "qemu" else bug.flavour
            yield promise, catches, str(bug), where, record["caught"].get(str(bug), NEVER)

    yield from _table(("promise", "caught by", "bug", "on", "last caught"), rows())


SHOWN: Sequence[tuple[Path, str, Callable[[Record], Iterator[str]]]] = (
    (ROOT / "README.md", "seeds", seeds),
    (ROOT / "docs" / "jobs.md", "jobs", jobs),
    (ROOT / "docs" / "jobs.md", "skips", skips),
    (ROOT / "docs" / "promises.md", "caught", caught),
)
"""Document, name of the table between its comments, and what makes it."""


def with_table(text: str, name: str, lines: Iterator[str]) -> str:
    """``text`` with these lines between the comments of that name. Raises ValueError."""
    begin, end = f"<!-- {name}: python -P -m tests.jobs -->\n", f"<!-- /{name} -->\n"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the document needs one line {begin!r} and one {end!r}")
    table = "\n" + "".join(f"{line}\n" for line in lines) + "\n"
    return re.sub(
        f"(?s){re.escape(begin)}.*{re.escape(end)}", lambda _old: begin + table + end, text
    )
