# SPDX-License-Identifier: GPL-2.0-only
"""Steps are a matter of the seed, and of nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.errors import GuestCommandFailed
from testbed.workloads import drawn
from testbed.workloads.drawn import Steps, take
from testbed.workloads.judge import DATA_DIFFERS
from testbed.workloads.workload import WorkloadContext

WEIGHTS = {Steps.down: 1, Steps.up: 1}


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the interface."""
    done: list[str] = []
    monkeypatch.setattr(drawn, "set_link", lambda _dut, word: done.append(word))
    monkeypatch.setattr(drawn, "await_carrier", lambda _dut, *, up: None)
    return done


def steps(seed: int) -> Steps:
    nowhere: Any = None
    return Steps(WorkloadContext(nowhere, nowhere, DeferStack(), random=Random(seed)))


def test_the_same_seed_takes_the_same_steps(did: list[str]) -> None:
    first = take(steps(1), WEIGHTS, 12)
    assert take(steps(1), WEIGHTS, 12) == first
    assert len({str(take(steps(seed), WEIGHTS, 12)) for seed in range(8)}) == 8
    assert set(first.names) == {"down", "up"}
    assert str(first).count(", ") == 11


def test_it_goes_up_only_if_it_is_down(did: list[str]) -> None:
    one = steps(1)
    one.up()
    one.down()
    one.up()
    one.up()
    assert did == ["down", "up"]


@pytest.mark.parametrize(
    ("ring", "said"),
    [(64, ["-K tx-udp-segmentation off", "-G tx 64"]), (420, ["-G tx 420"]), (511, ["-G tx 511"])],
)
def test_a_small_transmit_ring_is_not_refused(
    ring: int, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is while bnxt_en of 7.2 cuts UDP: campaigns had none for a long time."""
    done: list[str] = []
    monkeypatch.setattr(Steps, "ethtool", lambda _self, *words: done.append(" ".join(words)))
    monkeypatch.setattr(Steps, "tx_rings", (ring,), raising=False)
    steps(1).resize_tx()
    assert done == said


class Failing(Steps):
    """Steps of which one fails."""

    def fail(self) -> None:
        raise self.failure

    failure: Exception = GuestCommandFailed("no")


class GoingOn(Failing):
    """Behind it come the others."""

    go_on = True


def of(kind: type[Failing]) -> Failing:
    nowhere: Any = None
    return kind(WorkloadContext(nowhere, nowhere, DeferStack(), random=Random(1)))


def test_a_step_that_fails_is_the_last_one_or_is_told_in_the_end(did: list[str]) -> None:
    weights = {Failing.fail: 1, Failing.down: 1}
    with pytest.raises(GuestCommandFailed, match="no"):
        take(of(Failing), weights, 12)
    before = len(did)
    taken = take(of(GoingOn), weights, 12)
    assert len(did) - before == taken.names.count("down") > 1
    assert taken.names.count("fail") > 1
    assert taken.failed is Failing.failure


def test_data_that_differs_is_always_the_end(did: list[str]) -> None:
    one = of(GoingOn)
    one.failure = GuestCommandFailed(f"{DATA_DIFFERS}: two hashes")
    with pytest.raises(GuestCommandFailed, match="two hashes"):
        take(one, {Failing.fail: 1}, 1)
