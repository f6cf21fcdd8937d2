# SPDX-License-Identifier: GPL-2.0-only
"""What comes to the card while it is at work, as a fault may have it, comes behind that work."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.in_turn import InTurn
from devmodel.bnxt.placement import Flow
from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.faults.engine import MAX_NESTED, FaultEngine
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import arm
from tests.unit.devmodel.bnxt.rig import Rig
from tests.unit.devmodel.bnxt.tpa_sender import Sender, make
from tests.unit.devmodel.frames import tcp


def in_the_midst(rig: Rig, point: str, work: Callable[[], object], times: int = 1) -> None:
    """Have ``work`` done at an event of ``point``, as a deferred effect is."""
    rig.dma.faults.card_actor = lambda _name, _parameters: work()
    arm(
        rig.dma.faults, point, {"action": "card", "do": "link", "params": {"up": True}}, times=times
    )


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.add_queue()
    rig.add_vnic()
    return rig


@pytest.mark.parametrize("point", ["dma.read", "rx.steer", "rx.place", "dma.write", "cqe.write"])
def test_a_frame_that_comes_while_one_is_placed_is_placed_behind_it(rig: Rig, point: str) -> None:
    before, second, behind = tcp(100, sport=1), tcp(200, sport=2), tcp(300, sport=3)
    in_the_midst(rig, point, lambda: rig.rx.receive([behind]))
    found = rig.receive(before, second)
    assert [one.data for one in found] == [before, second, behind]
    assert not rig.trace.violation_counts


def test_a_copy_that_waits_for_the_cards_dma_is_one_frame_more(rig: Rig) -> None:
    """As a campaign found it: the copy took the buffer of the frame that was being placed."""
    until = {"where": "dma.read", "before": True}
    arm(rig.dma.faults, "rx.frame", {"action": "duplicate", "until": until}, when={"nth": 3})
    frames = [tcp(100, sport=port) for port in range(40)]
    found = [one.data for one in rig.receive(*frames)]
    assert sorted(found) == sorted([*frames, frames[2]])
    assert found.index(frames[3]) == 3


def test_a_reset_forgets_what_waits(rig: Rig) -> None:
    def work() -> None:
        rig.rx.receive([tcp(300, sport=3)])
        rig.rx.reset()

    in_the_midst(rig, "cqe.write", work)
    assert [one.data for one in rig.receive(tcp(100))] == [tcp(100)]


def test_an_aggregation_that_ends_late_ends_behind_the_segment_that_is_placed() -> None:
    rig, flow = make(timer=1000, oracle=True), Sender()
    until = {"where": "dma.write", "before": True, "match": {"purpose": "payload"}}
    arm(rig.dma.faults, "tpa.timeout", {"action": "hold", "until": until}, times=0)
    assert rig.receive(flow.segment(), flow.segment()) == []
    rig.clock.advance_to(10_000_000)
    assert rig.poll() == []
    (whole,) = rig.receive(flow.segment())
    assert whole.end is not None
    assert (whole.end.tpa_segs, whole.data[66:]) == (3, flow.data)
    assert not rig.trace.violations


def test_frames_that_get_their_buffers_in_the_midst_are_placed_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of another queue, for which there was no buffer."""

    def queues(entries: int) -> Rig:
        rig = Rig()
        rig.add_queue(rx_entries=entries)
        rig.add_queue()
        rig.add_vnic()
        return rig

    frames = [tcp(100, sport=port) for port in range(32)]
    of = {one.data: one.queue for one in queues(64).receive(*frames)}
    to_first, to_second = ([one for one in frames if of[one] == queue] for queue in (0, 1))
    rig = queues(4)
    assert len(rig.receive(*to_first[:4])) == 3
    order, place = list[int](), rig.rx.placer.place

    def placed(flow: Flow, *rest: Any) -> bool:
        order.append(flow.ring.id)
        return place(flow, *rest)

    monkeypatch.setattr(rig.rx.placer, "place", placed)
    first, second = (queue.rx.id for queue in rig.queues)
    in_the_midst(rig, "rx.steer", lambda: rig.post_rx(rig.queues[0], 1))
    rig.rx.receive([to_second[0]])
    assert order == [second, first]


def test_frames_that_bring_frames_come_to_an_end(rig: Rig) -> None:
    """Which is on record."""
    ports = count(2)
    told = list[str]()

    def hear(kind: str, fields: dict[str, Any]) -> None:
        if kind == "fault_effect":
            told.append(f"{fields['id']}: {fields['detail']}")

    rig.trace.listener = hear
    in_the_midst(rig, "rx.place", lambda: rig.rx.receive([tcp(9, sport=next(ports))]), times=0)
    assert len(rig.receive(tcp(100))) == 1 + MAX_NESTED
    assert told == [f"a: more than {MAX_NESTED} steps"]


@pytest.mark.parametrize("point", ["dma.read", "tx.frame", "cqe.write"])
def test_a_doorbell_that_rings_while_frames_are_sent_sends_none_twice(rig: Rig, point: str) -> None:
    queue, other = rig.add_tx(), rig.add_tx()
    frames = [tcp(size, sport=size) for size in (100, 200, 300)]
    queue.put(frames[0])
    queue.put(frames[1])
    other.put(frames[2])

    def ring() -> None:
        other.ring.prod = other.prod
        for one in (queue, other):
            rig.tx.kick(one.ring)

    in_the_midst(rig, point, ring)
    queue.kick()
    assert rig.wire.sent == frames
    assert not rig.trace.violation_counts


class Order:
    """Work that says when it was done, and what was to blame."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.turn = InTurn(FaultEngine(Clock(1), self.trace, FAULTS))
        self.done = list[tuple[str, str]]()

    def work(self, name: str) -> Callable[[], None]:
        return lambda: self.done.append((name, self.trace.cause))


def test_what_was_to_blame_still_is() -> None:
    order = Order()

    def work() -> None:
        order.trace.cause = "a fault"
        order.turn.do(order.work("late"))
        order.trace.cause = ""
        order.work("first")()

    order.turn.do(work)
    assert order.done == [("first", ""), ("late", "a fault")]
    assert not order.turn.is_busy


def test_dma_that_fails_late_is_an_effect_of_the_fault() -> None:
    order = Order()

    def fails() -> None:
        raise DmaFault(0x1000, 4, is_write=True, reason="unmapped")

    def work(cause: str) -> Callable[[], None]:
        def do() -> None:
            order.trace.cause = cause
            order.turn.do(fails)
            order.trace.cause = ""

        return do

    order.turn.do(work("a fault"))
    with pytest.raises(DmaFault):
        order.turn.do(work(""))
    order.turn.do(order.work("the next"))
    assert order.done == [("the next", "")]
