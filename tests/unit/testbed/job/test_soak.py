# SPDX-License-Identifier: GPL-2.0-only
"""The soak goes on until its time is over or a round fails, and always removes the driver."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.job import soak
from testbed.job.recorder import Recorder, Step
from testbed.options import Nic
from testbed.report.results import RunReport
from testbed.workloads.judge import CheckFailed
from testbed.workloads.table import WORKLOADS


class Silent:
    """A listener."""

    def began(self, *_: object) -> None:
        """Nothing."""

    def ended(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Play with rounds of a script; returns (name, outcome) of every check."""
    monkeypatch.setattr(soak.probe_steps, "BOOT", Step("boot", "b", "g", lambda _: ""))
    monkeypatch.setattr(soak.probe_steps, "STEPS", (Step("bind", "b", "g", lambda _: ""),))
    monkeypatch.setattr(
        soak.teardown_steps, "steps", lambda nic: (Step("remove", "r", "g", lambda _: ""),)
    )

    def play(minutes: float, failing_round: int, seconds_per_round: float) -> list[tuple[str, str]]:
        now = [0.0]
        monkeypatch.setattr(soak, "time", SimpleNamespace(monotonic=lambda: now[0]))

        def one_round(_: object, number: int) -> str:
            now[0] += seconds_per_round
            if number == failing_round:
                raise CheckFailed("the card recorded violations")
            return "all well"

        monkeypatch.setattr(soak, "_play", one_round)
        report = RunReport("soak", "now", ())
        job: Any = SimpleNamespace(report=report, options=SimpleNamespace(nic=Nic.BNXT))
        soak.soak_steps(minutes)(Recorder(report, Silent(), 0), job)
        return [(check.name, check.outcome.value) for check in report.checks]

    return play


def test_rounds_until_the_time_is_over(played: Any) -> None:
    names = [name for name, _ in played(1.0, 0, 25.0)]
    assert names == ["boot", "bind", "round_1", "round_2", "round_3", "remove"]


def test_a_failed_round_is_the_last(played: Any) -> None:
    assert played(10.0, 2, 25.0)[-2:] == [("round_2", "fail"), ("remove", "pass")]


def test_rounds_differ_and_repeat_with_the_seed() -> None:
    def names(seed: int, number: int) -> list[str]:
        return soak.order_of_round(seed, number)[0]

    def draws(seed: int, number: int) -> list[int]:
        random = soak.order_of_round(seed, number)[1]
        return [random.randrange(1000) for _ in range(8)]

    assert names(1, 1) == names(1, 1)
    assert draws(1, 1) == draws(1, 1)
    assert draws(1, 1) not in (draws(1, 2), draws(2, 1))
    assert len({tuple(names(seed, number)) for seed in (1, 2) for number in range(1, 5)}) > 4
    assert set(names(1, 1)) == set(soak.CHOSEN) <= set(WORKLOADS)
