# SPDX-License-Identifier: GPL-2.0-only
"""What may come into a reset of the firmware that a step has begun; the rest needs a guest."""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.errors import GuestCommandFailed
from testbed.workloads import drawn
from testbed.workloads.drawn import _RESET_S, draw
from testbed.workloads.drawn_settings import _STEPS, STEPS, _Nic
from testbed.workloads.workload import WorkloadContext
from tests.suite.faults.test_workloads import SEEDS

BUSY = "fw_activate returned 1: kernel answers: Device or resource busy"


@pytest.fixture
def refusals() -> list[str]:
    """How the driver refuses to activate firmware, one time after the other; then it does."""
    return [BUSY]


@pytest.fixture
def paused() -> list[float]:
    return []


@pytest.fixture
def nic(monkeypatch: pytest.MonkeyPatch, refusals: list[str], paused: list[float]) -> _Nic:
    """Its interface is up, and it goes through a reset."""

    def activate(_dut: object) -> None:
        if refusals:
            raise GuestCommandFailed(refusals.pop())

    monkeypatch.setattr(drawn, "link", lambda _dut: {"flags": ["UP"]})
    monkeypatch.setattr(drawn, "activate_firmware", activate)
    monkeypatch.setattr(drawn, "pause", lambda _dut, seconds: paused.append(seconds))
    none: Any = None
    made = _Nic(WorkloadContext(none, none, DeferStack()), ExitStack())
    made.is_reset = True
    return made


def test_a_reset_that_comes_into_another_is_tried_again_behind_it(
    nic: _Nic, paused: list[float]
) -> None:
    nic.reset()
    assert paused == [_RESET_S]


def test_behind_that_there_is_no_excuse(nic: _Nic, refusals: list[str]) -> None:
    nic.reset()
    refusals.append(BUSY)
    with pytest.raises(GuestCommandFailed, match="busy"):
        nic.reset()


def test_nor_is_there_one_without_a_reset(
    nic: _Nic, refusals: list[str], paused: list[float]
) -> None:
    nic.is_reset = False
    with pytest.raises(GuestCommandFailed, match="busy"):
        nic.reset()
    assert not refusals
    assert not paused


def test_nor_for_another_failure(nic: _Nic, refusals: list[str], paused: list[float]) -> None:
    refusals[:] = ["no carrier"]
    with pytest.raises(GuestCommandFailed, match="no carrier"):
        nic.reset()
    assert not paused


def test_the_suite_draws_no_reset() -> None:
    """Which two findings spoil (fw-reset-closed, fw-reset-notice-stale)."""
    resets = {_Nic.reset, _Nic.reset_meanwhile}
    assert not resets & {*draw(Random(SEEDS["settings-drawn"]), _STEPS, STEPS)}
    assert resets & {*draw(Random(1), _STEPS, STEPS)}
