# SPDX-License-Identifier: GPL-2.0-only
"""RECV_ZC itself: limits, several sockets and queues, wrong requests, control calls.

``io_recvzc_prep()`` and ``io_recvzc()`` (io_uring/net.c), ``io_zcrx_recv()`` and
``io_zcrx_ctrl()`` (io_uring/zcrx.c).
"""

from __future__ import annotations

import time

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import wait_until_free
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import ENDLESS
from testbed.dut.zcrx import EXPORT, FLUSH
from testbed.dut.zcrx_account import nothing_copied, through_queues
from testbed.dut.zcrx_local import CLIENT, SERVER, connect_locally
from testbed.dut.zcrx_queue import BUFFER_BYTES, BoundQueue, bound_queue

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5124
BYTES = 40 * BUFFER_BYTES
MOST_IN_A_TURN = 21 * 17  # packets of a turn, fragments of a packet (MAX_SKB_FRAGS)
TURN_BYTES = 2 * MOST_IN_A_TURN * BUFFER_BYTES
TURN_AREA_BYTES = 8 << 20
WAITING_LIMIT_S = 30.0
MULTISHOT, FIXED_BUF = 2, 4  # IORING_RECV_MULTISHOT, IORING_RECVSEND_FIXED_BUF
CQE_MIXED_RING = 1 << 13 | 1 << 12 | 1 << 18 | 1 << 3 | 1 << 7


@pytest.mark.parametrize("limit", [1, 1000, BUFFER_BYTES, 10_000, BYTES])
def test_limit_is_kept(bound: BoundQueue, limit: int) -> None:
    """A request with a length ends with result 0 after exactly so many bytes; the rest waits."""
    with bound.stream(BYTES) as sender:
        bound.zcrx.receive(bytes=limit)
        got = bound.zcrx.collect(ends=1)
        assert (got.bytes, got.ends[0].result) == (limit, 0)
        assert bound.zcrx.digest()[0] == limit
        bound.zcrx.receive()
        assert bound.zcrx.collect(ends=1).complete
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


def test_limit_beyond_the_stream(bound: BoundQueue) -> None:
    """The sender's end comes first: the request ends with 0 and what there was."""
    with bound.stream(BYTES) as sender:
        bound.zcrx.receive(bytes=2 * BYTES)
        got = bound.zcrx.collect(ends=1)
        assert (got.bytes, got.ends[0].result) == (BYTES, 0)
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


def test_many_limited_requests(bound: BoundQueue) -> None:
    """A stream taken in odd pieces, many to a buffer, is the stream that was sent."""
    with bound.stream(BYTES) as sender:
        for _ in range(20):
            bound.zcrx.receive(bytes=777)
            assert bound.zcrx.collect(ends=1).bytes == 777
        bound.zcrx.receive()
        bound.zcrx.collect(ends=1)
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


