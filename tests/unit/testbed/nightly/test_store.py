# SPDX-License-Identifier: GPL-2.0-only
"""The history: what is stored is there whole, and a file that is no good is told as such."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.host import database
from testbed.nightly.plan import Tried
from testbed.nightly.reading import Value
from testbed.nightly.store import FILE_NAME, Store
from tests.unit.testbed.nightly.nights import PLACE, add_night, attempt, cell, result


def test_what_was_stored_is_read(tmp_path: Path) -> None:
    value = Value(name="receive by zcrx", value=651.0, unit="insn/KiB")
    one = result("a", "finding", findings=("x",), reason="r", evidence="vm-1", words="BUG")
    with Store.open(tmp_path) as store:
        add_night(store, attempt(one, result("b"), values=[value]), attempt(result("b", "fail")))
    with Store.open(tmp_path) as store:
        (night,) = store.nights()
        assert store.cells(1) == [cell()]
        found = list(store.results(1))
        assert [(each.place, each.result) for each in found] == [
            (PLACE, one), (PLACE, result("b")), (PLACE, result("b", "fail")),
        ]  # fmt: skip
        assert [(each.place, each.value) for each in store.values(1)] == [(PLACE, value)]
        assert store.tried(night) == {cell().name: [Tried(()), Tried(("b",))]}
        assert store.spent_s(night) == 120
        assert (store.last_ended(), store.expected_s()) == ({cell().name: 1}, {cell().name: 60})


def test_an_attempt_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    same = (result("a"), result("a"))  # the second one breaks the table's key
    with Store.open(tmp_path) as store:
        night = add_night(store, over=False)
        with pytest.raises(sqlite3.IntegrityError):
            store.add(night, cell(), 1, attempt(*same), "f")
        assert store.attempts() == []
        store.add(night, cell(), 1, attempt(result("a")), "f")
        assert len(store.attempts()) == 1


def test_no_history_of_ours(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / FILE_NAME).execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(UsageProblem, match="no nightly's history"):
        Store.open(tmp_path)


def test_a_newer_version(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageProblem, match="of version 99, this testbed has version 1"):
        Store.open(tmp_path)


@pytest.mark.parametrize("damage", [b"no database at all", None])
def test_a_damaged_file(damage: bytes | None, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add_night(store, attempt(*(result(str(number)) for number in range(2000))))
    path = tmp_path / FILE_NAME
    if damage is None:
        text = bytearray(path.read_bytes())
        text[8192:40960] = b"\xa5" * 32768
        damage = bytes(text)
    path.write_bytes(damage)
    with pytest.raises(EnvironmentProblem, match="is damaged") as caught:
        Store.open(tmp_path)
    assert "put a copy back" in (caught.value.remedy or "")


def test_a_file_that_contradicts_itself(tmp_path: Path) -> None:
    """Source: sqlite.org/fileformat2.html: the number of free pages is at offset 36."""
    with Store.open(tmp_path) as store:
        add_night(store, attempt(result("a")))
    with (tmp_path / FILE_NAME).open("r+b") as stream:
        stream.seek(36)
        stream.write((5).to_bytes(4, "big"))
    with pytest.raises(EnvironmentProblem, match="is damaged"):
        Store.open(tmp_path)


def test_a_file_that_another_process_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.05)
    with Store.open(tmp_path) as store:
        add_night(store)
        other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentProblem, match="held by another process"):
            add_night(store)
        other.execute("ROLLBACK")
        other.close()
        assert len(store.nights()) == 1


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        night = add_night(store, over=False)
        store.add(night, cell(), 1, attempt(result("a")), "f")
        pages = store._number("PRAGMA page_count")
        store._do(f"PRAGMA max_page_count = {pages}")
        many = attempt(*(result(str(number), reason="x" * 100) for number in range(500)))
        with pytest.raises(EnvironmentProblem, match="cannot be written") as caught:
            store.add(night, cell(), 2, many, "g")
        assert "start the nightly again" in (caught.value.remedy or "")
        assert len(store.attempts()) == 1
        store._do("PRAGMA max_page_count = 100000")
        store.add(night, cell(), 2, many, "g")
        assert len(store.attempts()) == 2


def test_cells_that_cannot_be_read(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add_night(store)
        store._do("UPDATE cells SET text = '[]'")
        with pytest.raises(UsageProblem, match="cannot be read"):
            store.cells(1)
