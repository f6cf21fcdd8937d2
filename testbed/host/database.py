# SPDX-License-Identifier: GPL-2.0-only
"""Files of SQLite that one process writes: made, opened, and what goes wrong with them in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import EnvironmentProblem, TestbedError, UsageProblem

PATIENCE_S = 10.0
"""How long another process may hold a file before that is an error."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A kind of file.

    :ivar tables: a file of SQL statements that make them.
    :ivar application: ``PRAGMA application_id``; ``version``: ``PRAGMA user_version``.
    :ivar what: what the file is, for messages ("a campaign's store").
    :ivar again: what to start once there is room; ``other``: what to do if the file is damaged;
        ``older``: what to do with a file of another version.
    :ivar synchronous: FULL: a transaction outlives the machine's loss of power; NORMAL: the
        process's death.
    """

    tables: Path
    application: int
    version: int
    what: str
    again: str
    other: str
    older: str
    synchronous: str

    @contextmanager
    def explained(self, path: Path) -> Iterator[None]:
        """An error of sqlite about ``path`` becomes one that says whose fault it is."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._problem(path, error) from error

    def make(self, path: Path, fill: Callable[[sqlite3.Connection], object]) -> None:
        """A new one, with what ``fill`` writes: it appears whole or not at all.

        Raises TestbedError.
        """
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.unlink(missing_ok=True)
            with self.explained(partial):
                connection = sqlite3.connect(partial)
                connection.executescript(self.tables.read_text(encoding="utf-8"))
                fill(connection)
                connection.execute(f"PRAGMA application_id = {self.application}")
                connection.execute(f"PRAGMA user_version = {self.version}")
                connection.commit()
                connection.close()
            partial.rename(path)
        except OSError as error:
            raise EnvironmentProblem(f"{path} cannot be made: {error.strerror}") from error

    def open_to_write(self, path: Path) -> sqlite3.Connection:
        """One that is of this kind and whole; no transaction is begun unasked.

        Raises TestbedError.
        """
        with self.explained(path):
            connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
            self.check_version(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            found = connection.execute("PRAGMA quick_check").fetchone()[0]
            if found != "ok":
                error = sqlite3.DatabaseError(found)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
        return connection

    def open_to_read(self, path: Path) -> sqlite3.Connection:
        """One that is of this kind. Raises TestbedError."""
        with self.explained(path):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE_S)
            self.check_version(path, connection)
        return connection

    def check_version(self, path: Path, connection: sqlite3.Connection) -> None:
        """Raise UsageProblem unless the file is of this kind and version."""
        if connection.execute("PRAGMA application_id").fetchone()[0] != self.application:
            raise UsageProblem(f"{path} is no {self.what}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != self.version:
            raise UsageProblem(
                f"{path} is of version {version}, this testbed has version {self.version}",
                remedy=self.older,
            )

    @contextmanager
    def transaction(self, path: Path, connection: sqlite3.Connection) -> Iterator[None]:
        """What is written meanwhile is there as a whole or not at all. Raises TestbedError."""
        with self.explained(path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _problem(self, path: Path, error: sqlite3.DatabaseError) -> TestbedError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return EnvironmentProblem(
                f"{path} is held by another process for more than {PATIENCE_S:.0f} s",
                remedy="end what has it open; nothing that was stored is lost",
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return EnvironmentProblem(
                f"{path} cannot be written: {error}",
                remedy=f"free some space, and start {self.again} again: it goes on",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return EnvironmentProblem(
                f"{path} is damaged: {error}", remedy=f"put a copy back, or {self.other}"
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return EnvironmentProblem(f"{path} cannot be opened to write: {error}")
        raise error
