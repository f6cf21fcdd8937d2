# SPDX-License-Identifier: GPL-2.0-only
"""The store of a campaign, written: one SQLite file in WAL mode, one writer.

All that a batch of outcomes changes is one transaction. A process that is killed, wherever it is,
leaves the store as it was before a batch or after it: runs that were under way are lost, and none
is counted twice. The tables are in ``store.sql``; what is read is in :mod:`testbed.fuzz.reading`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from testbed.errors import UsageProblem
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.reading import (
    FILE_NAME,
    SCHEMA,
    CorpusRow,
    Feature,
    Reader,
    RunRow,
    TriageRow,
    path_in,
)
from testbed.fuzz.schedule import Schedule


class Store(Reader):
    """The campaign's store, for the one process that leads the campaign."""

    _mutations: list[str] | None = None

    @classmethod
    def make(cls, folder: Path, facts: Mapping[str, str]) -> Self:
        """A new one in ``folder``, which is there. Raises TestbedError.

        It appears whole or not at all.
        """
        path = folder / FILE_NAME
        if path.exists():
            raise UsageProblem(f"{path} is there already")
        SCHEMA.make(
            path, lambda new: new.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        )
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The one that is in ``folder``, found whole. Raises TestbedError."""
        path = path_in(folder)
        return cls(path, SCHEMA.open_to_write(path))

    def batch(self) -> AbstractContextManager[None]:
        """What is written meanwhile is there as a whole or not at all. Raises TestbedError."""
        return SCHEMA.transaction(self.path, self._connection)

    def note(self, key: str, value: str) -> None:
        """A fact of the campaign, in place of the old one."""
        self._do("INSERT OR REPLACE INTO facts VALUES (?, ?)", key, value)

    def add_schedule(self, schedule: Schedule, parent: str, mutation: str) -> None:
        """One that is run or waits; the first time counts."""
        with SCHEMA.explained(self.path):
            done = self._connection.execute(
                "INSERT OR IGNORE INTO schedules (name, text, parent, mutation) "
                "VALUES (?, ?, ?, ?)",
                (schedule.name, schedule.text, parent, mutation),
            )
        if done.rowcount == 1 and self._mutations is not None:
            self._mutations.append(mutation)

    @property
    def mutations(self) -> Sequence[str]:
        """What made each schedule that is there, in no order; more come at the end."""
        if self._mutations is None:
            self._mutations = [row[0] for row in self.rows("SELECT mutation FROM schedules")]
        return self._mutations

    def enqueue(self, schedule: Schedule, parent: str, mutation: str) -> bool:
        """Have it run before anything is made up; False if it was run or waits already."""
        if self.number("SELECT count(*) FROM schedules WHERE name = ?", schedule.name):
            return False
        self.add_schedule(schedule, parent, mutation)
        self._do("INSERT INTO waiting (schedule) VALUES (?)", schedule.name)
        return True

    def waiting(self) -> list[str]:
        """Names of the schedules that are to be run first, in order."""
        return [row[0] for row in self.rows("SELECT schedule FROM waiting ORDER BY number")]

    def free_numbers(self) -> Iterator[int]:
        """Numbers of runs to come: first those that a killed campaign left out."""
        taken = {row[0] for row in self.rows("SELECT number FROM runs")}
        number = 1
        while True:
            if number not in taken:
                yield number
            number += 1

    def add_run(self, run: RunRow) -> bool:
        """Store it; False if one of that number was stored before, which then counts."""
        facts = vars(run) | {
            "signatures": json.dumps(run.signatures),
            "fired": json.dumps(dict(run.fired), sort_keys=True),
            "suspected": None if run.suspected is None else json.dumps(run.suspected),
        }
        names = ", ".join(facts)
        places = ", ".join(f":{name}" for name in facts)
        with SCHEMA.explained(self.path):
            done = self._connection.execute(
                f"INSERT OR IGNORE INTO runs ({names}) VALUES ({places})", facts
            )
        if run.ended is not Ended.ENVIRONMENT:
            self._do("DELETE FROM waiting WHERE schedule = ?", run.schedule)
        return done.rowcount == 1

    def add_complaint(self, number: int, schedule: Schedule, one: Complaint, log: str) -> None:
        """Count it; the shortest schedule that shows it is kept, with text and log of its run."""
        self._do(
            "INSERT INTO complaints VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?4, ?6, ?7) "
            "ON CONFLICT DO UPDATE SET count = count + 1, last_run = max(last_run, ?4), "
            "first_run = min(first_run, ?4)",
            one.signature, one.oracle, one.finding, number, schedule.name, one.text, log,
        )  # fmt: skip
        self._do(
            "UPDATE complaints SET schedule = ?2, run = ?3, text = ?4, log = ?5, finding = ?6 "
            "WHERE signature = ?1 AND length(?7) < (SELECT length(s.text) FROM schedules AS s "
            "WHERE s.name = complaints.schedule)",
            one.signature, schedule.name, number, one.text, log, one.finding, schedule.text,
        )  # fmt: skip

    def count_features(self, number: int, features: Iterable[Feature]) -> None:
        """One more run, ``number``, has shown each."""
        edges: list[tuple[int, int, int]] = []
        words: list[tuple[str, int]] = []
        for one in features:
            if isinstance(one, str):
                words.append((one, number))
            else:
                edges.append((*one, number))
        with SCHEMA.explained(self.path):
            self._connection.executemany(
                "INSERT INTO edges VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET runs = runs + 1",
                edges,
            )
            self._connection.executemany(
                "INSERT INTO states VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET runs = runs + 1",
                words,
            )

    def feature_counts(self) -> dict[Feature, int]:
        """How many runs have shown each, as far as was counted."""
        counts: dict[Feature, int] = {}
        for row in self.rows("SELECT place, bucket, runs FROM edges"):
            counts[row[0], row[1]] = row[2]
        for row in self.rows("SELECT word, runs FROM states"):
            counts[row[0]] = row[1]
        return counts

    def keep(self, row: CorpusRow) -> None:
        """A schedule for the corpus."""
        edges = sorted(one for one in row.features if not isinstance(one, str))
        words = sorted(one for one in row.features if isinstance(one, str))
        features = zlib.compress(json.dumps([edges, words]).encode(), level=1)
        self._do(
            "INSERT OR REPLACE INTO corpus VALUES (?, ?, ?, ?, ?)",
            row.schedule, row.run, row.retired, features,
            json.dumps(dict(row.events), sort_keys=True),
        )  # fmt: skip

    def retire(self, schedule: str, run: int | None) -> None:
        """Others show all that this one shows, since ``run``; with None it is in use again."""
        self._do("UPDATE corpus SET retired = ? WHERE schedule = ?", run, schedule)

    def leave_out(self, schedule: str) -> None:
        """It is not run any more, and made into nothing: the run it was kept for retires it."""
        self._do("DELETE FROM waiting WHERE schedule = ?", schedule)
        self._do("UPDATE corpus SET retired = run WHERE schedule = ?", schedule)

    def mark(self, schedule: str, differs: str) -> None:
        """It was run twice; ``differs``: in what the runs differ, or nothing. One that ever
        differed stays marked."""
        self._do(
            "UPDATE schedules SET deterministic = ?2, differs = ?3 "
            "WHERE name = ?1 AND deterministic IS NOT 0",
            schedule, not differs, differs,
        )  # fmt: skip

    def triaged(self, row: TriageRow) -> None:
        """What is known of a signature now, in place of what was."""
        facts = vars(row)
        places = ", ".join("?" for _ in facts)
        self._do(
            f"INSERT OR REPLACE INTO triage ({', '.join(facts)}) VALUES ({places})",
            *facts.values(),
        )

    def _do(self, statement: str, *values: object) -> None:
        with SCHEMA.explained(self.path):
            self._connection.execute(statement, values)


def row_of(
    number: int, outcome: Outcome, *, mode: str, worker: str, at: float, checks: int | None = None,
    edges_new: int = 0, states_new: int = 0, suspected: bool = False, decides: int | None = None,
) -> RunRow:  # fmt: skip
    """An outcome as it is stored; what showed in a used guest is not on a par with the rest."""
    signatures = tuple(sorted(outcome.signatures))
    return RunRow(
        number=number, schedule=outcome.schedule, mode=mode, checks=checks, ended=outcome.ended,
        signatures=() if outcome.served else signatures, edges=len(outcome.edges),
        edges_new=edges_new, states_new=states_new, event_hash=outcome.event_hash,
        fired=outcome.fired, problem=outcome.problem, cpu_s=outcome.cpu_s, wall_s=outcome.wall_s,
        worker=worker, at=at, guest=outcome.guest, served=outcome.served,
        suspected=signatures if suspected else None, decides=decides,
    )  # fmt: skip
