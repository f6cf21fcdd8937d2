# SPDX-License-Identifier: GPL-2.0-only
"""The matrix as one HTML page, as CSV (a line per test and kernel) and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from testbed.matrix.run import ColumnResult, MatrixRequest, folder_name
from testbed.matrix.table import Change, Place, Row, Table
from testbed.report.blamed import BlamedOutcome
from testbed.report.html import FILE_NAME as SUMMARY_PAGE
from testbed.report.pages import templates
from testbed.report.quantities import seconds_text
from testbed.report.rundir import LATEST

HTML, CSV, JSON = "matrix.html", "matrix.csv", "matrix.json"
SCHEMA_VERSION = 1
REASON_CHARACTERS = 90
CSV_HEADER = ("test", "title", "kernel", "release", "outcome", "reason", "change", "before")


def write(folder: Path, table: Table, request: MatrixRequest) -> Path:
    """Write all three into ``folder``; returns the page. Raises OSError."""
    for name, text in (
        (CSV, as_csv(table)), (JSON, as_json(table, request)), (HTML, as_html(table, request)),
    ):  # fmt: skip
        temporary = folder / f".{name}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / name)
    return folder / HTML


def as_csv(table: Table) -> str:
    """A line per test and kernel; of a kernel the suite did not run on, one with its verdict."""
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(CSV_HEADER)
    for column in table.columns:
        if not column.cells:
            verdict = column.verdict.value
            lines.writerow(("", "", column.label, column.release, verdict, column.reason, "", ""))
    for row in table.rows:
        for column, place in zip(table.columns, row.places, strict=True):
            if place.cell is not None:
                lines.writerow(
                    (row.test, row.title, column.label, column.release, place.cell.outcome.value,
                     place.cell.reason, place.change.value, place.before)
                )  # fmt: skip
    return stream.getvalue()


def as_json(table: Table, request: MatrixRequest) -> str:
    """Everything the page shows."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "request": asdict(request),
        "kernels": [
            {
                "label": column.label, "release": column.release, "verdict": column.verdict.value,
                "reason": column.reason, "seconds": round(column.seconds, 1),
                "commit": column.commit,
                "tests": {
                    outcome.value: table.count(number, outcome) for outcome in BlamedOutcome
                },
            }
            for number, column in enumerate(table.columns)
        ],
        "tests": [
            {
                "test": row.test,
                "title": row.title,
                "cells": {
                    column.label: {
                        "outcome": place.cell.outcome.value, "reason": place.cell.reason,
                        "findings": list(place.cell.findings), "change": place.change.value,
                        "before": place.before,
                    }
                    for column, place in zip(table.columns, row.places, strict=True)
                    if place.cell is not None
                },
            }
            for row in table.rows
        ],
        "regressions": [
            {"test": row.test, "kernel": table.columns[number].label, "before": place.before,
             "change": place.change.value}
            for row, number, place in table.regressions
        ],
        "kernels_that_do_not_run": [
            {"kernel": label, "before": before} for label, before in table.broken
        ],
    }  # fmt: skip
    return json.dumps(document, indent=1) + "\n"


def _short(text: str) -> str:
    if len(text) <= REASON_CHARACTERS:
        return text
    return text[: REASON_CHARACTERS - 1] + "…"


def _by_kind(
    changes: Sequence[tuple[Row, int, Place]],
) -> list[tuple[str, list[tuple[Row, int, Place]]]]:
    """Changes by their kind, the worst kind first; kinds of which there is none are left out."""
    found = [(kind.value, [one for one in changes if one[2].change is kind]) for kind in Change]
    return [(name, members) for name, members in found if name and members]


def evidence_of(column: ColumnResult) -> str:
    """What to look at of a kernel, from the page's folder: its run's page, or why there is none."""
    folder = quote(folder_name(column.label))
    if column.cells:
        return f"{folder}/suite/{LATEST}/{SUMMARY_PAGE}"
    return f"{folder}/boot.log" if column.verdict.blames_kernel else ""


def _grouped(rows: tuple[Row, ...]) -> list[tuple[str, list[Row]]]:
    return [(folder, list(members)) for folder, members in groupby(rows, lambda row: row.folder)]


def as_html(table: Table, request: MatrixRequest) -> str:
    """The page; it needs nothing beside it."""
    environment = templates("testbed.matrix")
    environment.filters["seconds"] = seconds_text
    environment.filters["short"] = _short
    environment.filters["plain"] = lambda text: text.replace("``", "")
    return environment.get_template("matrix.html.j2").render(
        table=table, request=request, groups=_grouped(table.rows), outcomes=list(BlamedOutcome),
        worse=_by_kind(table.regressions), evidence_of=evidence_of,
        mended=_by_kind([one for one in table.changes if not one[2].change.is_regression]),
    )  # fmt: skip
