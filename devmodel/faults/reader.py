# SPDX-License-Identifier: GPL-2.0-only
"""Reads a table of a plan key by key; what is wrong is named by file, key and allowed values."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from typing import Any


class Reader:
    """One table. Every key must be asked for before :meth:`end`.

    :param source: file name for messages; ``path``: where in it the table is.
    :param error: what is raised, with the message.
    """

    def __init__(self, table: object, source: str, path: str, error: type[Exception]) -> None:
        self._source = source
        self._path = path
        self._error = error
        self._asked: set[str] = set()
        if not isinstance(table, Mapping):
            raise error(f"{source}: {path or 'the plan'} is no table")
        self._table: Mapping[str, Any] = table

    def problem(self, key: str, what: str, allowed: str) -> Exception:
        """The error that says ``key`` ``what``, and what is allowed."""
        return self._error(f"{self._source}: {self._at(key)} {what}; allowed: {allowed}")

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self._asked.add(key)
        return key in self._table

    def items(self) -> ItemsView[str, Any]:
        """All keys, for tables with free ones."""
        return self._table.items()

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        if key not in self._table:
            raise self._error(f"{self._source}: {self._at(key)} is missing")
        return self._table[key]

    def table(self, key: str) -> Reader:
        """A table inside this one."""
        return Reader(self._get(key), self._source, self._at(key), self._error)

    def tables(self, key: str, *, most: int) -> list[Reader]:
        """An array of one to ``most`` tables."""
        found = self._get(key)
        if not isinstance(found, list) or not 1 <= len(found) <= most:
            raise self.problem(key, "is no array of tables", f"1 to {most} tables")
        return [
            Reader(one, self._source, f"{self._at(key)}[{i}]", self._error)
            for i, one in enumerate(found)
        ]

    def text(self, key: str) -> str:
        """Text that is not empty."""
        value = self._get(key)
        if not isinstance(value, str) or not value:
            raise self.problem(key, f"is {value!r}", "text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """One or several texts."""
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise self.problem(key, f"is {value!r}", "an array of texts")
        return tuple(value)

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of ``allowed``."""
        value = self._get(key)
        if value not in allowed:
            raise self.problem(key, f"is {value!r}", ", ".join(allowed))
        return str(value)

    def integer(
        self, key: str, *, least: int, most: int = (1 << 63) - 1, default: int | None = None
    ) -> int:
        """An integer in a range."""
        if default is not None and key not in self._table:
            return default
        value = self._get(key)
        if type(value) is not int or not least <= value <= most:
            raise self.problem(key, f"is {value!r}", f"an integer from {least} to {most}")
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        if key not in self._table:
            return default
        value = self._get(key)
        if not isinstance(value, bool):
            raise self.problem(key, f"is {value!r}", "true, false")
        return value

    def fraction(self, key: str, *, default: float) -> float:
        """A number above 0 and at most 1."""
        if key not in self._table:
            return default
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise self.problem(key, f"is {value!r}", "a number above 0 and at most 1")
        return float(value)

    def end(self) -> None:
        """Raise for a key nobody asked for."""
        unknown = sorted(set(self._table) - self._asked)
        if unknown:
            raise self.problem(unknown[0], "is unknown here", ", ".join(sorted(self._asked)))
