# SPDX-License-Identifier: GPL-2.0-only
"""When all buffers of an area are out: the kernel says so, throttles, and recovers."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.faults import Faults
from testbed.dut.nic import aggregate_nothing, start_fast
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.zcrx import ALLOC_FAIL, ARM, COPY, Event
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, BoundQueue, bound_queue

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5123
STREAM_BYTES = 2 * BUFFERS * BUFFER_BYTES
LEAST_ROUNDS, MOST_ROUNDS = 3, 7
A_PACKET = 2  # buffers one packet may still have had when another was dropped
QUIET_MS = 3000  # a sender in need tries again after 0.2, 0.4, 0.8, 1.6 s ...
RECOVERY_MS = 45_000
AMPLE_BYTES = 4 << 20  # of a receive buffer: more than the area
SHORTAGE_S = 30.0
STANDING_MS = 15_000  # three tries of a sender in need, or more
KEPT_BYTES = 60 * BUFFER_BYTES
LEAST_DROPPED = 4
RETRANSMISSION_S = 2.0
LOSSES = 3


def exhaust(bound: BoundQueue) -> int:
    """Keep all that comes until nothing comes any more; how many buffers that were.

    A packet dropped for want of one buffer gives back the others it had: a few still come after
    the kernel has reported that its free list is empty, each by a retransmission.
    """
    if Capability.ZCRX_EVENTS in bound.dut.capabilities:
        assert bound.zcrx.collect(events=1, hold=1).complete
    while bound.zcrx.collect(bytes=STREAM_BYTES, hold=1, timeout=QUIET_MS).completions:
        pass
    held = bound.zcrx.verify()
    assert held.changed == 0
    return held.buffers


def dropped_packets(bound: BoundQueue) -> int:
    """Packets of the queue for which the driver found no buffer."""
    return int(netdev_state(bound.dut).per_queue("rx_alloc_fail")[bound.queue])


def await_dropped_packets(bound: BoundQueue, before: int) -> None:
    """Receive until packets have been dropped, beyond ``before``, for want of one free buffer."""
    deadline = time.monotonic() + SHORTAGE_S * bound.dut.patience
    while dropped_packets(bound) < before + LEAST_DROPPED:
        if time.monotonic() > deadline:
            pytest.fail(f"after {SHORTAGE_S:.0f} s: {bound.pools()}")
        bound.zcrx.collect(completions=1, timeout=100)


def receive_the_rest(bound: BoundQueue) -> None:
    """Give back what is held, receive the stream to its end, and close its socket."""
    bound.zcrx.give_back()
    assert bound.zcrx.collect(ends=1, timeout=RECOVERY_MS).complete
    bound.zcrx.flush()
    bound.zcrx.step("close", socket=1)


def test_exhausted_area_recovers(bound: BoundQueue) -> None:
    """Without a free buffer packets are dropped, not overwritten; returned ones end it."""
    with bound.stream(STREAM_BYTES) as sender:
        bound.zcrx.receive()
        before = exhaust(bound)
        assert before < BUFFERS
        assert [pool["inflight"] for pool in bound.pools()] == [BUFFERS]
        bound.zcrx.give_back()
        assert bound.zcrx.collect(ends=1, timeout=RECOVERY_MS).complete
        assert bound.zcrx.digest() == (STREAM_BYTES, sender.sent().sha256)


@pytest.mark.needs(Capability.ZCRX_CONTROL, Capability.ZCRX_EVENTS)
def test_no_buffer_is_lost_over_allocation_failures(bound: BoundQueue) -> None:
    """Held each time: all that is not in the NIC's ring, as often as one likes.

    Sometimes there are fewer: packets behind one that was dropped keep their buffers, and cannot be
    received before it comes again. A buffer that is lost is missing for ever.
    """
    seen: list[int] = []
    for round_ in range(MOST_ROUNDS):
        if round_ >= LEAST_ROUNDS and seen[-1] >= max(seen) - A_PACKET:
            return
        with bound.stream(STREAM_BYTES):
            bound.zcrx.receive()
            seen.append(exhaust(bound))
            receive_the_rest(bound)
            bound.zcrx.control(ARM, payload=ALLOC_FAIL)
    pytest.fail(f"buffers held, time after time: {seen}")


@pytest.mark.needs(Capability.ZCRX_CONTROL, Capability.ZCRX_EVENTS)
def test_allocation_failure_is_reported_once(bound: BoundQueue) -> None:
    """ZCRX_EVENT_ALLOC_FAIL comes once (``fired_notifs``), and again after ZCRX_CTRL_ARM_EVENT.

    It is armed while nothing is sent: a packet that comes again could fire it at once.
    """
    assert bound.zcrx.control(ARM, payload=ALLOC_FAIL)[0] == "EINVAL"  # has not fired
    with bound.stream(STREAM_BYTES):
        bound.zcrx.receive()
        first = bound.zcrx.collect(events=1, hold=1)
        assert first.events == (Event(0, ALLOC_FAIL),)
        again = bound.zcrx.collect(events=1, hold=1, timeout=QUIET_MS)
        assert again.events == ()
        receive_the_rest(bound)
    assert bound.zcrx.control(ARM, payload=COPY)[0] == "EINVAL"  # has not fired
    assert bound.zcrx.control(ARM, payload=2)[0] == "EINVAL"  # there is no such event
    assert bound.zcrx.control(ARM, payload=ALLOC_FAIL)[0] == ""
    assert bound.zcrx.control(ARM, payload=ALLOC_FAIL)[0] == "EINVAL"  # is armed
    with bound.stream(STREAM_BYTES):
        bound.zcrx.receive()
        later = bound.zcrx.collect(events=1, hold=1)
        assert later.events == (Event(0, ALLOC_FAIL),)


@pytest.mark.needs(Capability.ZCRX_EVENTS)
def test_unregistered_event_is_not_reported(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Only events of the registration's mask are posted."""
    with (
        bound_queue(dut, remote, defer, PORT, events=1 << COPY) as bound,
        bound.stream(STREAM_BYTES),
    ):
        bound.zcrx.receive()
        got = bound.zcrx.collect(events=1, hold=1, timeout=QUIET_MS)
        assert got.completions > 0
        assert (got.complete, got.events) == (False, ())


