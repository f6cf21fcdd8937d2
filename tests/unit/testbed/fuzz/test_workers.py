# SPDX-License-Identifier: GPL-2.0-only
"""Workers of dask.distributed: processes of their own, with a simulated kernel."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster

from testbed.errors import EnvironmentProblem
from testbed.fuzz import cluster as cluster_module
from testbed.fuzz.campaign import Campaign, Limits, View
from testbed.fuzz.outcome import Ended
from testbed.fuzz.parts import Job, Lost, Reply
from testbed.fuzz.store import Store
from testbed.fuzz.workers import DaskPool, ExecutorSpec
from tests.unit.testbed.fuzz.simulated import (
    KERNEL,
    SimulatedSearch,
    outcome_of,
    schedule,
    slow,
)
from tests.unit.testbed.fuzz.test_campaign import consistent


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskPool]:
    folder = tmp_path_factory.mktemp("workers")
    spec = ExecutorSpec(factory=slow(0.01), flavour="uml")
    pool = DaskPool(spec, campaign="test", workers=2, folder=folder)
    yield pool
    pool.close()


def ended(pool: DaskPool, count: int) -> dict[int, Reply | Lost]:
    """What comes of that many runs."""
    found: dict[int, Reply | Lost] = {}
    until = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < until, found
        found |= {one.number: one for one in pool.collect(0.2)}
    return found


def test_runs_are_done_by_workers(pool: DaskPool) -> None:
    for number in range(1, 9):
        pool.give(Job(number, schedule(number)))
    for number, reply in ended(pool, 8).items():
        assert isinstance(reply, Reply)
        assert reply.outcome == outcome_of(schedule(number))
        assert reply.program == KERNEL
    assert pool.size() == 2


def test_a_bug_of_ours_spoils_one_run(pool: DaskPool) -> None:
    pool.give(Job(21, schedule(1, "raise")))
    (reply,) = ended(pool, 1).values()
    assert isinstance(reply, Reply)
    assert reply.outcome.ended is Ended.ENVIRONMENT
    assert "RuntimeError: a bug of ours" in reply.outcome.problem


def test_the_run_of_a_killed_worker_is_done_by_another(pool: DaskPool) -> None:
    pool.give(Job(31, schedule(1, "die-once")))
    pool.give(Job(32, schedule(2)))
    found = ended(pool, 2)
    assert [isinstance(found[number], Reply) for number in (31, 32)] == [True, True]


def test_a_run_that_kills_every_worker_is_given_up(pool: DaskPool) -> None:
    pool.give(Job(41, schedule(1, "die")))
    (lost,) = ended(pool, 1).values()
    assert isinstance(lost, Lost)
    assert lost.fatal
    assert "died" in lost.reason


def test_a_campaign_survives_the_kills_of_its_workers(pool: DaskPool, tmp_path: Path) -> None:
    store, killed = Store.make(tmp_path, {"seed": "1"}), []

    def show(view: View) -> None:
        if len(killed) < 2 and view.totals.runs:
            assert pool._cluster is not None
            living = [nanny.pid for nanny in pool._cluster.workers.values() if nanny.pid]
            if living:
                killed.append(living[0])
                os.kill(living[0], signal.SIGKILL)

    pool.spec = ExecutorSpec(factory=slow(0.1), flavour="uml")
    campaign = Campaign(store, pool, SimulatedSearch(), Limits(runs=60), print, show)
    campaign.run()
    assert killed
    found = consistent(store)
    assert (found.runs, found.spoiled) == (60, 0)
    assert [run.number for run in store.runs()] == list(range(1, 61))


def test_a_worker_that_dask_gives_up_is_replaced(tmp_path: Path) -> None:
    """It does so if the new process is not there in time: a busy machine lost all workers so, and
    the campaign waited for ever."""
    spec = ExecutorSpec(factory=slow(0.01), flavour="uml")
    pool = DaskPool(spec, campaign="given-up", workers=1, folder=tmp_path)
    assert pool._cluster is not None
    (nanny,) = pool._cluster.workers.values()
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}):
        os.kill(nanny.pid, signal.SIGKILL)
        until = time.monotonic() + 60
        while pool._cluster.workers:
            assert time.monotonic() < until
            time.sleep(0.05)
    pool.give(Job(51, schedule(1)))
    (reply,) = ended(pool, 1).values()
    assert isinstance(reply, Reply)
    pool.close()


def test_many_workers_are_led_by_one(tmp_path: Path) -> None:
    """Threads that sleep stand for workers."""
    spec = ExecutorSpec(factory=slow(0.2), flavour="uml")
    pool = DaskPool(spec, campaign="wide", workers=16, folder=tmp_path, processes=False)
    store = Store.make(tmp_path, {"seed": "1"})
    Campaign(store, pool, SimulatedSearch(), Limits(runs=64), lambda _line: None).run()
    pool.close()
    assert consistent(store).runs == 64


def test_no_scheduler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.5)
    spec = ExecutorSpec(factory=slow(0.0), flavour="uml")
    with pytest.raises(EnvironmentProblem, match=r"no workers by tcp://127\.0\.0\.1:9"):
        DaskPool(spec, campaign="c", workers=1, folder=tmp_path, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(EnvironmentProblem, match="no workers by nonsense"):
        DaskPool(spec, campaign="c", workers=1, folder=tmp_path, scheduler="nonsense")


def test_a_scheduler_that_went_away_for_good_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 4.0)
    cluster = LocalCluster(n_workers=1, processes=False, dashboard_address=None, protocol="tcp")
    address = cluster.scheduler_address
    spec = ExecutorSpec(factory=slow(0.05), flavour="uml")
    pool = DaskPool(spec, campaign="c", workers=1, folder=tmp_path, scheduler=address)
    store = Store.make(tmp_path, {"seed": "1"})
    close = partial(cluster.close, timeout=10)

    def show(view: View) -> None:
        if view.totals.runs > 3:
            close()

    told: list[str] = []
    campaign = Campaign(store, pool, SimulatedSearch(), Limits(runs=10**6), told.append, show)
    with pytest.raises(EnvironmentProblem, match="went away and was not back"):
        campaign.run()
    pool.close()
    assert consistent(store).runs > 3
