# SPDX-License-Identifier: GPL-2.0-only
"""Completion rings and notification queues: phase, arming, moderation, overflow."""

from __future__ import annotations

import pytest

from devmodel.bnxt.cmpl import CmplRing, Moderation, NotificationQueue
from devmodel.bnxt.hsi.ring import NqeCn
from devmodel.bnxt.rings import RingMemory
from devmodel.clock import Clock, Timing
from devmodel.dma import Access, DmaSpace, Mapping
from devmodel.trace import Trace

ENTRIES = 16


class Setup:
    """One CQ on one NQ."""

    def __init__(self, timing: Timing = Timing.SYNCHRONOUS) -> None:
        self.memory = memoryview(bytearray(8192))
        self.dma = DmaSpace()
        self.dma.bus_master_enabled = True
        self.dma.map(Mapping(0, 8192, Access.READ | Access.WRITE, self.memory, 0))
        self.trace = Trace()
        self.clock = Clock(1, timing)
        self.interrupts: list[int] = []
        nq_memory = RingMemory(self.dma, [0], ENTRIES)
        self.nq = NotificationQueue(1, nq_memory, self.trace, 5, self.interrupts.append)
        self.cq = CmplRing(
            2, RingMemory(self.dma, [4096], ENTRIES), self.trace, self.nq, 0x1_0000_0002, self.clock
        )

    def arm(self) -> None:
        """Both, at index 0."""
        self.nq.arm(0)
        self.cq.arm(0)

    def complete(self, count: int = 1) -> None:
        """A batch of so many entries."""
        self.cq.post(*[entry(0)] * count)
        self.cq.flush()

    def phases(self, base: int) -> list[int]:
        """Valid bits of a ring's entries."""
        return [self.memory[base + i * 16 + 8] & 1 for i in range(ENTRIES)]

    @property
    def rules(self) -> set[str]:
        return set(self.trace.violation_counts)


@pytest.fixture
def setup() -> Setup:
    return Setup()


def entry(value: int) -> bytes:
    """An entry whose byte 8 tries to set the valid bit by itself."""
    return bytes([value] * 8 + [value | 1] + [value] * 7)


def test_phase_flips_at_every_pass(setup: Setup) -> None:
    cq = setup.cq
    for i in range(3 * ENTRIES):
        assert cq.post(entry(i & 0xFE))
        cq.consume((i + 1) % ENTRIES)
        raw = i % (2 * ENTRIES)
        assert setup.memory[4096 + i % ENTRIES * 16 + 8] & 1 == (raw < ENTRIES)
    assert not setup.rules


def test_both_halves_carry_the_phase_of_their_own_slot(setup: Setup) -> None:
    cq = setup.cq
    for i in range(ENTRIES - 1):
        cq.post(entry(0))
        cq.consume(i + 1)
    cq.post(entry(2) + entry(4))
    assert setup.phases(4096)[ENTRIES - 1] == 1
    assert setup.memory[4096] == 4
    assert setup.phases(4096)[0] == 0


def test_overflow_drops_and_is_recorded(setup: Setup) -> None:
    for _ in range(ENTRIES - 1):
        assert setup.cq.post(entry(0))
    assert not setup.cq.post(entry(0))
    assert setup.rules == {"completion_overflow"}
    assert setup.phases(4096)[ENTRIES - 1] == 0
    setup.cq.consume(4)
    assert setup.cq.post(entry(0), entry(0))


def test_armed_cq_notifies_once(setup: Setup) -> None:
    setup.arm()
    for _ in range(3):
        setup.complete()
    assert setup.nq.prod == 1
    nqe = NqeCn.unpack(setup.memory, 0)
    assert (nqe.type & 0x3F, nqe.cq_handle_low, nqe.cq_handle_high, nqe.v) == (0x30, 2, 1, 1)
    assert setup.interrupts == [5]


def test_arming_with_newer_entries_notifies_at_once(setup: Setup) -> None:
    setup.nq.arm(0)
    setup.complete(2)
    assert setup.nq.prod == 0
    setup.cq.arm(1)
    assert setup.nq.prod == 1
    setup.cq.arm(2)
    assert setup.nq.prod == 1
    setup.complete()
    assert setup.nq.prod == 2