def test_allocation_failure_of_one_queue_leaves_others_alone(bound: BoundQueue, dut: Dut) -> None:
    """Another queue of the same ring has an area of its own."""
    bound.zcrx.register(bound.queue - 1, ifq=1, area=BUFFERS * BUFFER_BYTES)
    with bound.stream(STREAM_BYTES):
        bound.zcrx.receive()
        exhaust(bound)
        pools = {pool["inflight"] for pool in bound.pools()}
        assert len(pools) == 2, netdev_state(dut)
        assert max(pools) == BUFFERS
        assert min(pools) < BUFFERS


@pytest.mark.needs(Capability.FAULTS, Capability.REAL_TIME)
@pytest.mark.finding("zcrx-area-out-of-order")
def test_lost_packet_comes_although_others_wait_behind_it(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The wire loses a packet until those behind it have all buffers, and nothing from then on.

    It is the first of its stream: those before it would wait in the socket for a reader that is
    slow, and come back as free buffers when all others are out (seen: a stall never, in 8 of 8).
    """
    lost = {
        "where": "rx.frame", "what": {"action": "drop"},
        "when": {"match": {"dport": PORT, "tcp_payload": {"gt": 0}}},
    }  # fmt: skip
    lost_again = {
        "where": "rx.frame", "what": {"action": "drop"}, "times": 0,
        "when": {"match": {"dport": PORT, "tcp_again": True}},
    }  # fmt: skip
    aggregate_nothing(dut, defer)
    start_fast(remote, dut.ipv4, 2 * BUFFERS, defer)
    with bound_queue(dut, remote, defer, PORT) as bound:
        bound.receive_buffer = AMPLE_BYTES
        kept = bound.hold(KEPT_BYTES)
        for _ in range(LOSSES):  # where the bug is one was always enough
            before = dropped_packets(bound)
            with ExitStack() as armed:
                armed.enter_context(faults.inject(lost, lost_again))
                with bound.stream(STREAM_BYTES) as sender:
                    bound.zcrx.receive()
                    await_dropped_packets(bound, before)
                    pause(dut, RETRANSMISSION_S)
                    armed.close()
                    before = dropped_packets(bound)
                    if not bound.zcrx.collect(ends=1, timeout=STANDING_MS).complete:
                        assert bound.zcrx.state().held == kept
                        dropped = dropped_packets(bound) - before
                        pytest.fail(f"the stream stands: {dropped} more packets found no buffer")
                    assert bound.zcrx.digest() == (STREAM_BYTES, sender.sent().sha256)
