# SPDX-License-Identifier: GPL-2.0-only
"""The refill ring: what the kernel takes from it, and what it must refuse without harm.

Two functions of io_uring/zcrx.c read it: ``io_zcrx_ring_refill()`` as the driver needs buffers,
and ``zcrx_flush_rq()`` as the user asks. Both go through ``io_parse_rqe()`` (which entry is none)
and ``io_zcrx_put_niov_uref()`` (which buffer is not the user's).
"""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import ENDLESS, MIB
from testbed.dut.zcrx_account import nothing_copied
from testbed.dut.zcrx_queue import (
    BUFFER_BYTES,
    BUFFERS,
    ROUND_BYTES,
    SPARE_BYTES,
    BoundQueue,
    await_no_detached_pool,
    bound_queue,
)

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

BY_CALL = pytest.mark.needs(Capability.ZCRX_CONTROL)
PATHS = [pytest.param("flush", marks=BY_CALL, id="flush"), "driver"]
PORT = 5121
HELD = 8
MOST_ROUNDS = 5
HELD_BYTES = 30 * BUFFER_BYTES
FLUSHED_BYTES = 4 * MIB
FLUSHED_AREA = 2 * FLUSHED_BYTES
"""Enough for a stream that comes while the ring is full of other entries."""
FLUSHED_ENTRIES = 256
"""A flush takes 32 at a time, the driver up to 64."""
WRONG = {
    "padding": {"pad": 1},
    "highest bit of padding": {"pad": 1 << 31},
    "area 1": {"area": 1},
    "area 65535": {"area": 65535},
    "buffer behind the last": {"add": BUFFERS * BUFFER_BYTES},
    "buffer at the end of the area's address space": {"add": (1 << 48) - BUFFER_BYTES * BUFFERS},
}


def hold_first_buffers(bound: BoundQueue) -> None:
    """Hold the first HELD buffers of the area; all others go round.

    They are the last of its free list: no one asks for them until the others are out at once.
    """
    with bound.stream(ENDLESS) as sender:
        bound.zcrx.receive()
        assert bound.zcrx.collect(bytes=SPARE_BYTES, hold=1).complete
        bound.zcrx.give_back()
        for _ in range(MOST_ROUNDS):  # a duplicate passes through a buffer unseen
            assert bound.zcrx.collect(bytes=ROUND_BYTES, hold_below=HELD).complete
            if bound.zcrx.verify().buffers == HELD:
                break
        sender.stop()
        assert bound.zcrx.collect(ends=1).complete
        received, sent = bound.zcrx.digest(), sender.sent()
        assert received == (sent.bytes, sent.sha256)
    held = bound.zcrx.verify()
    assert held.buffers == HELD, held
    assert held.changed == 0


def check_held_are_ours(bound: BoundQueue) -> None:
    """All other buffers are used again; those held keep their bytes, and can then be returned."""
    bound.transfer()
    assert bound.zcrx.verify().changed == 0
    bound.zcrx.give_back(keep=1)
    bound.use_all()
    held = bound.zcrx.verify()
    assert held.changed == held.held


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("path", PATHS)
def test_wrong_entry_is_refused(bound: BoundQueue, wrong: str, path: str) -> None:
    """An entry that is wrong in one field returns nothing, whoever takes it out of the ring."""
    hold_first_buffers(bound)
    held = bound.zcrx.state().held
    assert bound.zcrx.give_back(keep=1, **WRONG[wrong]) == held
    if path == "flush":
        while bound.zcrx.flush():
            pass
    check_held_are_ours(bound)


