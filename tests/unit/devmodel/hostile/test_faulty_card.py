# SPDX-License-Identifier: GPL-2.0-only
"""A guest gone mad on a card that is told to misbehave: it still never raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, settings
from hypothesis.stateful import initialize, rule

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hsi.vnic import VnicCfgEnables
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


@pytest.mark.parametrize("timing", Timing)
@pytest.mark.parametrize("action", ["flr", "fw_restart"])
@pytest.mark.parametrize("where", ["cqe.write", "nqe.write", "irq.raise", "dma.write", "dma.read"])
def test_card_that_is_reset_in_the_middle(where: str, action: str, timing: Timing) -> None:
    """At each event of receiving and of closing in its turn, until all have come to pass."""
    for nth in range(1, 100):
        fault = {
            "id": "reset", "where": where, "when": {"nth": nth},
            "what": {"action": "card", "do": action, "params": {}},
        }  # fmt: skip
        card = FaultyCard()
        card.plug(timing=timing, nic=Identity())
        card.no_plan()
        queue, later = card.host.queue, {"num_cmpl_aggr_int": 64, "int_lat_tmr_max": 0xFFFF}
        moderated = {"ring_id": queue.rx_cq, **later}
        card.step(steps.command, Cmd.RING_CMPL_RING_CFG_AGGINT_PARAMS, moderated, 0xFFFF)
        card.refill(count=8)
        card.arm(document={"version": 1, "fault": [fault]})
        card.stream(segments=wire.in_order(0, 6, 500, False, False))
        card.configure(Cmd.VNIC_CFG, enables=VnicCfgEnables.MRU, mru=0)
        card.configure(Cmd.VNIC_CFG, enables=VnicCfgEnables.MRU, mru=1500)
        card.poll()
        card.stream(segments=wire.in_order(1, 4, 500, False, False))
        card.configure(Cmd.VNIC_FREE)
        for kind, ring in (
            (RingType.TX, queue.tx), (RingType.RX, queue.rx), (RingType.RX_AGG, queue.agg),
            (RingType.L2_CMPL, queue.rx_cq), (RingType.NQ, queue.nq),
        ):  # fmt: skip
            freed = {"ring_type": kind, "ring_id": ring}
            card.step(steps.command, Cmd.RING_FREE, freed, 0xFFFF)
        for ctx in card.host.card.resources.stat_ctxs.values():
            ctx.counters[0] += 1  # what its block in the host does not say yet
        card.step(steps.command, Cmd.STAT_CTX_FREE, {"stat_ctx_id": queue.stat}, 0xFFFF)
        card.step(steps.pass_time, 2_000_000_000)
        if queue.tx_cq in card.host.card.resources.cmpl_rings:  # no such event any more
            assert nth > 1
            return
    raise AssertionError("more events than that")
