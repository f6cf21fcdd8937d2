# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.fuzz.campaign import STOP, Campaign, Limits, View
from testbed.fuzz.corpus import Corpus
from testbed.fuzz.covered_kernel import kernel_of
from testbed.fuzz.intake import MOST_SPOILED, difference
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.parts import Lost, Reply
from testbed.fuzz.reading import Totals
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.shares import DRAWN, MUTATION, SEED
from testbed.fuzz.store import Store
from testbed.host.interrupt import Interrupted
from tests.unit.testbed.fuzz.simulated import (
    KERNEL,
    InlinePool,
    SimulatedSearch,
    UsedPool,
    outcome_of,
    schedule,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.make(tmp_path, {"seed": "1"})


def lead(
    store: Store, pool: InlinePool | None = None, *, show: Callable[[View], None] | None = None,
    **limits: int | float,
) -> list[str]:  # fmt: skip
    """A campaign; what it told."""
    told: list[str] = []
    wanted = Limits(**limits)  # type: ignore[arg-type]
    pool = pool or InlinePool()
    campaign = Campaign(
        store, pool, SimulatedSearch(), wanted, told.append, show or (lambda _view: None)
    )
    try:
        campaign.run()
    finally:
        told.append("")
    return told


def spoiled(number: int, problem: str = "no memory") -> Reply:
    """A run that the host spoiled."""
    outcome = Outcome(schedule="x", ended=Ended.ENVIRONMENT, problem=problem)
    return Reply(number=number, outcome=outcome, worker="w")


def consistent(store: Store) -> Totals:
    """The totals, after a look whether all tables tell the same."""
    runs = list(store.runs())
    counted = [run for run in runs if run.ended is not Ended.ENVIRONMENT]
    for row in store.complaints():
        showed = [run.number for run in counted if row.signature in run.signatures]
        assert (row.count, row.first_run, row.last_run) == (len(showed), showed[0], showed[-1])
        assert row.run in showed
    edges, states = list(store.edges()), list(store.states())
    assert sum(run.edges_new for run in runs) == len(edges)
    assert sum(run.states_new for run in runs) == len(states)
    shown = {(place, bucket) for place, bucket, _ in edges} | {word for word, _ in states}
    entries = Corpus.of(store).entries.values()
    assert frozenset().union(*(entry.features for entry in entries)) == shown
    assert {run.schedule for run in runs} <= {row.name for row in store.schedules()}
    return store.totals()


def test_it_ends_after_so_many_runs_and_all_of_them_are_stored(store: Store) -> None:
    told = lead(store, runs=60, check_every=10)
    assert "60 runs are done" in told
    found = consistent(store)
    assert (found.runs, found.spoiled) == (60, 0)
    assert found.checked
    assert found.nondeterministic == 0
    assert found.new
    assert found.known
    facts = store.facts()
    assert (facts["release"], kernel_of(facts)) == (KERNEL.release, KERNEL)


def test_one_that_goes_on_does_what_one_that_never_stopped_does(
    store: Store, tmp_path: Path
) -> None:
    lead(store, runs=40, check_every=1000)
    other = tmp_path / "other"
    other.mkdir()
    parts = Store.make(other, {"seed": "1"})
    for runs in (10, 11, 25, 40):
        lead(parts, runs=runs, check_every=1000)
    assert [run.schedule for run in parts.runs()] == [run.schedule for run in store.runs()]
    assert consistent(parts).edges == store.totals().edges


def test_what_waits_is_run_first_and_once(store: Store) -> None:
    for seed in range(5):
        store.enqueue(schedule(seed), f"label {seed}", "seed")
    lead(store, runs=3)
    lead(store, runs=8)
    assert [run.mode for run in store.runs()] == ["seed"] * 5 + ["guided"] * 3
    assert store.waiting() == []


def test_seeds_wait_for_what_the_search_prefers_and_each_kind_is_accounted_for(
    store: Store,
) -> None:
    class NowAndThen(SimulatedSearch):
        corpus: Corpus

        def prefers_seed(self, number: int, corpus: Corpus) -> bool:
            self.corpus = corpus
            return number % 2 == 0

    for seed in range(3):
        store.enqueue(schedule(seed), f"label {seed}", "seed")
    search = NowAndThen()
    Campaign(store, InlinePool(), search, Limits(runs=8), lambda _line: None).run()
    assert [run.mode for run in store.runs()] == ["guided", "seed"] * 3 + ["guided"] * 2
    seeds, mutations, blind = (
        len(search.corpus.shares._last[kind]) for kind in (SEED, MUTATION, DRAWN)
    )
    assert (seeds, mutations, blind) == (3, 5, 0)


def test_a_run_is_counted_once_however_often_it_comes(store: Store) -> None:
    class Twice(InlinePool):
        def collect(self, wait_s: float) -> list[Reply | Lost]:
            return super().collect(wait_s) * 2

    lead(store, Twice(), runs=30, check_every=7)
    assert [run.number for run in store.runs()] == list(range(1, 31))
    assert consistent(store).runs == 30


def test_a_run_whose_worker_is_gone_is_done_again_under_its_number(store: Store) -> None:
    pool = InlinePool(ends={2: [Lost(2, "a worker went away")] * 2})
    told = lead(store, pool, runs=4)
    assert pool.given.count(2) == 3
    assert told.count("run 2 is done again: a worker went away") == 2
    assert [run.number for run in store.runs()] == [1, 2, 3, 4]
    assert consistent(store).spoiled == 0


def test_a_run_that_kills_its_workers_is_given_up(store: Store) -> None:
    pool = InlinePool(ends={2: [Lost(2, "three of them", fatal=True)]})
    lead(store, pool, runs=4)
    (bad,) = [run for run in store.runs() if run.ended is Ended.ENVIRONMENT]
    assert (bad.number, bad.problem) == (2, "no worker lived to its end: three of them")
    assert consistent(store).runs == 4


def test_a_seed_that_the_host_spoiled_is_tried_again(store: Store) -> None:
    store.enqueue(schedule(3), "label", "seed")
    pool = InlinePool(ends={1: [spoiled(1)]}, workers=1)
    told = lead(store, pool, runs=3)
    assert "a run was spoiled: no memory" in told
    good = [run for run in store.runs() if run.schedule == schedule(3).name and run.mode == "seed"]
    assert [run.ended is Ended.ENVIRONMENT for run in good] == [True, False]
    assert consistent(store).spoiled == 1


def test_a_host_that_spoils_all_ends_the_campaign(store: Store) -> None:
    pool = InlinePool(ends={number: [spoiled(number)] for number in range(1, 100)})
    with pytest.raises(EnvironmentProblem, match=f"{MOST_SPOILED} runs in a row were spoiled"):
        lead(store, pool, runs=50)
    assert MOST_SPOILED <= store.totals().spoiled < MOST_SPOILED + 5
    lead(store, runs=5)
    assert store.totals().runs == 5


def test_a_worker_with_another_kernel_counts_for_nothing(store: Store) -> None:
    other = Reply(
        number=2, outcome=outcome_of(schedule(5)), worker="w9",
        program=type(KERNEL)("other", "7.3.4", "/linux", "/source"),
    )  # fmt: skip
    told = lead(store, InlinePool(ends={2: [other]}), runs=3)
    assert "a run was spoiled: worker w9 has another kernel: 7.3.4 (other)" in told
    assert store.facts()["release"] == "7.2.12"


def test_what_every_worker_would_run_into_ends_it(store: Store) -> None:
    error = UsageProblem("there is no kernel 9.9")
    pool = InlinePool(ends={1: [Reply(**{**vars(spoiled(1)), "error": error})]})
    with pytest.raises(UsageProblem, match=r"there is no kernel 9\.9"):
        lead(store, pool, runs=5)


def test_a_schedule_that_differs_is_marked(store: Store) -> None:
    first = SimulatedSearch().make(5, Corpus(), store).schedule
    odd = Outcome(**{**vars(outcome_of(first)), "event_hash": "f" * 32})
    pool = InlinePool(workers=1)
    pool.ends = {7: [Reply(number=7, outcome=odd, worker="w", program=KERNEL)]}
    told = lead(store, pool, runs=8, check_every=5)
    (check,) = [run for run in store.runs() if run.mode == "check"]
    assert (check.number, check.checks) == (7, 5)
    (marked,) = [row for row in store.schedules() if row.deterministic is False]
    assert marked.differs.startswith("event hash ")
    assert any(line.startswith(f"not deterministic: {marked.name} (run 5)") for line in told)


def test_in_what_two_runs_differ() -> None:
    one = Outcome(schedule="s", ended=Ended.DONE, event_hash="a")
    assert difference(one, one) == ""
    assert difference(one, Outcome(schedule="s", ended=Ended.HUNG)) == "done, then hung"
    bad = Complaint(signature="kernel:x", oracle="kernel")
    complains = Outcome(schedule="s", ended=Ended.DONE, complaints=(bad,), event_hash="a")
    assert difference(one, complains) == "only one of two runs shows kernel:x"
    assert difference(one, Outcome(schedule="s", ended=Ended.DONE)) == ""
    other = Outcome(schedule="s", ended=Ended.DONE, event_hash="b")
    assert difference(one, other) == "event hash a, then b"


def test_the_first_signal_lets_runs_end_the_second_does_not(store: Store) -> None:
    class Interrupts(InlinePool):
        after = 5
        often = 1

        def collect(self, wait_s: float) -> list[Reply | Lost]:
            self.after -= 1
            if self.after == 0 and self.often:
                self.often -= 1
                self.after = 1
                os.kill(os.getpid(), signal.SIGINT)
            return super().collect(wait_s)

    pool = Interrupts(workers=8)
    with pytest.raises(Interrupted):
        lead(store, pool, runs=1000)
    assert consistent(store).runs == len(pool.given) == 10 + 4
    pool = Interrupts(workers=8)
    pool.often = 2
    with pytest.raises(Interrupted):
        lead(store, pool, runs=1000)
    assert pool.jobs
    assert consistent(store).runs < 14 + len(pool.given)


def test_a_file_asks_it_to_stop(store: Store, tmp_path: Path) -> None:
    def show(view: View) -> None:
        (tmp_path / STOP).touch()

    assert any("asked to stop" in line for line in lead(store, show=show))
    consistent(store)
    assert "3 runs are done" not in lead(store, runs=store.totals().runs + 3, seconds=0.0)


def test_the_time_is_over(store: Store) -> None:
    views: list[View] = []
    told = lead(store, show=views.append, seconds=0.0)
    assert told[1] == "the time is over"
    assert views[-1].ending == "the time is over"


def test_what_is_shown(store: Store) -> None:
    views: list[View] = []
    lead(store, show=views.append, runs=30)
    last = views[-1]
    assert last.totals == store.totals()
    assert (last.workers, last.left_s, last.ending) == (2, None, "30 runs are done")
    assert last.per_second > 0


def test_a_store_that_fills_up_in_the_middle_stays_consistent(store: Store) -> None:
    lead(store, runs=20)
    store.rows(f"PRAGMA max_page_count = {store.number('PRAGMA page_count') + 2}").__next__()
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        lead(store, runs=2000)
    assert 20 <= consistent(store).runs < 2000
    store.rows("PRAGMA max_page_count = 1000000").__next__()
    lead(store, runs=200)
    assert consistent(store).runs == 200


# -- guests that serve several schedules -----------------------------------------------------------
GHOST = Complaint(signature="leak: of an earlier run", oracle="leak", text="t")


def test_what_is_new_in_a_used_guest_counts_only_if_a_fresh_one_shows_it(store: Store) -> None:
    pool = UsedPool(more=(GHOST,), more_edges=frozenset({99_000}))
    told = lead(store, pool, runs=60, check_every=1000, per_guest=8)
    found = consistent(store)
    assert found.used
    assert GHOST.signature not in {one.signature for one in store.complaints()}
    assert 99_000 not in {place for place, _, _ in store.edges()}
    by_number = {run.number: run for run in store.runs()}
    decided = [run for run in by_number.values() if run.decides is not None]
    for run in decided:
        used = by_number[run.decides or 0]
        assert (run.served, run.schedule, run.mode) == (0, used.schedule, used.mode)
        assert used.served
        assert GHOST.signature in (used.suspected or ())
        assert (used.signatures, used.edges_new, used.states_new) == ((), 0, 0)
    only = store.only_used()
    assert only[GHOST.signature] == [run.decides for run in decided]
    assert set(only) == {GHOST.signature}
    assert any(line.startswith(f"only in a used guest: {GHOST.signature} (run ") for line in told)


def test_what_a_guest_ran_before_is_on_record(store: Store) -> None:
    lead(store, UsedPool(), runs=30, check_every=1000, per_guest=4)
    runs = list(store.runs())
    assert max(run.served for run in runs) == 3
    for run in runs:
        before = [one for one in runs if one.guest == run.guest and one.served < run.served]
        assert store.served(run) == [one.schedule for one in before]
        assert len(before) == run.served


def test_what_fresh_runs_did_not_show_is_suspected_once(store: Store) -> None:
    """Of the used guest's own edges; all the rest is known after a while."""
    pool = UsedPool(more_edges=frozenset({99_000, 99_001}))
    lead(store, pool, runs=400, check_every=1000, per_guest=5)
    late = [run for run in store.runs() if run.number > 300 and run.served]
    assert len(late) > 20
    assert sum(run.suspected is not None and not run.suspected for run in late) < 5


def test_where_nearly_all_has_to_be_decided_guests_are_fresh(store: Store) -> None:
    pool = UsedPool(more=(GHOST,))
    lead(store, pool, runs=300, check_every=1000, per_guest=50)
    late = [run for run in store.runs() if run.number > 200]
    assert 0 < sum(run.served > 0 for run in late) < 20


def test_one_run_in_so_many_is_decided_whatever_it_shows(store: Store) -> None:
    lead(store, UsedPool(), runs=200, check_every=5, per_guest=10)
    for run in store.runs():
        if run.served and run.number % 5 == 0:
            assert run.suspected is not None


def test_what_a_killed_campaign_left_undecided_is_decided_first(store: Store) -> None:
    lead(store, UsedPool(more=(GHOST,)), runs=2, check_every=1000, per_guest=8)
    assert [number for number, _, _ in store.undecided()] == [2]
    lead(store, UsedPool(), runs=4, check_every=1000, per_guest=8)
    assert [run.decides for run in store.runs()] == [None, None, 2, None]
    assert 2 not in [number for number, _, _ in store.undecided()]


def test_what_is_a_schedule_no_more_is_not_run(store: Store, monkeypatch: Any) -> None:
    store.enqueue(schedule(0), "label", "seed")
    lead(store, UsedPool(more=(GHOST,)), runs=3, check_every=1000, per_guest=8)
    assert (left := store.undecided())

    def read(_self: SimulatedSearch, text: str) -> Schedule:
        raise UsageProblem("it is none")

    monkeypatch.setattr(SimulatedSearch, "read", read)
    told = lead(store, UsedPool(), runs=5, check_every=1000, per_guest=8)
    assert " left out, of another version of the testbed: it is none" in told[0]
    assert store.undecided()[: len(left)] == left
    assert [run.decides for run in store.runs()][-2:] == [None, None]


def test_seeds_run_in_fresh_guests(store: Store) -> None:
    for seed in range(6):
        store.enqueue(schedule(seed), f"label {seed}", "seed")
    pool = UsedPool()
    lead(store, pool, runs=6, check_every=1000, per_guest=50)
    assert [run.served for run in store.runs()] == [0] * 6


def test_a_run_that_was_cut_off_is_compared_with_nothing(store: Store) -> None:
    one = outcome_of(schedule(1))
    assert difference(one, Outcome(schedule="s", ended=Ended.TIMED_OUT)) == ""
    cut = Outcome(schedule=schedule(1).name, ended=Ended.TIMED_OUT, edges={7: 1})
    assert not Corpus.of(store).take(store, 1, cut, 10)
