# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.generate import Environment
from testbed.fuzz.schedule import SCANNED, UNTRACKED, Companion
from testbed.fuzz.search import LEAKS, LEAKS_EVERY, BlindSearch, GuidedSearch, read_text
from testbed.fuzz.shares import DRAWN, MUTATION, SEED, SWEEP
from testbed.fuzz.store import Store
from tests.unit.testbed.fuzz.simulated import outcome_of, schedule

ENVIRONMENT = Environment()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.make(tmp_path, {})


def filled(store: Store) -> Corpus:
    """A corpus of some schedules."""
    corpus = Corpus()
    for number in range(1, 6):
        made = schedule(number)
        store.add_schedule(made, "", "seed")
        corpus.take(store, number, outcome_of(made), len(made.text))
    return corpus


def test_what_is_drawn_is_of_seed_and_number(store: Store) -> None:
    corpus = filled(store)
    for kind in (BlindSearch, GuidedSearch):
        made = [kind(1, ENVIRONMENT).make(number, corpus, store) for number in (7, 8, 7)]
        assert made[0] == made[2] != made[1]
        assert kind(2, ENVIRONMENT).make(7, corpus, store) != made[0]


def test_a_blind_search_knows_no_corpus(store: Store) -> None:
    made = BlindSearch(1, ENVIRONMENT).make(7, filled(store), store)
    assert made == BlindSearch(1, ENVIRONMENT).make(7, Corpus(), store)
    assert (made.parent, made.mutation) == ("", "blind")


def test_a_guided_search_mutates_what_is_kept(store: Store) -> None:
    corpus = filled(store)
    corpus.shares.took(MUTATION, 100, 1.0)
    corpus.shares.took(DRAWN, 1, 1.0)
    search = GuidedSearch(1, ENVIRONMENT)
    made = [search.make(number, corpus, store) for number in range(20, 80)]
    parents = {one.parent for one in made} - {""}
    assert parents <= set(corpus.entries)
    assert len(parents) > 1
    assert 0 < sum(one.mutation == "blind" for one in made) < 12


@pytest.mark.parametrize(("features", "least", "most"), [(0, 5, 20), (100, 20, 45)])
def test_seeds_wait_while_they_bring_less_than_others(
    store: Store, features: int, least: int, most: int
) -> None:
    corpus = filled(store)
    corpus.shares.took(SEED, features, 1.0)
    for kind in (MUTATION, DRAWN, SWEEP):
        corpus.shares.took(kind, 10, 1.0)
    search = GuidedSearch(1, ENVIRONMENT)
    preferred = [search.prefers_seed(number, corpus) for number in range(200, 300)]
    assert all(search.prefers_seed(number, corpus) for number in range(1, 50)), "the workloads"
    assert least < sum(preferred) < most
    assert preferred == [search.prefers_seed(number, corpus) for number in range(200, 300)]


def test_a_blind_search_first_does_what_it_was_given(store: Store) -> None:
    search = BlindSearch(1, ENVIRONMENT)
    assert all(search.prefers_seed(number, filled(store)) for number in range(20))


def test_it_does_not_run_the_same_schedule_again(store: Store) -> None:
    corpus = filled(store)
    search = GuidedSearch(1, ENVIRONMENT)
    made = search.make(8, corpus, store)
    store.add_schedule(made.schedule, "", "x")
    assert search.make(8, corpus, store).schedule != made.schedule


def test_each_that_is_kept_is_searched_for_leaks_once(store: Store) -> None:
    """One run in so many, until none is left: it is the same schedule otherwise."""
    corpus, search = filled(store), GuidedSearch(1, ENVIRONMENT)
    number, searched = LEAKS_EVERY, []
    for _ in range(5):
        made = search.make(number, corpus, store)
        assert (made.mutation, made.schedule.kmemleak) == (LEAKS, SCANNED)
        assert replace(made.schedule, kmemleak="on").name == made.parent
        store.add_schedule(made.schedule, made.parent, made.mutation)
        searched.append(made.parent)
        number += LEAKS_EVERY
    assert sorted(searched) == sorted(corpus.entries)
    assert search.make(number, corpus, store).mutation != LEAKS
    assert search.make(LEAKS_EVERY + 1, corpus, store).mutation != LEAKS


@pytest.mark.parametrize(
    ("fails", "least", "most"),
    [
        pytest.param(Companion(kind="failslab"), 16, 44, id="four of nine"),
        pytest.param(Companion(kind="fail_nth", within="x"), 36, 56, id="sixteen of 21"),
    ],
)
def test_what_goes_wrong_is_searched_for_leaks_more_often(
    store: Store, fails: Companion, least: int, most: int
) -> None:
    """One of six would be if all were alike."""
    corpus = filled(store)
    wrong = replace(schedule(6), companions=(fails,))
    store.add_schedule(wrong, "", "seed")
    corpus.take(store, 6, outcome_of(wrong), len(wrong.text))
    first = [
        GuidedSearch(seed, ENVIRONMENT).make(LEAKS_EVERY, corpus, store).parent
        for seed in range(60)
    ]
    assert least <= first.count(wrong.name) <= most


def test_a_blind_search_looks_for_leaks_as_often(store: Store) -> None:
    search = BlindSearch(1, ENVIRONMENT)
    said = [
        search.make(number, Corpus(), store).schedule.kmemleak
        for number in range(1, 2 * LEAKS_EVERY + 1)
    ]
    assert said == ([UNTRACKED] * (LEAKS_EVERY - 1) + [SCANNED]) * 2


@pytest.mark.parametrize("kind", [BlindSearch, GuidedSearch])
def test_a_kernel_without_kmemleak_is_not_asked(kind: type[BlindSearch], store: Store) -> None:
    corpus, search = filled(store), kind(1, Environment(flavour="uml"))
    made = [search.make(number, corpus, store) for number in range(1, 2 * LEAKS_EVERY + 1)]
    assert {one.schedule.kmemleak for one in made} == {"on"}


def test_a_text_that_is_no_schedule() -> None:
    with pytest.raises(UsageProblem, match="is no JSON"):
        read_text("{")
    with pytest.raises(UsageProblem, match="workload"):
        read_text('{"version": 1, "seed": 1}')
