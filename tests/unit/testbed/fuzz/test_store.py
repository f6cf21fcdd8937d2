# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from testbed.errors import EnvironmentProblem, TestbedError, UsageProblem
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.reading import FILE_NAME, CorpusRow, Reader
from testbed.fuzz.store import Store, row_of
from tests.unit.testbed.fuzz.simulated import outcome_of, schedule


def add(store: Store, number: int, seed: int, **facts: object) -> bool:
    """A run of the schedule with that seed."""
    made = schedule(seed)
    store.add_schedule(made, "", "blind")
    outcome = Outcome(**{**vars(outcome_of(made)), **facts})  # type: ignore[arg-type]
    return store.add_run(row_of(number, outcome, mode="blind", worker="w", at=float(number)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.make(tmp_path, {"seed": "1"})


def test_what_is_written_is_read(store: Store, tmp_path: Path) -> None:
    made = schedule(3)
    with store.batch():
        assert store.enqueue(made, "label", "seed")
        assert not store.enqueue(made, "label", "seed")
        assert store.waiting() == [made.name]
        assert add(store, 1, 3)
        store.count_features(1, [(5, 1), (5, 2), "a>b"])
        store.count_features(2, [(5, 1)])
        kept = CorpusRow(
            schedule=made.name, run=1, retired=None, features=frozenset({(5, 1), "a>b"}),
            events={"cqe.write": 4},
        )  # fmt: skip
        store.keep(kept)
    with Reader.of(tmp_path) as reader:
        assert reader.facts() == {"seed": "1"}
        assert [run.schedule for run in reader.runs()] == [made.name]
        assert list(reader.runs(since=1)) == []
        assert list(reader.corpus()) == [kept]
        assert list(reader.edges()) == [(5, 1, 1), (5, 2, 1)]
        assert list(reader.states()) == [("a>b", 1)]
        assert reader.schedule(made.name[:6]).parent == "label"
    assert store.feature_counts() == {(5, 1): 2, (5, 2): 1, "a>b": 1}
    assert store.waiting() == []


def test_a_number_counts_once(store: Store) -> None:
    assert add(store, 1, 3)
    assert not add(store, 1, 4)
    assert [run.schedule for run in store.runs()] == [schedule(3).name]


def test_numbers_that_a_kill_left_out_come_first(store: Store) -> None:
    for number in (1, 2, 5):
        add(store, number, number)
    numbers = store.free_numbers()
    assert [next(numbers) for _ in range(4)] == [3, 4, 6, 7]


def test_a_batch_is_there_as_a_whole_or_not_at_all(store: Store) -> None:
    def broken() -> None:
        with store.batch():
            add(store, 1, 1)
            raise ValueError("in between")

    with pytest.raises(ValueError, match="in between"):
        broken()
    assert list(store.runs()) == []
    assert list(store.schedules()) == []


def test_the_shortest_schedule_stands_for_a_complaint(store: Store) -> None:
    for number, seed in ((1, 1000), (2, 7), (3, 55555)):
        made = schedule(seed)
        store.add_schedule(made, "", "blind")
        one = Complaint(signature="s", oracle="dma", text=f"of {seed}")
        store.add_complaint(number, made, one, "log")
    (row,) = store.complaints()
    assert (row.schedule, row.run, row.text) == (schedule(7).name, 2, "of 7")
    assert (row.count, row.first_run, row.last_run) == (3, 1, 3)


def test_a_spoiled_run_counts_for_nothing_and_leaves_its_schedule_waiting(store: Store) -> None:
    store.enqueue(schedule(3), "label", "seed")
    add(store, 1, 3, ended=Ended.ENVIRONMENT)
    assert (store.totals().runs, store.totals().spoiled) == (0, 1)
    assert store.waiting() == [schedule(3).name]


def test_one_that_differed_stays_marked(store: Store) -> None:
    store.add_schedule(schedule(1), "", "blind")
    name = schedule(1).name
    assert store.schedule(name).deterministic is None
    for differs, deterministic in (("", True), ("event hash", False), ("", False)):
        store.mark(name, differs)
        assert store.schedule(name).deterministic is deterministic
    assert store.totals().nondeterministic == 1


def test_a_name_must_say_which_schedule(store: Store) -> None:
    for seed in range(40):
        store.add_schedule(schedule(seed), "", "blind")
    with pytest.raises(UsageProblem, match="more than one schedule"):
        store.schedule("")
    with pytest.raises(UsageProblem, match="no schedule"):
        store.schedule("nothing")


def test_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="holds no campaign"):
        Reader.of(tmp_path)


def test_another_version_is_refused(store: Store, tmp_path: Path) -> None:
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(UsageProblem, match="version 99, this testbed has version 2"):
        Store.open(tmp_path)


def test_another_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    with pytest.raises(UsageProblem, match="is no campaign's store"):
        Reader.of(tmp_path)


@pytest.mark.parametrize("spoil", ["head", "middle"])
def test_a_damaged_store_is_told(store: Store, tmp_path: Path, spoil: str) -> None:
    for number in range(1, 200):
        add(store, number, number)
    store.close()
    path = tmp_path / FILE_NAME
    data = bytearray(path.read_bytes())
    if spoil == "head":
        data[:100] = b"\xff" * 100
    else:
        data[8192:-4096] = b"\xff" * (len(data) - 12288)
    path.write_bytes(data)
    with pytest.raises(EnvironmentProblem, match="is damaged"):
        Store.open(tmp_path)


def test_a_held_store_is_told(store: Store, tmp_path: Path) -> None:
    store.rows("PRAGMA busy_timeout = 50").__next__()
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(EnvironmentProblem, match="is held by another process"), store.batch():
        pass
    other.close()
    with store.batch():
        assert add(store, 1, 1)


def test_a_full_disk_is_told_and_changes_nothing(store: Store) -> None:
    add(store, 1, 1)
    pages = store.number("PRAGMA page_count")
    store.rows(f"PRAGMA max_page_count = {pages}").__next__()

    def fill() -> None:
        with store.batch():
            for number in range(2, 2000):
                add(store, number, number)

    full = "cannot be written: database or disk is full"
    with pytest.raises(EnvironmentProblem, match=full) as told:
        fill()
    assert "free some space" in str(told.value.remedy)
    assert [run.number for run in store.runs()] == [1]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="cannot be"):
        Store.make(tmp_path / "is-not-there", {})


def test_it_is_made_once(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="is there already"):
        Store.make(tmp_path, {})
