# SPDX-License-Identifier: GPL-2.0-only
"""A receive queue with data of both kinds, and one that is full: nothing is joined or copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from testbed.dut.counters import tcp_counters
from testbed.dut.devmem import PAGE_BYTES, DevmemSetup
from testbed.dut.nic import wait_until_free
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT)

PART_BYTES = 1000
PARTS = 4
SEGMENT_BYTES = 200
RECEIVE_BUFFER = 64 << 10
FLOOD_BYTES = 20_000  # a page for each segment, and for all of them there is no room
RECEIVE_MEMORY = "net.ipv4.tcp_rmem"
ESTABLISHED = "01"
EXPECTED = "expected"
WAIT_S, POLL_S = 20.0, 0.1


def unread(bench: DevmemSetup) -> int:
    """Bytes that lie in the receive queue of the one connection to the queue's port."""
    for line in bench.dut.run(["cat", "/proc/net/tcp"]).text.splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == ESTABLISHED and int(local.partition(":")[2], 16) == bench.where.port:
            return int(queues.partition(":")[2], 16)
    pytest.fail(f"no connection to port {bench.where.port}")


def await_that(bench: DevmemSetup, reached: Callable[[], bool], what: str) -> None:
    """Wait until it is so; the test fails if it does not become so."""
    for _ in range(int(WAIT_S / POLL_S)):
        if reached():
            return
        pause(bench.dut, POLL_S)
    pytest.fail(f"not within {WAIT_S} s: {what}")


def leave_unread(bench: DevmemSetup, seed: int) -> None:
    """Send a part, and let it lie in the receive queue."""
    there = unread(bench)
    bench.send(PART_BYTES, seed=seed)
    await_that(bench, lambda: unread(bench) == there + PART_BYTES, "a part has arrived")


def expected_digest(bench: DevmemSetup, parts: Sequence[tuple[int, int]]) -> str:
    """SHA-256 of seeded bytes one after the other; ``parts`` are (seed, bytes)."""
    total = sum(count for _, count in parts)
    bench.console.do(f"udmabuf {EXPECTED} {-(-total // PAGE_BYTES) * PAGE_BYTES}")
    at = 0
    for seed, count in parts:
        bench.console.do(f"random {EXPECTED} {seed} {at} {count}")
        at += count
    return str(bench.console.do(f"digest {EXPECTED}:0:{total}")["sha256"])


@pytest.mark.parametrize("bound_first", [False, True], ids=["ordinary first", "bound first"])
def test_both_kinds_unread_in_one_socket(bench: DevmemSetup, bound_first: bool) -> None:
    """Segments from before and after each (un)binding lie side by side: each is read as it is.

    Each binding has a dmabuf of its own: the pages of the one before it hold what is unread.
    """
    bench.connect()
    for part in range(PARTS):
        in_device_memory = part % 2 == (0 if bound_first else 1)
        if in_device_memory:
            bench.bind(buffer=f"memory{part}")
        leave_unread(bench, part)
        if in_device_memory:
            bench.console.do("unbind binding")
    received = bench.drain(PARTS * PART_BYTES)
    assert (received["fragment_bytes"], received["linear"]) == (PARTS // 2 * PART_BYTES, 0)
    parts = [(part, PART_BYTES) for part in range(PARTS)]
    assert received["sha256"] == expected_digest(bench, parts)
    wait_until_free(bench.dut)


def little_room(bench: DevmemSetup) -> None:
    """Receive buffers of RECEIVE_BUFFER, and a peer that sends segments of SEGMENT_BYTES."""
    dut, peer = bench.dut, bench.remote.ipv4
    before = dut.run(["sysctl", "-n", RECEIVE_MEMORY]).text.split()
    dut.run(["sysctl", "-qw", f"{RECEIVE_MEMORY}=4096 {RECEIVE_BUFFER} {RECEIVE_BUFFER}"])
    bench.defer(dut.run, ["sysctl", "-qw", f"{RECEIVE_MEMORY}={' '.join(before)}"])
    dut.run(["ip", "route", "add", peer, "dev", dut.netdev, "advmss", str(SEGMENT_BYTES)])
    bench.defer(dut.run, ["ip", "route", "del", peer, "dev", dut.netdev])


def flood(bench: DevmemSetup, seed: int) -> int:
    """Send until the receive buffer is full; how many packets the kernel put together for room."""
    before = tcp_counters(bench.dut)
    bench.send(FLOOD_BYTES, seed=seed)
    await_that(
        bench,
        lambda: tcp_counters(bench.dut)["PruneCalled"] > before["PruneCalled"],
        "a full receive queue",
    )
    return tcp_counters(bench.dut)["TCPRcvCollapsed"] - before["TCPRcvCollapsed"]


@pytest.mark.needs(Capability.SYSCTLS)
@pytest.mark.parametrize("bound", [True, False], ids=["in device memory", "ordinary"])
def test_full_queue_is_not_collapsed(bench: DevmemSetup, bound: bool) -> None:
    """Small segments fill the queue: ordinary ones are put together, those the CPU cannot read not.

    What had no room is dropped and sent again: all of it arrives.
    """
    little_room(bench)
    if bound:
        bench.bind()
    bench.connect()
    assert bool(flood(bench, 1)) is not bound
    received = bench.drain(FLOOD_BYTES)
    assert received["fragment_bytes"] == (FLOOD_BYTES if bound else 0)
    assert received["sha256"] == expected_digest(bench, [(1, FLOOD_BYTES)])


@pytest.mark.needs(Capability.SYSCTLS)
def test_collapse_ends_at_device_memory(bench: DevmemSetup) -> None:
    """In a full queue that begins with ordinary segments only these are put together."""
    little_room(bench)
    bench.connect()
    leave_unread(bench, 1)
    bench.bind()
    assert flood(bench, 2) > 0
    received = bench.drain(PART_BYTES + FLOOD_BYTES)
    assert received["fragment_bytes"] == FLOOD_BYTES
    assert received["sha256"] == expected_digest(bench, [(1, PART_BYTES), (2, FLOOD_BYTES)])
