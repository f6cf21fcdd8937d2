# SPDX-License-Identifier: GPL-2.0-only
"""Which cells there are, their order, and what is next in the time that is left."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from testbed.nightly.cell import Cell
from testbed.nightly.plan import Tried, cells_of, fair_order, next_step
from tests.unit.testbed.nightly.nights import CONFIG, cell, config

DAY = date(2026, 11, 22)
A, B, C = (cell(work=name) for name in "abc")


def after(
    tried: dict[str, list[Tried]], left_s: float = 1000, expected: dict[str, float] | None = None,
    retries: int = 1,
) -> tuple[Cell, int, tuple[str, ...]] | None:  # fmt: skip
    step = next_step([A, B, C], tried, left_s, expected or {}, retries=retries, most_retried=2)
    return None if step is None else (step.cell, step.number, step.only)


def test_kernels_times_engines_times_work(tmp_path: Path) -> None:
    found = cells_of(config(tmp_path), DAY)
    assert [one.name for one in found] == [
        "suite · 7.2 · qemu · plain", "suite · 7.2 · uml · plain", "faults · 7.2 · uml · plain",
    ]  # fmt: skip


def test_what_an_engine_cannot_run_is_no_cell(tmp_path: Path) -> None:
    work = '[[ksft]]\nfiles = ["hds.py"]\n[[fuzz]]\nminutes = 1\n[[coverage]]\n'
    found = cells_of(config(tmp_path, CONFIG[: CONFIG.index("[[suite]]")] + work), DAY)
    assert [(one.kind, one.engine) for one in found] == [
        ("ksft", "qemu"), ("fuzz", "uml"), ("coverage", "uml"),
    ]  # fmt: skip


def test_a_series_is_built_and_a_tree_is_on_uml_as_it_is(tmp_path: Path) -> None:
    kernel = 'name = "mine"\ntree = "linux"\nengines = ["qemu", "uml"]'
    text = CONFIG.replace('name = "7.2"\nversion = "7.2"\nengines = ["qemu", "uml"]', kernel)
    on_qemu, on_uml, _ = (one.source for one in cells_of(config(tmp_path, text), DAY))
    tree = str((tmp_path / "linux").resolve())
    assert (on_qemu.tree, on_qemu.given) == (tree, "")
    assert on_uml.given == tree
    text = CONFIG.replace('version = "7.2"', 'version = "7.2"\nseries = ["fixes", "./a.patch"]')
    source = cells_of(config(tmp_path, text), DAY)[0].source
    assert (source.base, source.given) == ("7.2", "")
    assert source.series == ("fixes", str(Path("a.patch").resolve()))


def test_a_sample_of_the_day_is_the_plans(tmp_path: Path) -> None:
    text = CONFIG.replace('["rings"]', '["rings"]\nsample = "today/4"')
    days = [cells_of(config(tmp_path, text), date(2026, 11, day))[0].words for day in range(1, 5)]
    assert {words[-1] for words in days} == {"0/4", "1/4", "2/4", "3/4"}


def test_a_cell_is_kept_as_text() -> None:
    one = cell(words=("-k", "x"), card_options={"limits": {"msix": 16}})
    assert Cell.of_text(one.as_text()) == one


def test_each_kind_has_its_turn() -> None:
    cells = [cell(work=name) for name in "abc"] + [cell("faults"), cell("fuzz")]
    assert [one.work for one in fair_order(cells, {})] == ["a", "faults", "fuzz", "b", "c"]


def test_what_has_waited_longest_is_first() -> None:
    last = {A.name: 3, B.name: 1, C.name: 2, cell("faults").name: 3}
    found = fair_order([A, B, C, cell("faults"), cell("fuzz")], last)
    assert [one.work for one in found] == ["fuzz", "b", "faults", "c", "a"]


def test_a_short_budget_reaches_every_cell_in_the_end() -> None:
    cells = [cell(work=name) for name in "abcd"] + [cell("faults", work="f")]
    last: dict[str, int] = {}
    for night in range(1, 6):
        for one in fair_order(cells, last)[:2]:
            last[one.name] = night
    assert len(last) == len(cells)


def test_what_is_done_is_not_done_again() -> None:
    done = {A.name: [Tried()]}
    assert after(done) == (B, 1, ())
    assert after({**done, B.name: [Tried()], C.name: [Tried()]}) is None


def test_what_failed_is_retried_at_once_by_name() -> None:
    assert after({A.name: [Tried(("x", "y", "x"))]}) == (A, 2, ("x", "y"))
    assert after({A.name: [Tried(("x",)), Tried(("x",))]}) == (B, 1, ())
    assert after({A.name: [Tried(("x",))]}, retries=0) == (B, 1, ())


def test_too_many_failures_are_no_flake() -> None:
    assert after({A.name: [Tried(("x", "y", "z"))]}) == (B, 1, ())


def test_an_attempt_without_results_is_made_again_as_a_whole() -> None:
    assert after({A.name: [Tried((), reached=False)]}) == (A, 2, ())


def test_a_job_is_retried_as_a_whole() -> None:
    job = cell("job")
    step = next_step([job], {job.name: [Tried(("boot",))]}, 10, {}, retries=1, most_retried=9)
    assert step is not None
    assert (step.number, step.only) == (2, ())


def test_what_does_not_fit_gives_its_place_to_what_does() -> None:
    assert after({}, 100, {A.name: 200, B.name: 50}) == (B, 1, ())
    assert after({}, 0) is None


def test_what_is_under_way_is_not_given_twice() -> None:
    step = next_step([A, B], {}, 100, {}, retries=1, most_retried=9, under_way={A.name})
    assert step is not None
    assert step.cell is B
