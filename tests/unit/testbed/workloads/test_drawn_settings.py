# SPDX-License-Identifier: GPL-2.0-only
"""What may come into a reset of the firmware that a step has begun; the rest needs a guest."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.errors import GuestCommandFailed
from testbed.workloads import drawn_settings
from testbed.workloads.drawn_settings import _Nic
from testbed.workloads.workload import WorkloadContext


@pytest.fixture
def nic(monkeypatch: pytest.MonkeyPatch) -> _Nic:
    """Its interface is up, and the driver refuses to activate firmware once."""
    none: Any = None
    refused = iter([True])

    def activate(_dut: object) -> None:
        if next(refused, False):
            raise GuestCommandFailed("kernel answers: Device or resource busy")

    def pause(_dut: object, seconds: float) -> None:
        paused.append(seconds)

    paused: list[float] = []
    monkeypatch.setattr(drawn_settings, "link", lambda _dut: {"flags": ["UP"]})
    monkeypatch.setattr(drawn_settings, "activate_firmware", activate)
    monkeypatch.setattr(drawn_settings, "pause", pause)
    made = _Nic(WorkloadContext(none, none, DeferStack()), ExitStack())
    monkeypatch.setattr(made, "paused", paused, raising=False)
    return made


def test_a_reset_that_comes_into_another_is_tried_again_behind_it(nic: Any) -> None:
    nic.is_reset = True
    nic.reset()
    assert nic.paused == [drawn_settings._RESET_S]


def test_one_that_comes_into_none_is_refused(nic: Any) -> None:
    with pytest.raises(GuestCommandFailed, match="busy"):
        nic.reset()
    assert nic.paused == []
