# SPDX-License-Identifier: GPL-2.0-only
"""References of user space to a buffer against those of the kernel.

A buffer given to user space carries a reference of the page pool's (``pp_ref_count``) and one of
the user's (``user_refs``, io_uring/zcrx.c); whoever holds one keeps the buffer from the NIC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.nic import pin_neighbour, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB
from testbed.dut.zcrx import Sender
from testbed.dut.zcrx_account import nothing_copied, through_queues
from testbed.dut.zcrx_queue import (
    BUFFER_BYTES,
    BUFFERS,
    ROUND_BYTES,
    BoundQueue,
    await_no_detached_pool,
)

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5122
HELD_BYTES = 30 * BUFFER_BYTES
LIMIT_S = 10.0
HANDSHAKE_PACKETS = 2  # of a connection, that come to the end that listens
QUEUED_PACKETS = 4
FILL = 0xA5


@contextmanager
def queued_stream(bound: BoundQueue) -> Iterator[Sender]:
    """A stream of HELD_BYTES nobody reads, some packets of which wait in the socket."""
    before = netdev_state(bound.dut).per_queue("rx_packets").get(bound.queue, 0)
    deadline = time.monotonic() + LIMIT_S * bound.dut.patience
    with bound.stream(HELD_BYTES) as sender:
        while True:
            now = netdev_state(bound.dut).per_queue("rx_packets").get(bound.queue, 0)
            if now >= before + HANDSHAKE_PACKETS + QUEUED_PACKETS:
                break
            if time.monotonic() > deadline:
                pytest.fail(f"{now - before} packets came in {LIMIT_S:.0f} s")
            pause(bound.dut, 0.05)
        yield sender


def check_kept_then_returned(bound: BoundQueue) -> None:
    """What is held has kept its bytes through more traffic, and serves again once returned."""
    bound.transfer()
    assert bound.zcrx.verify().changed == 0
    bound.zcrx.give_back(keep=1)
    bound.use_all()
    held = bound.zcrx.verify()
    assert held.held > 0
    assert held.changed == held.held


def test_held_buffers_are_not_reused(bound: BoundQueue) -> None:
    """What the user holds keeps its bytes while the NIC goes round in all other buffers."""
    bound.hold(HELD_BYTES)
    for _ in range(2):
        bound.transfer()
    check_kept_then_returned(bound)


def test_buffer_given_in_parts(bound: BoundQueue) -> None:
    """A payload received in three parts is three references to one buffer: it takes three returns.

    Until the last of them the bytes stay as they are.
    """
    with bound.stream(3000):
        for part in range(3):
            bound.zcrx.receive(bytes=1000)
            got = bound.zcrx.collect(ends=1, hold=1)
            assert (got.bytes, got.ends[0].errno) == (1000, ""), part
        bound.zcrx.step("close", socket=1)
    held = bound.zcrx.verify()
    assert held.held == 3
    for parts in (2, 1, 0):
        if held.buffers == 1:
            assert bound.zcrx.give_back(count=1, keep=1) == 1
        bound.transfer()
        changed = bound.zcrx.verify().changed
        assert bool(changed) == (parts == 0), (parts, held, changed)


def test_socket_closed_while_buffers_are_held(bound: BoundQueue) -> None:
    """The user's references outlive the connection; the kernel's go with it.

    What comes while the connection closes is returned: it may be more than the area has to spare.
    """
    with bound.stream(MIB, pace=20_000_000):
        bound.zcrx.receive()
        assert bound.zcrx.collect(completions=40, hold=1).complete
        bound.zcrx.step("shutdown", socket=1)
        bound.zcrx.step("close", socket=1)
        bound.zcrx.collect(ends=1, timeout=1000)
    check_kept_then_returned(bound)


def test_interface_down_while_buffers_are_held(
    bound: BoundQueue, dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """Held buffers keep the old page pool; returned to the new one they go to the free list.

    ``io_zcrx_ring_refill()``: ``niov->desc.pp != pp``.
    """
    held = bound.hold(HELD_BYTES)
    cycle_link(dut)
    (detached,) = netdev_state(dut).detached_pools
    assert detached.endswith(f"with {held} buffers")
    pin_neighbour(dut, remote, defer)  # an interface that went down has forgotten it
    check_kept_then_returned(bound)
    bound.take_returned()
    await_no_detached_pool(dut)


def test_ring_closed_while_buffers_are_held(bound: BoundQueue, dut: Dut) -> None:
    """``io_zcrx_scrub()`` takes back every buffer as the ring goes, without the user's help."""
    bound.hold(HELD_BYTES)
    bound.zcrx.step("close", ring=0)
    wait_until_free(dut)
    assert bound.zcrx.bind(bound.queue, ifq=1, ring=1, area=MIB).errno == ""
    bound.transfer(ifq=1, ring=1)


