# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random

import pytest

from testbed.fuzz.corpus import COMMON, Corpus, Novelty, minimise
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.reading import Feature
from testbed.fuzz.store import Store
from tests.unit.testbed.fuzz.simulated import schedule


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.make(tmp_path, {})


def take(
    store: Store, corpus: Corpus, number: int, places: Iterable[int], *, words: Iterable[str] = (),
    size: int = 100, ended: Ended = Ended.DONE,
) -> Novelty:  # fmt: skip
    """Run ``number`` shows these places once, and these states."""
    made = schedule(number)
    store.add_schedule(made, "", "blind")
    outcome = Outcome(
        schedule=made.name, ended=ended, edges=dict.fromkeys(places, 1), states=frozenset(words),
        events={"cqe.write": number},
    )  # fmt: skip
    return corpus.take(store, number, outcome, size)


def kept(corpus: Corpus) -> set[int]:
    """Numbers of the runs whose schedules are in use."""
    names = {schedule(number).name: number for number in range(1, 100)}
    return {names[name] for name in corpus.entries}


def test_what_shows_something_first_is_kept(store: Store) -> None:
    corpus = Corpus()
    assert take(store, corpus, 1, [1, 2], words=["a"]) == Novelty(2, 1)
    assert take(store, corpus, 2, [1, 2], words=["a"]) == Novelty()
    assert take(store, corpus, 3, [1, 3]) == Novelty(1, 0)
    assert take(store, corpus, 4, [1], words=["b"]) == Novelty(0, 1)
    assert kept(corpus) == {1, 3, 4}


def test_another_bucket_of_the_same_place_is_new(store: Store) -> None:
    corpus = Corpus()
    take(store, corpus, 1, [1])
    outcome = Outcome(schedule=schedule(2).name, ended=Ended.DONE, edges={1: 2})
    store.add_schedule(schedule(2), "", "blind")
    assert corpus.take(store, 2, outcome, 100) == Novelty(1, 0)


@pytest.mark.parametrize("ended", [Ended.ILLEGAL, Ended.ENVIRONMENT])
def test_what_says_nothing_of_the_kernel_is_not_kept(store: Store, ended: Ended) -> None:
    corpus = Corpus()
    assert take(store, corpus, 1, [1], ended=ended) == Novelty()
    assert not corpus.entries
    assert store.feature_counts() == {}


def test_what_others_show_is_retired(store: Store) -> None:
    corpus = Corpus()
    take(store, corpus, 1, [1, 2])
    take(store, corpus, 2, [3, 4])
    take(store, corpus, 3, [1, 2, 3, 5])
    assert kept(corpus) == {2, 3}
    assert [row.retired for row in store.corpus(retired=True)] == [3, None, None]


def test_of_two_that_stand_for_each_other_the_longer_goes(store: Store) -> None:
    corpus = Corpus()
    take(store, corpus, 1, [1, 2], size=300)
    take(store, corpus, 2, [2, 3], size=200)
    take(store, corpus, 3, [1, 4], size=100)  # 1 shows nothing alone any more
    assert kept(corpus) == {2, 3}
    take(store, corpus, 4, [3, 2, 4, 5], size=900)  # 2 goes, and then 1's feature is 3's alone
    assert kept(corpus) == {3, 4}


def test_it_shows_all_that_was_ever_shown_with_no_entry_too_many(store: Store) -> None:
    corpus, random = Corpus(), Random(1)
    shown: set[int] = set()
    for number in range(1, 100):
        places = random.sample(range(60), random.randint(1, 12))
        shown.update(places)
        take(store, corpus, number, places, size=random.randint(100, 400))
    entries = [{one[0] for one in entry.features} for entry in corpus.entries.values()]
    assert set().union(*entries) == shown
    for one in entries:
        others = Counter(place for other in entries for place in other)
        assert any(others[place] == 1 for place in one)


def told(corpus: Corpus) -> dict[str, tuple[set[Feature], Mapping[str, int]]]:
    return {name: (set(one.features), one.events) for name, one in corpus.entries.items()}


def test_the_store_has_all_of_it(store: Store) -> None:
    corpus, random = Corpus(), Random(2)
    for number in range(1, 80):
        take(store, corpus, number, random.sample(range(60), 8), words=[f"w{number % 7}"])
    again = Corpus.of(store)
    assert told(again) == told(corpus)
    assert [again.pick(Random(n)).schedule for n in range(30)] == [
        corpus.pick(Random(n)).schedule for n in range(30)
    ]


def test_what_shows_rare_things_is_picked_more_often(store: Store) -> None:
    corpus = Corpus()
    take(store, corpus, 1, [1, 2])
    take(store, corpus, 2, [1, 3])
    for number in range(3, 40):
        take(store, corpus, number, [1, 2])
    picked = Counter(corpus.pick(Random(n)).schedule for n in range(300))
    assert picked[schedule(2).name] > 5 * picked[schedule(1).name] > 0


def test_what_has_become_usual_meanwhile_is_picked_less_often(store: Store) -> None:
    """Within so many runs; what is kept meanwhile does not wait for that."""
    corpus = Corpus()
    take(store, corpus, 1, [1, 2])
    take(store, corpus, 2, [1, 3])

    def share(number: int) -> float:
        names = [corpus.pick(Random(n)).schedule for n in range(600)]
        return names.count(schedule(number).name) / len(names)

    assert 0.4 < share(1) < 0.6
    for number in range(3, 30):
        take(store, corpus, number, [1, 2])
    assert share(1) < 0.2
    take(store, corpus, 30, [1, 4])
    assert share(30) > 0.3


def test_what_is_common_is_counted_no_further(store: Store) -> None:
    corpus = Corpus()
    for number in range(1, COMMON + 20):
        take(store, corpus, number, [1])
    assert store.feature_counts() == {(1, 1): COMMON}


def test_a_smaller_choice_shows_the_same(store: Store) -> None:
    corpus = Corpus()
    take(store, corpus, 1, [1, 2, 3, 4])
    take(store, corpus, 2, [1, 2, 5])
    take(store, corpus, 3, [3, 4, 6])  # the first one goes, which with the next were enough
    take(store, corpus, 4, [5, 6, 7])
    assert kept(Corpus.of(store)) == {2, 3, 4}
    assert minimise(store) == (3, 2)
    assert kept(Corpus.of(store)) == {1, 4}
    assert minimise(store) == (2, 2)
