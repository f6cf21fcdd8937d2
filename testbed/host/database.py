# SPDX-License-Identifier: GPL-2.0-only
"""A file of SQLite: what goes wrong with it, in words, and whose fault that is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import EnvironmentProblem, TestbedError

PATIENCE_S = 10.0
"""How long another process may hold a file before that is an error."""


@contextmanager
def explained(path: Path, *, again: str, other: str) -> Iterator[None]:
    """An error of sqlite about ``path`` becomes one that says whose fault it is.

    ``again`` is what to start once there is room, ``other`` what to do if the file is damaged.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _problem(path, error, again, other) from error


def _problem(path: Path, error: sqlite3.DatabaseError, again: str, other: str) -> TestbedError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return EnvironmentProblem(
            f"{path} is held by another process for more than {PATIENCE_S:.0f} s",
            remedy="end what has it open; nothing that was stored is lost",
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return EnvironmentProblem(
            f"{path} cannot be written: {error}",
            remedy=f"free some space, and start {again} again: it goes on",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return EnvironmentProblem(
            f"{path} is damaged: {error}", remedy=f"put a copy back, or {other}"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return EnvironmentProblem(f"{path} cannot be opened to write: {error}")
    raise error
