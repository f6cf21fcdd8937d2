# SPDX-License-Identifier: GPL-2.0-only
"""A night on a cluster; threads that write summaries stand for workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.fuzz.parts import Lost
from testbed.nightly.cluster import Done, OnCluster, unpack
from testbed.nightly.plan import Step
from testbed.nightly.run import leading, night_of, run_night
from testbed.nightly.store import Store
from tests.unit.testbed.nightly.nights import Processes, attempt, cell, check, config


def fails(_words: Sequence[str]) -> Sequence[Mapping[str, object]]:
    return [check("test_a", "fail"), check("test_b")]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_night_on_two_workers(elsewhere: bool, tmp_path: Path) -> None:
    """``elsewhere``: the workers do not see the nightly's folder, and send their files."""
    told, processes = config(tmp_path), Processes(fails)
    with leading(tmp_path), Store.open(tmp_path) as store:
        night = night_of(store, told, "2026-11-22T01:00:00Z", new=False, minutes=None)
        crew = OnCluster(tmp_path, workers=2, processes=False, run=processes)
        if elsewhere:
            crew._token = "of another machine"
        run_night(store, night, told, tmp_path, crew, lambda _text: None)
        crew.close()
        found = store.attempts()
    assert len(found) == 6, "three cells, and what failed again"
    assert {one.verdict for one in found} == {"pass"}
    for one in found:
        run = tmp_path / one.folder / "run" / "latest"
        assert (run / "summary.json").is_file(), "wherever it ran, its files are here"
        assert (tmp_path / one.folder / "testbed.toml").is_file()


def test_a_step_whose_workers_died_has_no_result(tmp_path: Path) -> None:
    with leading(tmp_path):
        crew = OnCluster(tmp_path, workers=1, processes=False, run=Processes(fails))
        step = Step(cell())
        crew._steps[7] = (step, tmp_path / "a")
        crew._ended.append(Lost(7, "every worker died", fatal=True))
        found = crew.collect()
        crew.close()
    assert found[0] is step
    assert (found[1].verdict, found[1].reason, found[1].reached) == (
        "no result", "every worker died", False,
    )  # fmt: skip


def test_what_a_worker_sends_stays_in_its_folder(tmp_path: Path) -> None:
    names = ("a/b.log", "../out", "/etc/out", "a/../../out", "")
    links = (("latest", "a"), ("a/up", "../../x"), ("a/root", "/etc"), ("../l", "a"))
    folder = tmp_path / "state" / "cell"
    unpack(Done(1, attempt(), tuple((name, b"x") for name in names), links), folder)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    below = {"cell", "cell/a", "cell/a/b.log", "cell/latest"}
    assert found == {"state", *(f"state/{name}" for name in below)}
    assert (folder / "latest" / "b.log").read_bytes() == b"x"
