# SPDX-License-Identifier: GPL-2.0-only
"""The store of a campaign, read: also while it runs, from other processes."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.errors import UsageProblem
from testbed.fuzz.outcome import Ended
from testbed.host.database import Schema

FILE_NAME = "campaign.sqlite"
SCHEMA = Schema(
    tables=Path(__file__).with_name("store.sql"),
    application=0x626E7866,  # "bnxf"
    version=2,
    what="campaign's store",
    again="the campaign",
    other="start another campaign with --name",
    older="start another campaign; the testbed that made this one reads it, and "
    "`testbed fuzz corpus export` there takes along what it found",
    synchronous="NORMAL",
)

Feature = tuple[int, int] | str
"""An edge as (place, bucket), or a state as its word."""


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """``deterministic``: None as long as it was not run twice."""

    name: str
    text: str
    parent: str
    mutation: str
    deterministic: bool | None
    differs: str


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run; ``at`` in seconds of the campaign. ``checks``: number of the run it repeats.

    :ivar served: schedules that its ``guest`` had run before; 0 for a fresh one.
    :ivar suspected: signatures that showed in a used guest, if a fresh run is to decide.
    :ivar decides: number of the run in a used guest that it decides.
    """

    number: int
    schedule: str
    mode: str
    checks: int | None
    ended: Ended
    signatures: tuple[str, ...]
    edges: int
    edges_new: int
    states_new: int
    event_hash: str
    fired: Mapping[str, int]
    problem: str
    cpu_s: float
    wall_s: float
    worker: str
    at: float
    guest: str = ""
    served: int = 0
    suspected: tuple[str, ...] | None = None
    decides: int | None = None


@dataclass(frozen=True, kw_only=True)
class ComplaintRow:
    """Equal complaints of all runs; ``schedule`` is the shortest that showed it, in ``run``."""

    signature: str
    oracle: str
    finding: str
    count: int
    first_run: int
    last_run: int
    schedule: str
    run: int
    text: str
    log: str


