# SPDX-License-Identifier: GPL-2.0-only
"""A guest gone mad on a card that is told to misbehave: it still never raises."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, settings
from hypothesis.stateful import initialize, rule

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.identity import Identity
from devmodel.clock import Timing
from devmodel.faults.plan import PlanError, parse_plan
from tests.unit.devmodel.hostile import plans, steps, wire
from tests.unit.devmodel.hostile.test_guest_machine import HostileGuest


class FaultyCard(HostileGuest):
    """The hostile guest, with any fault plans armed; the oracle judges everything."""

    @initialize()
    def no_plan(self) -> None:
        """Nothing is armed."""
        self.handles: list[int] = []

    @rule(document=plans.plans)
    def arm(self, document: dict[str, Any]) -> None:
        try:
            plan = parse_plan(document, FAULTS)
        except PlanError:
            assume(False)
        self.host.is_honest = False
        self.handles.append(self.host.card.faults.arm(plan))
        self.host.end_step()

    @rule()
    def disarm(self) -> None:
        while self.handles:
            self.host.card.faults.disarm(self.handles.pop())
        self.host.end_step()

    def before_reset(self) -> None:
        """A driver that starts over needs answers."""
        self.disarm()
        self.host.card.set_present(True)
        self.step(steps.wake)


TestFaultyCard = FaultyCard.TestCase
TestFaultyCard.settings = settings(
    stateful_step_count=30, max_examples=settings.default.max_examples // 2
)


def test_card_that_is_reset_while_it_posts_completions() -> None:
    """Found by the nightly profile: the reset forgets the rings that the card is going through."""
    document = {
        "version": 1,
        "fault": [{
            "id": "reset", "where": "cqe.write",
            "what": {"action": "card", "do": "flr", "params": {}},
        }],
    }  # fmt: skip
    card = FaultyCard()
    card.plug(timing=Timing.ASYNCHRONOUS, nic=Identity())
    card.no_plan()
    card.refill(count=1)
    card.arm(document=document)
    card.stream(segments=wire.in_order(0, 1, 1, False, False))
    assert not card.host.card.resources.cmpl_rings
