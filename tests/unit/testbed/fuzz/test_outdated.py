# SPDX-License-Identifier: GPL-2.0-only
"""A store with schedules that are none any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.outdated import leave_out
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.search import read_text
from testbed.fuzz.store import Store
from tests.unit.testbed.fuzz.campaigns import campaign, schedule


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return campaign(tmp_path)


def taking_all_but(*names: str) -> Callable[[str], Schedule]:
    def read(text: str) -> Schedule:
        one = read_text(text)
        if one.name in names:
            raise UsageProblem(f"{one.name} is none")
        return one

    return read


def test_nothing_is_left_out_of_a_store_of_this_version(store: Store) -> None:
    told: list[str] = []
    assert leave_out(store, taking_all_but(), told.append) == frozenset()
    assert (told, len(Corpus.of(store).entries)) == ([], 6)


def test_the_others_stay(store: Store) -> None:
    kept, waits = store.in_use()[2], schedule(seed=99)
    store.enqueue(waits, "a label", "seed")
    store.enqueue(schedule(seed=98), "a label", "seed")
    told: list[str] = []
    left = leave_out(store, taking_all_but(kept, waits.name), told.append)
    assert left == {kept, waits.name}
    assert told == [f"2 schedules are left out, of another version of the testbed: {kept} is none"]
    assert len(Corpus.of(store).entries) == 5
    assert kept not in store.in_use()
    assert store.waiting() == [schedule(seed=98).name]
    assert store.schedule(kept).text  # what it showed is on record, and so is it
    assert leave_out(store, taking_all_but(kept, waits.name), told.append) == frozenset()
    assert len(told) == 1
