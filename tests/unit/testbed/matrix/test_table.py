# SPDX-License-Identifier: GPL-2.0-only
"""Tests x kernels, changes between neighbours, and what is written of it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.cli.matrix import load_plan, save_plan
from testbed.errors import EnvironmentProblem, LostVM, ModelFailure
from testbed.matrix import page
from testbed.matrix.columns import Column
from testbed.matrix.run import (
    Cell,
    ColumnResult,
    ColumnVerdict,
    MatrixRequest,
    cells_of,
)
from testbed.matrix.table import Change, Table, change_between, make_table
from testbed.report.blamed import BlamedOutcome

PASS, FAIL, SKIP = BlamedOutcome.PASS, BlamedOutcome.FAIL, BlamedOutcome.SKIP
FINDING, LOST = BlamedOutcome.FINDING, BlamedOutcome.LOST_VM
REQUEST = MatrixRequest(("zcrx",))


def ran(label: str, **outcomes: BlamedOutcome) -> ColumnResult:
    cells = {f"zcrx/t.py::{name}": Cell(one, f"why {one}") for name, one in outcomes.items()}
    return ColumnResult(label, ColumnVerdict.RAN, release=f"{label}.1", cells=cells)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (PASS, FAIL, Change.REGRESSION), (PASS, LOST, Change.REGRESSION),
        (FINDING, FAIL, Change.REGRESSION), (PASS, FINDING, Change.NEW_FINDING),
        (PASS, SKIP, Change.NOT_OFFERED), (FAIL, SKIP, Change.NOT_OFFERED),
        (SKIP, PASS, Change.NEWLY_OFFERED), (SKIP, FAIL, Change.NEWLY_OFFERED),
        (FAIL, PASS, Change.MENDED), (FINDING, PASS, Change.MENDED), (PASS, PASS, Change.NONE),
        (FAIL, LOST, Change.NONE), (SKIP, SKIP, Change.NONE),
    ],
)  # fmt: skip
def test_change(before: BlamedOutcome, after: BlamedOutcome, change: Change) -> None:
    assert change_between(Cell(before), Cell(after)) is change


def test_a_kernel_on_which_a_test_said_nothing_hides_no_regression() -> None:
    kernels = [ran("6.12", one=PASS), ran("6.16", one=BlamedOutcome.NONE), ran("6.17", one=FAIL)]
    table = make_table(kernels)
    assert [place.change for place in table.rows[0].places] == [
        Change.NONE, Change.NONE, Change.REGRESSION,
    ]  # fmt: skip
    assert table.rows[0].places[2].before == "6.12"


def the_table() -> Table:
    return make_table(
        [
            ran("6.12", one=SKIP, two=PASS),
            ColumnResult("6.16", ColumnVerdict.NO_BOOT, "panic"),
            ran("6.17", one=PASS, two=FAIL, three=PASS),
            ColumnResult("6.19", ColumnVerdict.NOT_AVAILABLE, "gone"),
        ]
    )


def test_a_kernel_that_does_not_run_is_no_neighbour() -> None:
    table = the_table()
    assert [row.short for row in table.rows] == ["t.py::one", "t.py::two", "t.py::three"]
    [regression] = table.regressions
    row, number, place = regression
    assert (row.short, number, place.before) == ("t.py::two", 2, "6.12")


def test_only_a_kernel_that_was_there_can_break() -> None:
    assert the_table().broken == (("6.16", "6.12"),)


def test_page_names_every_skip_and_regression(tmp_path: Path) -> None:
    text = page.write(tmp_path, the_table(), REQUEST).read_text()
    assert "why skip" in text
    assert "<b>6.16</b> does not run, 6.12 does" in text
    assert (
        '<b>6.12 → 6.17</b>: regression: <a href="6.17/suite/latest/summary.html">t.py::two' in text
    )
    assert "cannot be had" in text


def test_csv_has_a_line_for_each_cell_and_each_kernel_without() -> None:
    rows = list(csv.DictReader(io.StringIO(page.as_csv(the_table()))))
    assert len(rows) == 2 + 5
    assert [row["change"] for row in rows if row["kernel"] == "6.17"] == [
        "newly offered", "regression", "",
    ]  # fmt: skip


def test_json() -> None:
    document = json.loads(page.as_json(the_table(), REQUEST))
    assert [one["label"] for one in document["kernels"]] == ["6.12", "6.16", "6.17", "6.19"]
    assert document["regressions"][0]["test"] == "zcrx/t.py::two"
    assert document["kernels_that_do_not_run"] == [{"kernel": "6.16", "before": "6.12"}]


def test_text_of_a_guest_is_no_markup() -> None:
    cell = Cell(FAIL, "<script>alert(1)</script>")
    table = make_table([ColumnResult("7.2", ColumnVerdict.RAN, cells={"zcrx/t.py::x": cell})])
    assert "<script>" not in page.as_html(table, REQUEST)


def check(name: str, outcome: str, fault: str | None = None) -> dict[str, Any]:
    return {
        "name": name, "group": "tests/suite/zcrx/t.py", "title": "T", "outcome": outcome,
        "reason": "it paniced", "fault": fault, "findings": [],
    }  # fmt: skip


def test_the_worst_of_set_up_test_and_teardown_counts() -> None:
    cells = cells_of(
        [
            check("a", "pass"),
            check("a (teardown)", "fail"),
            check("b (setup)", "fail", LostVM.fault),
            check("c", "fail", ModelFailure.fault),
            check("d", "fail", EnvironmentProblem.fault),
        ]
    )
    assert cells["zcrx/t.py::a"].outcome is FAIL
    assert cells["zcrx/t.py::b"].outcome is LOST
    assert cells["zcrx/t.py::c"].outcome is BlamedOutcome.MODEL
    assert cells["zcrx/t.py::d"].outcome is BlamedOutcome.NONE


def test_an_interrupted_matrix_is_taken_up(tmp_path: Path) -> None:
    columns = [Column("7.2"), Column("7.3")]
    save_plan(tmp_path, columns, REQUEST)
    assert load_plan(tmp_path) == (columns, REQUEST)
    result = ran("7.2", one=PASS)
    assert ColumnResult.load(tmp_path) is None
    result.save(tmp_path)
    assert ColumnResult.load(tmp_path) == result


def test_page_has_kinds_apart_with_counts_and_links() -> None:
    """What is no longer offered is no heap among the regressions; a red cell leads somewhere."""
    before = ran("6.12", one=PASS, two=PASS, three=PASS, four=FAIL)
    after = ran("uml:7.2", one=FAIL, two=SKIP, three=SKIP, four=FAIL)
    after.cells["zcrx/t.py::one"] = replace(after.cells["zcrx/t.py::one"], title="the ``x`` of it")
    before.cells["zcrx/t.py::one"] = replace(
        before.cells["zcrx/t.py::one"], title="the ``x`` of it"
    )
    text = page.as_html(make_table([before, after]), REQUEST)
    assert text.index("1 × regression") < text.index("2 × no longer offered")  # noqa: RUF001
    assert '<a href="uml-7.2/suite/latest/summary.html">fail</a>' in text
    assert '<th><a href="uml-7.2/suite/latest/summary.html">uml:7.2</a>' in text
    assert "the x of it" in text
    assert text.count('<tr class="same">') == 1  # four
    assert text.count('<tr class="changed">') == 3


def test_kernel_that_does_not_boot_leads_to_its_log() -> None:
    text = page.as_html(the_table(), REQUEST)
    assert '<a href="6.16/boot.log">6.16</a>' in text
    assert 'href=""' not in text
