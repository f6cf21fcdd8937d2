# SPDX-License-Identifier: GPL-2.0-only
"""The history of a nightly: one SQLite file in WAL mode, one writer. Its tables: ``store.sql``.

An attempt is stored in one transaction once its process has ended. Whoever is killed, at whatever
moment, loses the attempts under way and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from testbed.errors import UsageProblem
from testbed.host.database import Schema
from testbed.nightly.cell import Cell
from testbed.nightly.plan import Tried
from testbed.nightly.reading import Attempt, Result, Value
from testbed.report.blamed import BlamedOutcome

FILE_NAME = "nightly.sqlite"
SCHEMA = Schema(
    tables=Path(__file__).with_name("store.sql"),
    application=0x626E786E,  # "bnxn"
    version=1,
    what="nightly's history",
    again="the nightly",
    other="begin anew with another --folder",
    older="use the testbed that made it, or begin in another --folder",
    synchronous="FULL",
)


@dataclass(frozen=True, kw_only=True)
class Night:
    """One night. ``ended_at`` is empty while it is not over."""

    number: int
    started_at: str
    ended_at: str
    minutes: float


@dataclass(frozen=True, kw_only=True)
class StoredAttempt:
    """An attempt as the history has it; ``folder`` is relative to that of the nightly."""

    number: int
    night: int
    cell: str
    attempt: int
    seconds: float
    verdict: str
    reason: str
    reached: bool
    release: str
    source: str
    key: str
    testbed: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """One test in one attempt, and where it ran."""

    night: int
    place: str
    attempt: StoredAttempt
    result: Result


@dataclass(frozen=True, kw_only=True)
class StoredValue:
    """One measurement, and where it was made."""

    night: int
    place: str
    attempt: StoredAttempt
    value: Value


class Store:
    """Of one nightly. Every method raises TestbedError: locked, damaged, of another version,
    disk full."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        connection.row_factory = sqlite3.Row

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The one in ``folder``, found whole; a new one if there is none."""
        path = folder / FILE_NAME
        if not path.exists():
            SCHEMA.make(path, lambda connection: None)
        return cls(path, SCHEMA.open_to_write(path))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def batch(self) -> AbstractContextManager[None]:
        """What is written meanwhile is there as a whole or not at all."""
        return SCHEMA.transaction(self.path, self._connection)

    def begin(self, started_at: str, minutes: float, cells: Sequence[Cell]) -> Night:
        """A new night, which is to run ``cells`` in this order."""
        with self.batch():
            number = self._number("SELECT coalesce(max(number), 0) + 1 FROM nights")
            self._do("INSERT INTO nights VALUES (?, ?, NULL, ?)", number, started_at, minutes)
            for position, cell in enumerate(cells):
                self._do(
                    "INSERT INTO cells VALUES (?, ?, ?, ?, ?)",
                    number, position, cell.name, cell.place, cell.as_text(),
                )  # fmt: skip
        return self.night(number)

    def end(self, night: Night, ended_at: str) -> None:
        """It is over."""
        with self.batch():
            self._do("UPDATE nights SET ended_at = ? WHERE number = ?", ended_at, night.number)

    def allow(self, night: Night, minutes: float) -> Night:
        """Another budget for a night that is gone on with."""
        with self.batch():
            self._do("UPDATE nights SET minutes = ? WHERE number = ?", minutes, night.number)
        return self.night(night.number)

    def add(self, night: Night, cell: Cell, number: int, found: Attempt, folder: str) -> None:
        """What the ``number``-th process of a cell found, all of it."""
        with self.batch():
            cursor = self._connection.execute(
                "INSERT INTO attempts (night, cell, attempt, seconds, verdict, reason, reached, "
                "release, source, key, testbed, folder) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (night.number, cell.name, number, found.seconds, found.verdict, found.reason,
                 found.reached, found.release, found.source, found.key, found.commit, folder),
            )  # fmt: skip
            row = cursor.lastrowid
            for one in found.results:
                self._do(
                    "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row, one.test, one.outcome.value, one.seconds, one.reason, one.title,
                    one.target, json.dumps(one.findings), one.evidence, one.words,
                )  # fmt: skip
            for value in found.values:
                self._do(
                    "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?)",
                    row, value.name, value.value, value.unit, value.less,
                )  # fmt: skip

    def nights(self) -> list[Night]:
        """All, the oldest first."""
        return [
            Night(**{**dict(row), "ended_at": row["ended_at"] or ""})
            for row in self._rows("SELECT * FROM nights ORDER BY number")
        ]

    def night(self, number: int) -> Night:
        """By its number, which there is."""
        return next(one for one in self.nights() if one.number == number)

    def cells(self, night: int) -> list[Cell]:
        """What it was to run, in order."""
        query = "SELECT text FROM cells WHERE night = ? ORDER BY position"
        try:
            return [Cell.of_text(row["text"]) for row in self._rows(query, night)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageProblem(
                f"{self.path}: the cells of night {night} cannot be read: {error}",
                remedy="begin another night with --new",
            ) from error

    def attempts(self, since: int = 0) -> list[StoredAttempt]:
        """Of nights from ``since`` on, in the order in which they ended."""
        query = "SELECT * FROM attempts WHERE night >= ? ORDER BY number"
        return [_attempt(row) for row in self._rows(query, since)]

    def tried(self, night: Night) -> dict[str, list[Tried]]:
        """By the name of a cell what was attempted, for :func:`testbed.nightly.plan.next_step`."""
        found: dict[str, list[Tried]] = {}
        for one in self.attempts(night.number):
            if one.night == night.number:
                bad = tuple(kind.value for kind in BlamedOutcome if kind.is_bad)
                places = ", ".join("?" for _ in bad)
                rows = self._rows(
                    f"SELECT target FROM results WHERE attempt = ? AND outcome IN ({places}) "
                    "ORDER BY test", one.number, *bad,
                )  # fmt: skip
                failed = tuple(row["target"] for row in rows)
                found.setdefault(one.cell, []).append(Tried(failed, one.reached))
        return found

    def spent_s(self, night: Night) -> float:
        """Of its budget; what killed attempts took does not count."""
        query = "SELECT total(seconds) FROM attempts WHERE night = ?"
        with SCHEMA.explained(self.path):
            return float(self._connection.execute(query, (night.number,)).fetchone()[0])

    def last_ended(self) -> dict[str, int]:
        """Name of a cell -> the last night that it was run in."""
        query = "SELECT cell, max(night) AS night FROM attempts GROUP BY cell"
        return {row["cell"]: row["night"] for row in self._rows(query)}

    def expected_s(self, nights: int = 7) -> dict[str, float]:
        """Name of a cell -> seconds of its first attempt, the median of the last few."""
        found: dict[str, list[float]] = {}
        query = "SELECT cell, seconds FROM attempts WHERE attempt = 1 ORDER BY number"
        for row in self._rows(query):
            found.setdefault(row["cell"], []).append(row["seconds"])
        return {name: median(values[-nights:]) for name, values in found.items()}

    def results(self, since: int) -> Iterator[StoredResult]:
        """Of nights from ``since`` on, in the order in which they came in."""
        attempts = {one.number: one for one in self.attempts(since)}
        places = self._places(since)
        query = (
            "SELECT r.* FROM results AS r JOIN attempts AS a ON a.number = r.attempt "
            "WHERE a.night >= ? ORDER BY r.attempt, r.test"
        )
        for row in self._rows(query, since):
            attempt = attempts[row["attempt"]]
            facts = dict(row)
            del facts["attempt"]
            facts["outcome"] = BlamedOutcome(facts["outcome"])
            facts["findings"] = tuple(json.loads(facts["findings"]))
            yield StoredResult(
                night=attempt.night, place=places[attempt.night, attempt.cell], attempt=attempt,
                result=Result(**facts),
            )  # fmt: skip

    def values(self, since: int) -> Iterator[StoredValue]:
        """The same of measurements."""
        attempts = {one.number: one for one in self.attempts(since)}
        places = self._places(since)
        query = (
            "SELECT m.* FROM measured AS m JOIN attempts AS a ON a.number = m.attempt "
            "WHERE a.night >= ? ORDER BY m.attempt, m.name"
        )
        for row in self._rows(query, since):
            attempt = attempts[row["attempt"]]
            facts = dict(row)
            del facts["attempt"]
            facts["less"] = bool(facts["less"])
            yield StoredValue(
                night=attempt.night, place=places[attempt.night, attempt.cell], attempt=attempt,
                value=Value(**facts),
            )  # fmt: skip

    def _places(self, since: int) -> Mapping[tuple[int, str], str]:
        rows = self._rows("SELECT night, name, place FROM cells WHERE night >= ?", since)
        return {(row["night"], row["name"]): row["place"] for row in rows}

    def _rows(self, query: str, *values: object) -> Iterator[sqlite3.Row]:
        with SCHEMA.explained(self.path):
            yield from self._connection.execute(query, values)

    def _number(self, query: str, *values: object) -> int:
        with SCHEMA.explained(self.path):
            return int(self._connection.execute(query, values).fetchone()[0])

    def _do(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)


def _attempt(row: sqlite3.Row) -> StoredAttempt:
    return StoredAttempt(**{**dict(row), "reached": bool(row["reached"])})
