# SPDX-License-Identifier: GPL-2.0-only
"""Complaints become bugs: variants are one, different ones never; each is made small, confirmed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import EnvironmentProblem
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.triage import TRIES, Triage, bugs, confirm, variants
from tests.unit.testbed.fuzz.campaigns import (
    LEAK,
    LOST,
    MEMORY,
    OLD,
    REFUSED,
    WARN,
    MadeUp,
    schedule,
)


def shown(tmp_path: Path, *runs: tuple[Complaint, ...]) -> MadeUp:
    made = MadeUp(tmp_path)
    for number, complaints in enumerate(runs):
        made.run(schedule(REFUSED, LOST, seed=number), *complaints)
    return made


def merged(made: MadeUp) -> dict[str, str]:
    return variants(made.store.complaints(), made.store.runs())


def test_what_follows_a_complaint_of_the_kernel_is_no_bug_of_its_own(tmp_path: Path) -> None:
    made = shown(tmp_path, (MEMORY, LEAK), (MEMORY,), (MEMORY, LEAK))
    assert merged(made) == {LEAK.signature: MEMORY.signature}
    [bug] = bugs(made.store.complaints(), made.store.runs())
    assert (bug.first.signature, bug.variants) == (MEMORY.signature, (LEAK.signature,))


def test_what_comes_alone_is_a_bug(tmp_path: Path) -> None:
    assert merged(shown(tmp_path / "1", (MEMORY, LEAK), (LEAK,))) == {}
    assert merged(shown(tmp_path / "2", (LEAK,), (MEMORY, LEAK))) == {}


def test_two_places_are_two_bugs(tmp_path: Path) -> None:
    """However often they come together: one schedule may show two."""
    assert merged(shown(tmp_path, (MEMORY, WARN), (MEMORY, WARN), (WARN,), (MEMORY,))) == {}
    assert merged(shown(tmp_path / "2", (MEMORY, WARN), (MEMORY,))) == {}, "seen once only"
    other = Complaint(signature="BUG: bnxt_poll", oracle="kernel")
    runs = ((other, WARN), (other, WARN), (other, WARN), (other,))
    assert merged(shown(tmp_path / "3", *runs)) == {}, "nothing says that memory was corrupted"


def test_corrupted_memory_shows_anywhere(tmp_path: Path) -> None:
    made = shown(tmp_path, (MEMORY, WARN), (MEMORY, WARN), (MEMORY, WARN), (MEMORY,))
    assert merged(made) == {WARN.signature: MEMORY.signature}


def test_of_two_that_follow_from_each_other_one_stays(tmp_path: Path) -> None:
    made = shown(tmp_path, (MEMORY, LEAK), (MEMORY, LEAK), (MEMORY, LEAK))
    assert merged(made) == {LEAK.signature: MEMORY.signature}


def test_on_record_and_new_are_not_merged(tmp_path: Path) -> None:
    made = shown(tmp_path, (OLD, LEAK), (OLD, LEAK))
    assert merged(made) == {}
    found = bugs(made.store.complaints(), made.store.runs())
    assert [bug.known for bug in found] == [False, True]


class Guests:
    """Shows MEMORY as long as the fault ``lost`` is there; counts runs."""

    def __init__(self, *, flaky: bool = False, ended: Ended = Ended.DONE) -> None:
        self.runs = 0
        self.flaky = flaky
        self.ended = ended
        self.gone = False
        self.finding = ""

    def __call__(self, one: Schedule) -> Outcome:
        self.runs += 1
        there = any(fault["id"] == "lost" for fault in one.faults)
        if there and not self.gone and not (self.flaky and self.runs % 2):
            shown = replace(MEMORY, finding=self.finding)
            return Outcome(
                schedule=one.name, ended=self.ended, complaints=(shown,), event_hash="aa"
            )
        return Outcome(schedule=one.name, ended=self.ended, event_hash="bb")


def worked(tmp_path: Path, guests: Guests) -> tuple[MadeUp, Triage]:
    made = shown(tmp_path, (MEMORY,), (MEMORY, LEAK))
    return made, Triage(made.store, guests, lambda _text: None)


def test_made_small_and_confirmed_and_kept(tmp_path: Path) -> None:
    guests = Guests()
    made, triage = worked(tmp_path, guests)
    [bug] = triage.merge()
    row = triage.work(bug)
    assert [one["id"] for one in triage.schedule(row.minimal).faults] == ["lost"]
    assert (row.shown, row.tried) == (5, 5)
    kept = made.store.triage()
    assert kept[MEMORY.signature] == row
    assert kept[LEAK.signature].same_as == MEMORY.signature
    before = guests.runs
    assert triage.work(bug) == row
    assert guests.runs == before, "what is done is not done again"
    assert triage.work(bug, times=8).tried == 8, "but more is asked for"
    assert guests.runs == before + 8


def test_what_does_not_show_any_more_is_not_minimised(tmp_path: Path) -> None:
    """The verdict was put right since, or the kernel is another one."""
    guests = Guests()
    made, triage = worked(tmp_path, guests)
    [bug] = triage.merge()
    guests.gone = True
    row = triage.work(bug)
    assert (row.minimal, row.shown, row.tried) == (bug.first.schedule, 0, 5)
    assert guests.runs == TRIES + 5
    assert made.store.triage()[MEMORY.signature].filed == ""


def test_what_is_on_record_by_now_is_called_so(tmp_path: Path) -> None:
    guests = Guests()
    made, triage = worked(tmp_path, guests)
    guests.finding = "ring-freed-twice"
    [bug] = triage.merge()
    assert not bug.known
    assert triage.work(bug).filed == "ring-freed-twice"
    assert made.store.triage()[MEMORY.signature].filed == "ring-freed-twice"


def test_a_variant_that_comes_alone_later_is_one_no_more(tmp_path: Path) -> None:
    made, triage = worked(tmp_path, Guests())
    triage.merge()
    made.run(schedule(REFUSED), LEAK)
    triage.merge()
    assert made.store.triage()[LEAK.signature].same_as == ""


def test_confirmed_by_the_signature_alone() -> None:
    found = confirm(schedule(LOST), MEMORY.signature, Guests(flaky=True), 4)
    assert (found.shown, found.tried, found.always) == (2, 4, False)
    assert str(found) == "2 of 4"
    assert found.hashes == {"aa": 2, "bb": 2}
    assert confirm(schedule(LOST), "memory: elsewhere", Guests(), 2).shown == 0


def test_runs_that_say_nothing_do_not_count(tmp_path: Path) -> None:
    guests = Guests(ended=Ended.ENVIRONMENT)
    assert confirm(schedule(LOST), MEMORY.signature, guests, 3).tried == 0
    _, triage = worked(tmp_path, guests)
    with pytest.raises(EnvironmentProblem, match="no run of"):
        triage.work(triage.merge()[0])