@BY_CALL
def test_ring_wraps_around(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """64 entries serve a stream of many times as many buffers, in order and without loss.

    A buffer whose entry was passed over would keep its page pool when the interface goes down.
    """
    with bound_queue(dut, remote, defer, PORT, rq_entries=64) as bound:
        taken = 0
        with bound.stream(2 * MIB) as sender:
            bound.zcrx.receive()
            got = bound.zcrx.collect(completions=48)
            while not got.ends:
                assert got.complete
                taken += got.completions
                assert bound.zcrx.flush() == 0
                got = bound.zcrx.collect(completions=48, timeout=2000)
            taken += got.completions
            assert bound.zcrx.digest() == (2 * MIB, sender.sent().sha256)
        bound.zcrx.flush()
        state = bound.zcrx.state()
        assert taken > 64 * 4
        assert (state.head, state.tail, state.held) == (taken, taken, 0)
        cycle_link(dut)
        await_no_detached_pool(dut)


@BY_CALL
def test_entries_count_once_they_are_published(bound: BoundQueue) -> None:
    """A batch is not seen before the tail says so, and then as a whole."""
    held = bound.hold(HELD_BYTES)
    before = bound.zcrx.state()
    assert bound.zcrx.give_back(publish=0) == held
    bound.zcrx.flush()
    assert bound.zcrx.state().head == before.head
    bound.zcrx.step("publish", ifq=0)
    assert bound.zcrx.flush() == 0
    after = bound.zcrx.state()
    assert (after.head - before.head, after.held) == (held, 0)


def test_good_entries_among_bad_ones_are_taken(bound: BoundQueue) -> None:
    """Each bad entry is passed over; those before and behind it count."""
    hold_first_buffers(bound)
    held = bound.zcrx.state().held
    bound.zcrx.refill(pad=7)
    bound.zcrx.give_back(count=held // 2, keep=1)
    bound.zcrx.refill(token=3 << 48)
    bound.zcrx.refill(buffer=BUFFERS)
    bound.zcrx.give_back(keep=1)
    bound.use_all()
    after = bound.zcrx.verify()
    assert after.changed == after.held


@BY_CALL
def test_flush_goes_on_behind_a_bad_entry(bound: BoundQueue) -> None:
    """``zcrx_parse_rq()`` stops at a bad entry, but has passed it: each call gets further."""
    for _ in range(3):
        bound.zcrx.refill(pad=1)
        bound.zcrx.refill(times=5)
    left = [bound.zcrx.flush() for _ in range(4)]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert bound.zcrx.state().head == 18


@pytest.mark.parametrize("path", PATHS)
def test_buffers_that_are_not_ours_cannot_be_returned(bound: BoundQueue, path: str) -> None:
    """Entries for every buffer of the area, while the NIC or nobody owns it, do nothing."""
    for _ in range(2):
        for buffer in range(0, BUFFERS, 8):
            bound.zcrx.refill(buffer=buffer, times=2)
        if path == "flush":
            assert bound.zcrx.flush() == 0
        bound.transfer()


@pytest.mark.parametrize("path", PATHS)
def test_buffer_returned_twice_counts_once(bound: BoundQueue, path: str) -> None:
    """The second return of a buffer finds no reference of the user's, and is ignored."""
    held = bound.hold(HELD_BYTES)
    for _ in range(2):
        assert bound.zcrx.give_back(keep=1) == held
    if path == "flush":
        assert bound.zcrx.flush() == 0
    for _ in range(2):
        bound.transfer()


def test_any_byte_names_its_buffer(bound: BoundQueue) -> None:
    """An offset into the middle of a buffer returns that buffer (``off >> niov_shift``)."""
    hold_first_buffers(bound)
    bound.zcrx.give_back(keep=1, at=BUFFER_BYTES - 1)
    bound.use_all()
    held = bound.zcrx.verify()
    assert held.changed == held.held


@pytest.mark.parametrize("how", ["locked", "unlocked", "same"])
def test_two_threads_return(bound: BoundQueue, how: str) -> None:
    """Two threads return buffers: with a lock, without one, and each of them every buffer.

    Without a lock they may overwrite each other's entries; what got lost is still ours.
    """
    words = {"locked": {}, "unlocked": {"unlocked": 1}, "same": {"same": 1}}[how]
    held = bound.hold(HELD_BYTES)
    returned = bound.zcrx.give_back(threads=2, keep=1, **words)
    assert returned == (2 * held if how == "same" else held)
    assert bound.take_returned() == 0
    bound.zcrx.give_back()
    for _ in range(2):
        bound.transfer()


@BY_CALL
@pytest.mark.needs(Capability.SMP)
def test_flushes_beside_the_driver(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A thread flushes again and again while the driver refills: each entry is taken once.

    Both read the same ring, and only its lock (``rq.lock``) keeps them apart. Two that take the
    same entries as the ring becomes empty leave its head ahead of its tail for good. The thread is
    on each CPU in turn, since the driver's own is no other's business.
    """
    words = {"scattered": 1, "area": FLUSHED_AREA}
    with bound_queue(dut, remote, defer, PORT, **words) as bound:
        assert bound.zcrx.step("export")["errno"] == ""
        for cpu in range(2):
            bound.zcrx.step("flusher", export=0, cpu=cpu, entries=FLUSHED_ENTRIES)
            bound.transfer(FLUSHED_BYTES)
            assert bound.zcrx.step("flusher", stop=1)["calls"] > 10
            bound.zcrx.give_back()
            assert bound.zcrx.flush() == 0
            state = bound.zcrx.state()
            assert (state.head, state.held) == (state.tail, 0)


@BY_CALL
@pytest.mark.parametrize("ahead", [100, 1000, (1 << 32) - 1], ids=["100", "1000", "backwards"])
def test_tail_beyond_the_ring(dut: Dut, remote: Endpoint, defer: Defer, ahead: int) -> None:
    """However far the tail runs ahead, one flush looks at the ring's 64 entries and no more."""
    with bound_queue(dut, remote, defer, PORT, rq_entries=64) as bound:
        bound.zcrx.refill(times=64)
        assert bound.zcrx.flush() == 0
        bound.zcrx.step("publish", ifq=0, ahead=ahead)
        bound.zcrx.flush()
        assert bound.zcrx.state().head == 64 + 64
        bound.hold(HELD_BYTES)


@BY_CALL
def test_head_written_by_the_user_is_ignored(bound: BoundQueue) -> None:
    """The kernel keeps a head of its own (``cached_head``) and only tells us where it is."""
    assert bound.hold(HELD_BYTES) > 20
    head = bound.zcrx.state().head
    bound.zcrx.give_back(count=20)
    bound.zcrx.step("poke_head", value=head + 12345)
    bound.zcrx.flush()
    assert bound.zcrx.state().head == head + 20
    bound.zcrx.give_back()
    bound.transfer()


def test_memory_of_the_kernel(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A refill ring that the kernel allocates, mapped from the io_uring's file
    (``io_zcrx_get_region()``), gives buffers back like one in memory of the application."""
    with bound_queue(dut, remote, defer, PORT, kernel_region=1) as bound:
        bound.use_all()
        state = bound.zcrx.state()
        assert (state.held, state.copy_bytes) == (0, nothing_copied(dut))
