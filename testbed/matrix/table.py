# SPDX-License-Identifier: GPL-2.0-only
"""Tests x kernels, and what changed between neighbours. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from testbed.matrix.run import Cell, ColumnResult, ColumnVerdict
from testbed.report.blamed import BlamedOutcome


class Change(StrEnum):
    """How a test on a kernel differs from the nearest kernel before that has it."""

    NONE = ""
    REGRESSION = "regression"
    NEW_FINDING = "new finding"
    NOT_OFFERED = "no longer offered"
    MENDED = "mended"
    NEWLY_OFFERED = "newly offered"

    @property
    def is_regression(self) -> bool:
        """For the worse."""
        return self in (Change.REGRESSION, Change.NEW_FINDING, Change.NOT_OFFERED)


@dataclass(frozen=True)
class Place:
    """A cell of the table; ``before`` is the kernel ``change`` compares with."""

    cell: Cell | None
    change: Change = Change.NONE
    before: str = ""


@dataclass(frozen=True)
class Row:
    """A test on every kernel, in their order."""

    test: str
    title: str
    places: tuple[Place, ...]

    @property
    def folder(self) -> str:
        """The feature it belongs to."""
        return self.test.partition("/")[0]

    @property
    def short(self) -> str:
        """Its name without the folder."""
        return self.test.partition("/")[2]


@dataclass(frozen=True)
class Table:
    """The whole matrix; ``broken`` are kernels that do not run where their neighbour did."""

    columns: tuple[ColumnResult, ...]
    rows: tuple[Row, ...]
    broken: tuple[tuple[str, str], ...]

    def count(self, column: int, outcome: BlamedOutcome) -> int:
        """Tests with that outcome on one kernel."""
        counts = Counter(
            row.places[column].cell.outcome  # type: ignore[union-attr]
            for row in self.rows
            if row.places[column].cell is not None
        )
        return counts[outcome]

    @property
    def changes(self) -> list[tuple[Row, int, Place]]:
        """Every place that differs from its neighbour, with its column."""
        return [
            (row, number, place)
            for row in self.rows
            for number, place in enumerate(row.places)
            if place.change is not Change.NONE
        ]

    @property
    def regressions(self) -> list[tuple[Row, int, Place]]:
        """Those for the worse."""
        return [one for one in self.changes if one[2].change.is_regression]

    @property
    def failures(self) -> int:
        """Tests that failed or lost their guest, on all kernels."""
        return sum(
            place.cell is not None and place.cell.outcome.is_bad
            for row in self.rows
            for place in row.places
        )


def change_between(before: Cell, after: Cell) -> Change:
    """What became of a test from one kernel to the next."""
    old, new = before.outcome, after.outcome
    if new.is_bad and not old.is_bad and old is not BlamedOutcome.SKIP:
        return Change.REGRESSION
    if new is BlamedOutcome.FINDING and old.is_good:
        return Change.NEW_FINDING
    if new is BlamedOutcome.SKIP and old is not BlamedOutcome.SKIP:
        return Change.NOT_OFFERED
    if old is BlamedOutcome.SKIP and new is not BlamedOutcome.SKIP:
        return Change.NEWLY_OFFERED
    if new.is_good and not old.is_good:
        return Change.MENDED
    return Change.NONE


def make_table(columns: Sequence[ColumnResult]) -> Table:
    """Rows in the order of their first appearance, grouped by folder."""
    names: dict[str, str] = {}
    for column in columns:
        for test, cell in column.cells.items():
            names.setdefault(test, cell.title)
    rows = [Row(test, title, _places(test, columns)) for test, title in names.items()]
    rows.sort(key=lambda row: row.folder)
    return Table(tuple(columns), tuple(rows), tuple(_broken(columns)))


def _places(test: str, columns: Sequence[ColumnResult]) -> tuple[Place, ...]:
    places: list[Place] = []
    last: tuple[str, Cell] | None = None
    for column in columns:
        cell = column.cells.get(test)
        if cell is None:
            places.append(Place(None))
            continue
        if cell.outcome is BlamedOutcome.NONE:
            places.append(Place(cell))
            continue
        change = change_between(last[1], cell) if last else Change.NONE
        places.append(Place(cell, change, last[0] if last and change else ""))
        last = (column.label, cell)
    return tuple(places)


def _broken(columns: Sequence[ColumnResult]) -> list[tuple[str, str]]:
    pairs = []
    last = ""
    for column in columns:
        if column.verdict is ColumnVerdict.RAN:
            last = column.label
        elif column.verdict.blames_kernel and last:
            pairs.append((column.label, last))
    return pairs
