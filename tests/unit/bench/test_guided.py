# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import csv
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.fuzz.curves import Curve
from testbed.fuzz.search import BLIND, GUIDED
from tests.bench.guided import STEPS, Found, drawing, measured, points, table, write


def curve(*edges: int) -> Curve:
    """A run each half minute, one signature in the second."""
    minutes = [0.5 * (number + 1) for number in range(len(edges))]
    return Curve("a search", minutes, edges, [one // 10 for one in edges], [1.0])


def two_seeds() -> Found:
    return {
        (GUIDED, 1): points(curve(100, 300, 400), 2.0),
        (BLIND, 1): points(curve(100, 200), 2.0),
        (GUIDED, 2): points(curve(100, 250), 2.0),
        (BLIND, 2): points(curve(100, 250), 2.0),
    }


def test_points_tell_what_had_been_found_by_then() -> None:
    found = points(curve(100, 300, 400, 900), 1.5)
    assert len(found) == STEPS + 1
    assert found[0] == {"minute": 0, "runs": 0, "edges": 0, "states": 0, "signatures": 0}
    assert [found[STEPS // 3][name] for name in ("minute", "runs", "edges")] == [0.5, 1, 100]
    assert [found[-1][name] for name in ("runs", "edges", "signatures")] == [3, 400, 1]


def test_the_table_pairs_what_ran_side_by_side() -> None:
    rows = list(table(two_seeds()))
    assert "| edges | 325 (250-400) | 225 (200-250) | 1 of 2 seeds |" in rows
    assert "| signatures | 1 (1-1) | 1 (1-1) | 0 of 2 seeds |" in rows


def test_what_is_written_holds_every_point_of_every_search(tmp_path: Path) -> None:
    found = two_seeds()
    write(tmp_path, found)
    with (tmp_path / "guided.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * (STEPS + 1)
    assert rows[STEPS]["edges"] == "400"
    assert (tmp_path / "guided.svg").read_text(encoding="utf-8") == drawing(found)


def test_pairs_of_an_earlier_call_need_not_be_run_again(tmp_path: Path) -> None:
    write(tmp_path, two_seeds())
    file = tmp_path / "guided.csv"
    again = measured(file, 2.0)
    assert list(table(again)) == list(table(two_seeds()))
    for pair, found in two_seeds().items():
        assert [one["edges"] for one in again[pair]] == [one["edges"] for one in found]
    with pytest.raises(UsageProblem, match="no pairs of 30 minutes"):
        measured(file, 30.0)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(UsageProblem, match="no pairs of 2 minutes"):
        measured(file, 2.0)
    file.write_text(lines[0] + "\n", encoding="utf-8")
    with pytest.raises(UsageProblem, match="no pairs of 2 minutes"):
        measured(file, 2.0)
    file.write_text("some\nother\n", encoding="utf-8")
    with pytest.raises(UsageProblem, match="is none of guided"):
        measured(file, 2.0)
