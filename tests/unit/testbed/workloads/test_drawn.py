# SPDX-License-Identifier: GPL-2.0-only
"""Steps are a matter of the seed, and of nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.workloads import drawn
from testbed.workloads.drawn import Steps, take
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
    assert len({take(steps(seed), WEIGHTS, 12) for seed in range(8)}) == 8
    assert set(first.split(", ")) == {"down", "up"}


def test_it_goes_up_only_if_it_is_down(did: list[str]) -> None:
    one = steps(1)
    one.up()
    one.down()
    one.up()
    one.up()
    assert did == ["down", "up"]
