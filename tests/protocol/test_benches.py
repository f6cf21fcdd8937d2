# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks of tests/bench time does happen: answers, interrupts, frames each way."""

from __future__ import annotations

from devmodel.budget import SLICE
from tests.bench.latency import measure
from tests.bench.rx_path import Sender, by_turns, frames


def test_each_latency_is_timed_as_often_as_asked() -> None:
    found = measure(140)  # completions of two times 140 frames: the ring of 128 wraps twice
    assert {name: len(values) for name, values in found.items()} == {
        "register read": 140, "firmware request": 140, "doorbell to interrupt": 140,
        "wire to interrupt": 140,
    }  # fmt: skip


def test_a_sender_goes_on_when_a_slice_of_the_budget_is_spent() -> None:
    sender = Sender(bytes(frames(1448, 4)[0]), oracle=True)
    sender.send()
    spent = SLICE - sender.rig.clock.budget.left
    by_turns(SLICE // spent + 300, (sender.rig, sender.send))  # which looks for violations
    assert sender.queue.ring.cons == sender.queue.prod
    sender.close()