def test_masked_nq_interrupts_when_armed(setup: Setup) -> None:
    setup.cq.arm(0)
    setup.complete()
    assert setup.nq.prod == 1
    assert setup.interrupts == []
    setup.nq.arm(0)
    assert setup.interrupts == [5]
    setup.nq.arm(1)
    assert setup.interrupts == [5]
    setup.nq.mask_interrupt(1)
    setup.cq.arm(1)
    setup.complete()
    assert setup.interrupts == [5]
    setup.nq.arm(1)
    assert setup.interrupts == [5, 5]


def test_a_host_that_sees_nothing_is_told_again_of_the_next_entry_only(setup: Setup) -> None:
    setup.arm()
    setup.complete()
    assert setup.nq.prod == 1
    setup.arm()
    assert setup.interrupts == [5]
    assert setup.nq.prod == 1
    assert setup.trace.counters["nq_arm_without_progress"] == 1
    assert setup.trace.counters["cq_arm_without_progress"] == 1
    setup.complete()
    assert setup.nq.prod == 2
    assert setup.interrupts == [5, 5]


def test_a_queue_that_was_masked_meanwhile_interrupts_again(setup: Setup) -> None:
    setup.arm()
    setup.complete()
    setup.nq.mask_interrupt(0)
    setup.cq.consume(0)
    setup.arm()
    assert setup.nq.prod == 2
    assert setup.interrupts == [5, 5]


def test_async_event_interrupts(setup: Setup) -> None:
    setup.nq.arm(0)
    setup.nq.post_async(bytes([0x2E]) + bytes(15))
    assert setup.interrupts == [5]
    assert setup.memory[8] == 1


def test_moderation_delays_and_counts() -> None:
    setup = Setup(Timing.ASYNCHRONOUS)
    setup.cq.moderation = Moderation(delay_ns=10_000, frames=3)
    setup.cq.arm(0)
    setup.complete()
    setup.clock.advance_to(9_999)
    assert setup.nq.prod == 0
    setup.clock.advance_to(10_000)
    assert setup.nq.prod == 1
    setup.cq.arm(1)
    setup.complete(2)
    assert setup.nq.prod == 1
    setup.complete()
    assert setup.nq.prod == 2
    setup.clock.advance_to(1_000_000)
    assert setup.nq.prod == 2


def test_free_cancels_a_delayed_notification() -> None:
    setup = Setup(Timing.ASYNCHRONOUS)
    setup.cq.moderation = Moderation(delay_ns=10_000)
    setup.cq.arm(0)
    setup.complete()
    setup.cq.free()
    setup.clock.advance_to(1_000_000)
    assert setup.nq.prod == 0
    assert not setup.cq.post(entry(0))
    assert setup.rules == {"completion_to_freed_ring"}


@pytest.mark.parametrize("index", [3, ENTRIES, 0xFFFFFF])
def test_consumer_past_the_producer(setup: Setup, index: int) -> None:
    setup.cq.post(entry(0), entry(0))
    setup.cq.consume(index)
    assert setup.cq.cons == 0
    assert setup.rules == {"doorbell_past_producer"}


def test_memory_that_is_gone(setup: Setup) -> None:
    setup.dma.unmap_all()
    assert not setup.cq.post(entry(0))
    assert setup.rules == {"completion_write"}
    assert setup.cq.prod == 0


def test_late_index_of_a_masking_doorbell_is_ignored(setup: Setup) -> None:
    for _ in range(3):
        setup.nq.post(entry(0))
    setup.nq.arm(3)
    setup.nq.mask_interrupt(2)
    assert setup.nq.cons == 3
    assert not setup.nq.armed
    assert not setup.rules


@pytest.mark.parametrize("index", [4, ENTRIES])
def test_masking_doorbell_past_the_producer_is_recorded(setup: Setup, index: int) -> None:
    for _ in range(3):
        setup.nq.post(entry(0))
    setup.nq.mask_interrupt(index)
    assert setup.rules == {"doorbell_past_producer"}
