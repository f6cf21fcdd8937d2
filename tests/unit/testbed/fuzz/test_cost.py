# SPDX-License-Identifier: GPL-2.0-only
"""What a run is charged with of processes that served others before it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.fuzz import cost as module
from testbed.fuzz.cost import Cost

CARD, GUEST = 11, 22


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """CPU seconds of card, guest and this process (number 0), as the test has them."""
    seconds = {0: 100.0, CARD: 5.0, GUEST: 3.0}
    monkeypatch.setattr(module, "used_s", seconds.__getitem__)
    monkeypatch.setattr(module.time, "process_time", lambda: seconds[0])
    return seconds


def session(card: int | None = CARD, guest: int | None = GUEST) -> Any:
    process = None if card is None else SimpleNamespace(pid=card)
    return SimpleNamespace(
        card=SimpleNamespace(process=process), machine=SimpleNamespace(process_id=guest)
    )


def test_a_fresh_run_is_charged_with_all_of_its_guest_and_card(used: dict[int, float]) -> None:
    cost = Cost()
    cost.watch(None)
    used[0] += 0.25
    cost.stop(session())
    assert cost.cpu_s == 5.0 + 3.0 + 0.25


def test_a_card_that_is_used_again_is_charged_from_there_on(used: dict[int, float]) -> None:
    cost = Cost()
    cost.watch(session())
    used[CARD] += 1.0
    used[GUEST] = 2.0  # another guest
    cost.stop(session())
    assert cost.cpu_s == 1.0 + 2.0


def test_so_is_a_guest_unless_a_fresh_one_takes_its_place(used: dict[int, float]) -> None:
    cost = Cost()
    cost.watch(session())
    cost.watch_guest(session())
    used[GUEST] += 0.5
    cost.stop(session())
    assert cost.cpu_s == 0.5
    cost.watch(session())
    cost.stop(session())
    assert cost.cpu_s == 3.5


def test_what_is_gone_or_never_came_costs_nothing(used: dict[int, float]) -> None:
    cost = Cost()
    cost.watch(session(card=None, guest=None))
    cost.watch_guest(session(guest=None))
    cost.stop(session(card=None, guest=None))
    used[0] += 0.5
    assert cost.cpu_s == 0.5