@dataclass(frozen=True, kw_only=True)
class CorpusRow:
    """A schedule that was kept; ``retired``: the run that made it superfluous."""

    schedule: str
    run: int
    retired: int | None
    features: frozenset[Feature]
    events: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class TriageRow:
    """What triage found out of a signature. ``shown`` in ``tried`` runs of the ``minimal``
    schedule; ``same_as``: signature that it is a variant of; ``filed``: id of its finding."""

    signature: str
    same_as: str = ""
    minimal: str = ""
    shown: int = 0
    tried: int = 0
    qemu_shown: int = 0
    qemu_tried: int = 0
    filed: str = ""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Of a campaign. Runs that this host spoiled are in ``spoiled``, in nothing else; ``used``:
    of ``runs``, those in a used guest."""

    runs: int
    used: int
    spoiled: int
    checked: int
    nondeterministic: int
    edges: int
    states: int
    corpus: int
    new: int
    known: int
    at: float


class Reader:
    """A campaign's store. Every method raises TestbedError: locked, damaged, disk full."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        connection.row_factory = sqlite3.Row

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Open the store of a campaign's folder to read. Raises TestbedError."""
        path = path_in(folder)
        return cls(path, SCHEMA.open_to_read(path))

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

    def rows(self, query: str, *values: object) -> Iterator[sqlite3.Row]:
        """What a query finds."""
        with SCHEMA.explained(self.path):
            yield from self._connection.execute(query, values)

    def number(self, query: str, *values: object) -> int:
        """The one number that a query finds."""
        with SCHEMA.explained(self.path):
            return int(self._connection.execute(query, values).fetchone()[0])

    def facts(self) -> dict[str, str]:
        """What is known of the campaign as a whole."""
        return {row["key"]: row["value"] for row in self.rows("SELECT * FROM facts ORDER BY key")}

    def runs(self, since: int = 0) -> Iterator[RunRow]:
        """Those behind number ``since``, in order."""
        for row in self.rows("SELECT * FROM runs WHERE number > ? ORDER BY number", since):
            facts = dict(row)
            facts["ended"] = Ended(facts["ended"])
            facts["signatures"] = tuple(json.loads(facts["signatures"]))
            facts["fired"] = json.loads(facts["fired"])
            if facts["suspected"] is not None:
                facts["suspected"] = tuple(json.loads(facts["suspected"]))
            yield RunRow(**facts)

    def undecided(self) -> list[tuple[int, str, str]]:
        """Number, schedule and mode of the runs in a used guest that no fresh run has decided."""
        query = (
            "SELECT number, schedule, mode FROM runs WHERE suspected IS NOT NULL AND number NOT IN "
            "(SELECT decides FROM runs WHERE decides IS NOT NULL AND ended != ?) ORDER BY number"
        )
        return [tuple(row) for row in self.rows(query, Ended.ENVIRONMENT)]

    def only_used(self) -> dict[str, list[int]]:
        """Signature -> the runs in a used guest that showed it, and the fresh run did not."""
        query = (
            "SELECT s.value, u.number FROM runs AS u, json_each(u.suspected) AS s "
            "JOIN runs AS f ON f.decides = u.number AND f.ended != ? "
            "WHERE s.value NOT IN (SELECT value FROM json_each(f.signatures)) ORDER BY u.number"
        )
        found: dict[str, list[int]] = {}
        for signature, number in self.rows(query, Ended.ENVIRONMENT):
            found.setdefault(signature, []).append(number)
        return found

    def served(self, run: RunRow) -> list[str]:
        """Schedules that its guest had run before, in order."""
        query = "SELECT schedule FROM runs WHERE guest = ? AND served < ? ORDER BY served"
        return [row[0] for row in self.rows(query, run.guest, run.served)] if run.served else []

    def schedule(self, name: str) -> ScheduleRow:
        """By its name or a beginning of it. Raises UsageProblem if none or several are."""
        found = list(
            self.rows(
                "SELECT * FROM schedules WHERE substr(name, 1, ?) = ? LIMIT 2", len(name), name
            )
        )
        if len(found) != 1:
            few = "no schedule" if not found else "more than one schedule"
            raise UsageProblem(f"{self.path.parent} has {few} named {name!r}")
        return _schedule_row(found[0])

    def schedules(self) -> Iterator[ScheduleRow]:
        """All, by name."""
        return (_schedule_row(row) for row in self.rows("SELECT * FROM schedules ORDER BY name"))

    def not_made_into(self, mutation: str) -> list[str]:
        """Schedules of the corpus, in the order of their runs, that ``mutation`` made none of."""
        query = (
            "SELECT schedule FROM corpus WHERE retired IS NULL AND schedule NOT IN"
            " (SELECT parent FROM schedules WHERE mutation = ?) ORDER BY run"
        )
        return [row[0] for row in self.rows(query, mutation)]

    def complaints(self) -> list[ComplaintRow]:
        """Those of no finding on record first, then by their first run."""
        query = "SELECT * FROM complaints ORDER BY finding != '', first_run, signature"
        return [ComplaintRow(**dict(row)) for row in self.rows(query)]

    def edges(self) -> Iterator[tuple[int, int, int]]:
        """(place, bucket, first run) of all."""
        for row in self.rows("SELECT place, bucket, first_run FROM edges ORDER BY 1, 2"):
            yield row[0], row[1], row[2]

    def states(self) -> Iterator[tuple[str, int]]:
        """(word, first run) of all."""
        for row in self.rows("SELECT word, first_run FROM states ORDER BY word"):
            yield row[0], row[1]

    def in_use(self) -> list[str]:
        """Names of the schedules of the corpus, in the order in which they were kept."""
        query = "SELECT schedule FROM corpus WHERE retired IS NULL ORDER BY run"
        return [row[0] for row in self.rows(query)]

    def corpus(self, *, retired: bool = False) -> Iterator[CorpusRow]:
        """What is in use, or all, in the order in which it was kept."""
        query = "SELECT * FROM corpus WHERE retired IS NULL OR ? ORDER BY run"
        for row in self.rows(query, retired):
            edges, words = json.loads(zlib.decompress(row["features"]))
            features: set[Feature] = {(place, bucket) for place, bucket in edges}
            yield CorpusRow(
                schedule=row["schedule"], run=row["run"], retired=row["retired"],
                features=frozenset(features | set(words)), events=json.loads(row["events"]),
            )  # fmt: skip

    def triage(self) -> dict[str, TriageRow]:
        """By signature."""
        found = (TriageRow(**dict(row)) for row in self.rows("SELECT * FROM triage"))
        return {one.signature: one for one in found}

    def totals(self) -> Totals:
        """Counted now."""
        return Totals(
            runs=self.number("SELECT count(*) FROM runs WHERE ended != ?", Ended.ENVIRONMENT),
            used=self.number(
                "SELECT count(*) FROM runs WHERE served > 0 AND ended != ?", Ended.ENVIRONMENT
            ),
            spoiled=self.number("SELECT count(*) FROM runs WHERE ended = ?", Ended.ENVIRONMENT),
            checked=self.number("SELECT count(*) FROM schedules WHERE deterministic IS NOT NULL"),
            nondeterministic=self.number("SELECT count(*) FROM schedules WHERE deterministic = 0"),
            edges=self.number("SELECT count(*) FROM edges"),
            states=self.number("SELECT count(*) FROM states"),
            corpus=self.number("SELECT count(*) FROM corpus WHERE retired IS NULL"),
            new=self.number("SELECT count(*) FROM complaints WHERE finding = ''"),
            known=self.number("SELECT count(*) FROM complaints WHERE finding != ''"),
            at=self._last_at(),
        )  # fmt: skip

    def _last_at(self) -> float:
        (row,) = self.rows("SELECT coalesce(max(at), 0) FROM runs")
        return float(row[0])


def _schedule_row(row: sqlite3.Row) -> ScheduleRow:
    facts = dict(row)
    told = facts["deterministic"]
    return ScheduleRow(**{**facts, "deterministic": None if told is None else bool(told)})


def path_in(folder: Path) -> Path:
    """The store of a campaign's folder. Raises UsageProblem if there is none."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise UsageProblem(
            f"{folder} holds no campaign: there is no {FILE_NAME}",
            remedy="testbed fuzz start makes one; --name says which",
        )
    return path