def test_several_sockets_on_one_queue(bound: BoundQueue) -> None:
    """Four connections share ring, queue and area; each gets its own bytes."""
    with (
        through_queues(bound.dut, bound.queue, total_bytes=BYTES),
        bound.stream(BYTES, socket=1) as first,
        bound.stream(BYTES // 2, socket=2) as second,
        bound.stream(BYTES // 4, socket=3) as third,
        bound.stream(1, socket=4) as fourth,
    ):
        senders = {1: first, 2: second, 3: third, 4: fourth}
        for socket in senders:
            bound.zcrx.receive(socket)
        got = bound.zcrx.collect(ends=4)
        assert {end.socket for end in got.ends} == set(senders)
        for socket, sender in senders.items():
            seen = bound.zcrx.digest(socket)
            sent = sender.sent()
            assert seen == (sent.bytes, sent.sha256), socket
        assert bound.zcrx.state().copy_bytes == nothing_copied(bound.dut)


def await_waiting(bound: BoundQueue, socket: int, total_bytes: int) -> None:
    """Wait until so many bytes wait in a socket."""
    deadline = time.monotonic() + WAITING_LIMIT_S * bound.dut.patience
    while (seen := bound.zcrx.step("waiting", socket=socket)["bytes"]) != total_bytes:
        assert time.monotonic() < deadline, seen
        pause(bound.dut, 0.05)


def test_requests_take_turns(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Two sockets are full: a request takes some twenty packets, then the other has its turn.

    ``IO_SKBS_PER_CALL_LIMIT``; packets that wait have been joined to as many as 17 fragments.
    """
    words = {"area": TURN_AREA_BYTES, "rq_entries": TURN_AREA_BYTES // BUFFER_BYTES}
    with bound_queue(dut, remote, defer, PORT, **words) as bound:
        bound.receive_buffer = TURN_AREA_BYTES
        with bound.stream(TURN_BYTES, socket=1) as first, bound.stream(TURN_BYTES, socket=2):
            for socket in (1, 2):
                await_waiting(bound, socket, TURN_BYTES)
            for socket in (1, 2):
                bound.zcrx.receive(socket)
            got = bound.zcrx.collect(ends=2)
            assert got.bytes == 2 * TURN_BYTES
            assert got.completions >= 4 * MOST_IN_A_TURN
            assert got.longest <= MOST_IN_A_TURN
            assert bound.zcrx.digest(1) == (TURN_BYTES, first.sent().sha256)


@pytest.mark.needs(Capability.MIXED_COMPLETIONS)
def test_mixed_completions(bound: BoundQueue, dut: Dut) -> None:
    """In a ring with completions of both sizes each payload is a large one."""
    assert bound.zcrx.ring(1, flags=CQE_MIXED_RING, cq=1024) == ""
    bound.zcrx.step("close", ring=0)
    wait_until_free(dut)
    assert bound.zcrx.register(bound.queue, ifq=1, ring=1, area=1 << 20).errno == ""
    with bound.stream(BYTES) as sender:
        bound.zcrx.receive(ifq=1, ring=1)
        got = bound.zcrx.collect(ring=1, ends=1)
        assert got.ends[0].result == 0
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


def test_wrong_requests(bound: BoundQueue) -> None:
    """Each request that makes no sense ends with its errno and takes nothing from the socket."""
    with bound.stream(BYTES) as sender:
        bound.zcrx.step("udp", socket=7)
        wrong = {
            "not multishot": ({"flags": 0}, "EINVAL"),
            "into a registered buffer": ({"flags": MULTISHOT | FIXED_BUF}, "EINVAL"),
            "an address": ({"address": 4096}, "EINVAL"),
            "message flags": ({"message_flags": 2}, "EINVAL"),
            "no such IFQ": ({"id": 7}, "EINVAL"),
            "no socket": ({"fd": 0}, "ENOTSOCK"),
            "no such file": ({"fd": 999}, "EBADF"),
            "UDP": ({"socket": 7}, "EPROTONOSUPPORT"),
            "a listener": ({"socket": 63}, "ENOTCONN"),
        }
        seen = {}
        for name, (words, _) in wrong.items():
            bound.zcrx.receive(**words)
            (end,) = bound.zcrx.collect(ends=1).ends
            seen[name] = end.errno
        assert seen == {name: errno for name, (_, errno) in wrong.items()}
        bound.zcrx.receive()
        assert bound.zcrx.collect(ends=1).bytes == BYTES
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


def test_cancelled_request(bound: BoundQueue) -> None:
    """Cancelling ends a request with ECANCELED; the next goes on where it was."""
    with bound.stream(ENDLESS, pace=200000) as sender:
        bound.zcrx.receive()
        assert bound.zcrx.collect(completions=1).complete
        bound.zcrx.step("cancel", socket=1)
        got = bound.zcrx.collect(ends=1)
        assert [end.errno for end in got.ends] == ["ECANCELED"]
        bound.zcrx.receive()
        sender.stop()
        assert bound.zcrx.collect(ends=1).complete
        received = bound.zcrx.digest()
        sent = sender.sent()
        assert received == (sent.bytes, sent.sha256)


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_full_completion_ring(bound: BoundQueue) -> None:
    """A completion ring of 16 entries ends the request or makes it wait, but loses no byte."""
    assert bound.zcrx.ring(1, sq=8, cq=16) == ""
    assert bound.zcrx.register(bound.queue - 1, ifq=1, ring=1, area=1 << 20).errno == ""
    bound.zcrx.step("export", ifq=0)
    assert bound.zcrx.step("import", ifq=2, of=0, ring=1)["errno"] == ""
    with bound.stream(BYTES) as sender:
        bound.zcrx.receive(ifq=2, ring=1)
        while bound.zcrx.digest()[0] < BYTES:
            got = bound.zcrx.collect(ring=1, completions=1)
            assert got.complete or got.ends
            for end in got.ends:
                assert end.errno == "ENOSPC" or bound.zcrx.digest()[0] == BYTES, "the stream's end"
                bound.zcrx.receive(ifq=2, ring=1)
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_wrong_control_calls(bound: BoundQueue) -> None:
    """``io_zcrx_ctrl()`` answers each mistake with its errno."""
    answers = {
        "unknown call": (bound.zcrx.control(77), "EOPNOTSUPP"),
        "no such IFQ": (bound.zcrx.control(FLUSH, id=9), "ENXIO"),
        "reserved word": (bound.zcrx.control(FLUSH, reserved=1), "EFAULT"),
        "flush with an argument": (bound.zcrx.control(FLUSH, payload=1), "EINVAL"),
        "export with an argument": (bound.zcrx.control(EXPORT, payload=1), "EINVAL"),
        "a count": (bound.zcrx.control(FLUSH, count=1), "EINVAL"),
    }
    wrong = {name: seen for name, (seen, errno) in answers.items() if seen[0] != errno}
    assert not wrong
    bound.transfer()


def test_peer_resets(bound: BoundQueue) -> None:
    """A connection that dies ends its request; buffers still held remain good."""
    with bound.stream(64 << 20, pace=2_000_000) as sender:
        bound.zcrx.receive()
        assert bound.zcrx.collect(completions=20, hold=1).complete
        sender.running.kill()
        (end,) = bound.zcrx.collect(ends=1).ends
        assert end.errno in ("", "ECONNRESET")
        bound.zcrx.step("close", socket=1)
    bound.transfer()
    assert bound.zcrx.verify().changed == 0
    assert bound.zcrx.give_back() > 0


def test_reset_is_reported(bound: BoundQueue, dut: Dut) -> None:
    """A request that waits ends with ECONNRESET: the peer closed with data unread."""
    connect_locally(dut, bound.zcrx)
    bound.zcrx.receive(SERVER)
    assert not bound.zcrx.collect(ends=1, timeout=50).ends
    bound.zcrx.step("send", socket=SERVER, bytes=1000)
    bound.zcrx.step("close", socket=CLIENT)
    assert [end.errno for end in bound.zcrx.collect(ends=1).ends] == ["ECONNRESET"]
    bound.transfer()
