# SPDX-License-Identifier: GPL-2.0-only
"""Pulses: of the clock's own seconds, from outside, and to the outside."""

from __future__ import annotations

import pytest

from devmodel.bnxt.hsi.ptp import PinUsage, PpsEvent
from devmodel.bnxt.phc import Phc
from devmodel.bnxt.pps import Pin, Pps
from devmodel.clock import Clock

SECOND = 1_000_000_000


class Bench:
    """Pins with a clock, and what was told."""

    def __init__(self) -> None:
        self.clock = Clock(1)
        self.phc = Phc(self.clock)
        self.told: list[tuple[int, int]] = []
        self.pps = Pps(self.phc, self.clock, lambda *data: self.told.append(data))

    def use(self, pin: int, usage: PinUsage, event: PpsEvent = PpsEvent.NONE) -> None:
        self.pps.pins[pin] = Pin(True, usage)
        self.pps.event = event
        self.pps.schedule()

    def times(self) -> list[int]:
        """What was told, as the driver puts it together (EVENT_PPS_TS)."""
        return [(data2 & 0xFFFF0) << 28 | data1 for data1, data2 in self.told]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_own_seconds_are_told(bench: Bench) -> None:
    bench.phc.set_time((3 << 40) + 1)
    bench.use(0, PinUsage.PPS_IN, PpsEvent.INTERNAL)
    bench.clock.advance_to(3 * SECOND)
    assert [time % SECOND for time in bench.times()] == [0, 0, 0]
    assert {data2 & 0xF for _, data2 in bench.told} == {0}
    assert bench.pps.last_ns == bench.times()[-1]
    bench.pps.pins[0] = Pin()
    bench.pps.schedule()
    bench.clock.advance_to(9 * SECOND)
    assert len(bench.told) == 3


def test_seconds_move_with_the_clock(bench: Bench) -> None:
    bench.use(0, PinUsage.PPS_IN, PpsEvent.INTERNAL)
    bench.clock.advance_to(SECOND // 2)
    bench.phc.adjust_phase(SECOND // 4)
    bench.clock.advance_to(SECOND * 3 // 4)
    assert bench.times() == [SECOND]
    bench.phc.adjust_phase(-(SECOND // 2))
    bench.clock.advance_to(SECOND * 5 // 4)
    assert bench.times() == [SECOND, SECOND]
    bench.phc.adjust_frequency(-1_000_000)
    bench.clock.advance_to(SECOND * 9 // 4)
    assert len(bench.told) == 2
    bench.clock.advance_to(SECOND * 9 // 4 + 1_001_002)
    assert bench.times()[2:] == [2 * SECOND]


def test_pulses_from_outside_are_told_of_inputs(bench: Bench) -> None:
    bench.use(2, PinUsage.PPS_IN, PpsEvent.EXTERNAL)
    bench.clock.advance_to(77)
    bench.pps.pulse(1)
    bench.pps.pulse(2)
    assert bench.told == [(77, 1 | 2 << 1)]
    bench.pps.event = PpsEvent.INTERNAL
    bench.pps.pulse(2)
    bench.pps.event = PpsEvent.EXTERNAL
    bench.pps.pins[2] = Pin(False, PinUsage.PPS_IN)
    bench.pps.pulse(2)
    assert len(bench.told) == 1


def test_an_output_begins_when_it_was_told_to(bench: Bench) -> None:
    bench.pps.start_output(2 * SECOND + 5)
    bench.use(1, PinUsage.PPS_OUT)
    bench.clock.advance_to(2 * SECOND + 4)
    assert bench.pps.pulses_sent == 0
    bench.clock.advance_to(4 * SECOND + 5)
    assert bench.pps.pulses_sent == 3
    bench.pps.start_output(0)  # long ago
    bench.clock.advance_to(5 * SECOND)
    assert bench.pps.pulses_sent == 4
    bench.pps.reset()
    bench.clock.advance_to(9 * SECOND)
    assert bench.pps.pulses_sent == 4
    assert bench.clock.next_due_ns() is None