@pytest.mark.only_oracle("the NIC writes to no page that was given back")
def test_process_killed_while_buffers_are_held(bound: BoundQueue, dut: Dut) -> None:
    """SIGKILL: ring, area and held buffers go at once, in whatever order."""
    bound.hold(HELD_BYTES)
    dut.run(["kill", "-s", "KILL", str(bound.zcrx.pid)])
    wait_until_free(dut)


def test_queued_data_outlives_the_ring(bound: BoundQueue, dut: Dut) -> None:
    """Packets in a socket hold buffers: their page pool stays until the socket goes."""
    with queued_stream(bound):
        bound.zcrx.step("close", ring=0)
        await_detached(dut)
        bound.zcrx.step("close", socket=1)
    wait_until_free(dut)


def await_detached(dut: Dut) -> None:
    """Wait until the queue has let go of its provider, which leaves a page pool."""
    deadline = time.monotonic() + LIMIT_S * dut.patience
    while (state := netdev_state(dut)).providers:
        if time.monotonic() > deadline:
            pytest.fail("the queue still has its provider")
        pause(dut, 0.05)
    assert state.detached_pools


def test_queued_data_is_received_by_a_later_request(bound: BoundQueue) -> None:
    """What waited in the socket arrives by zero copy once it is requested."""
    with (
        through_queues(bound.dut, bound.queue, total_bytes=HELD_BYTES),
        queued_stream(bound) as sender,
    ):
        bound.zcrx.receive()
        assert bound.zcrx.collect(ends=1).bytes == HELD_BYTES
        assert bound.zcrx.digest() == (HELD_BYTES, sender.sent().sha256)
    assert bound.zcrx.state().copy_bytes == nothing_copied(bound.dut)


def test_plain_read_of_zero_copy_data(bound: BoundQueue) -> None:
    """recv(2) of payload that lies in an area ends with EFAULT and loses nothing.

    ``tcp_recvmsg_locked()``: such a packet's fragments are not readable.
    """
    with queued_stream(bound) as sender:
        assert bound.zcrx.step("read", socket=1)["errno"] == "EFAULT"
        bound.zcrx.receive()
        bound.zcrx.collect(ends=1)
        assert bound.zcrx.digest() == (HELD_BYTES, sender.sent().sha256)


def pinned_pages(dut: Dut) -> int:
    """Pages of user memory that the kernel holds for devices; with SMP each CPU keeps some back."""
    refresh = "/proc/sys/vm/stat_refresh"
    words = dut.run(["sh", "-c", f"cat $(ls {refresh} 2>/dev/null) /proc/vmstat"]).text.split()
    count = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    return count["nr_foll_pin_acquired"] - count["nr_foll_pin_released"]


def test_area_stays_pinned(bound: BoundQueue, dut: Dut) -> None:
    """What the user gives up stays with the NIC: whoever gets memory next keeps what he writes.

    Pages of the user's own stand in the area's place, and the NIC writes to as many as it has.
    """
    pinned = pinned_pages(dut)
    assert pinned >= BUFFERS
    bound.zcrx.step("replace", fill=FILL)
    assert pinned_pages(dut) == pinned
    with bound.stream(ROUND_BYTES):
        bound.zcrx.receive()
        got = bound.zcrx.collect(ends=1)
        assert (got.bytes, got.ends[0].errno) == (ROUND_BYTES, "")
    assert bound.zcrx.step("differ", fill=FILL)["bytes"] == 0
    bound.zcrx.step("close", ring=0)
    wait_until_free(dut)
    assert pinned_pages(dut) <= pinned - BUFFERS


@pytest.mark.only_oracle("the NIC writes to no page that was given back")
def test_area_unmapped_while_in_use(bound: BoundQueue, dut: Dut) -> None:
    """The kernel's pins keep the area alive for the NIC when the user unmaps it."""
    with queued_stream(bound):
        bound.zcrx.step("unmap", what="area")
        bound.zcrx.step("close", ring=0)
        bound.zcrx.step("close", socket=1)
    wait_until_free(dut)
