# SPDX-License-Identifier: GPL-2.0-only
"""Pages come back to their pool by the shortest way, and stay mapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.dut.counters import settled_state
from testbed.dut.defer import Defer
from testbed.dut.nic import link, restart_queue, set_mtu, split_headers, wait_until_free
from testbed.dut.page_pool import PAGE_BYTES, PoolStats, attached_pools, pools
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, Traffic, check_stream, require_equal

from .conftest import FRAMES, Bursts

pytestmark = pytest.mark.needs(Capability.PAGE_POOL_STATS)

PORT = 5800
WARM_UP_STREAMS = 3
MOST_STREAMS = 6
"""Of a busy host: a reader that was kept waiting gives back more at once than the ring holds."""
STREAM_BYTES = 8 * MIB
BULK_PAGES = 64  # PP_ALLOC_CACHE_REFILL
DEFER_MAX = "net.core.skb_defer_max"
FULL_RATE, LEAST_RATE = 0.99, 0.95

CardState = Callable[[], dict[str, Any]]


def stream_stats(dut: Dut, remote: Endpoint) -> PoolStats:
    """What one stream adds to the counters, once others like it have filled the pool."""
    for _ in range(WARM_UP_STREAMS):
        check_stream(dut, remote, port=PORT, total_bytes=STREAM_BYTES)
    before = pools(dut).total
    check_stream(dut, remote, port=PORT, total_bytes=STREAM_BYTES)
    return pools(dut).total - before


def dropped(dut: Dut, bursts: Bursts) -> PoolStats:
    """What frames that the stack drops at once add to the counters, after some that warm up."""
    bursts(2)
    before = pools(dut).total
    frames = bursts(4)
    grown = pools(dut).total - before
    assert grown.handed_out >= frames // 4, "the frames took no pages of the pool"
    return grown


def test_dropped_packets_go_back_to_the_cache(dut: Dut, one_queue: None, bursts: Bursts) -> None:
    """A packet freed where it was received returns its pages without a lock: the fast path."""
    grown = dropped(dut, bursts)
    assert grown.recycle_cached >= FULL_RATE * grown.returned
    assert grown.alloc_fast >= FULL_RATE * grown.handed_out


def test_dropped_packets_need_no_new_page(
    dut: Dut, remote: Endpoint, one_queue: None, bursts: Bursts
) -> None:
    """After warm-up the page allocator is not called once."""
    check_stream(dut, remote, port=PORT, total_bytes=STREAM_BYTES)
    bursts(2)
    before = pools(dut).total
    assert bursts(4) == 4 * FRAMES
    grown = pools(dut).total - before
    assert (grown.alloc_slow, grown.alloc_slow_high_order) == (0, 0)


def test_stream_recycles(dut: Dut, remote: Endpoint, one_queue: None) -> None:
    """Of a stream's pages as many come back as went out, and nearly all stay in the pool."""
    for _ in range(MOST_STREAMS if Capability.REAL_TIME in dut.capabilities else 1):
        grown = stream_stats(dut, remote)
        assert grown.handed_out >= STREAM_BYTES // PAGE_BYTES
        assert grown.returned >= LEAST_RATE * grown.handed_out
        assert grown.recycle_released_refcnt <= (1 - LEAST_RATE) * grown.handed_out
        if grown.recycled >= LEAST_RATE * grown.handed_out:
            break
    assert grown.recycled >= LEAST_RATE * grown.handed_out


def free_where_it_is_read(dut: Dut, defer: Defer) -> None:
    """No packet waits to be freed by the CPU that received it (``skb_attempt_defer_free()``)."""
    before = dut.run(["sysctl", "-n", DEFER_MAX]).text.strip()
    dut.run(["sysctl", "-qw", f"{DEFER_MAX}=0"])
    defer(dut.run, ["sysctl", "-qw", f"{DEFER_MAX}={before}"])


@pytest.mark.needs(Capability.SYSCTLS)
def test_stream_returns_by_the_ring(
    dut: Dut, remote: Endpoint, one_queue: None, defer: Defer
) -> None:
    """A process that reads is not the NAPI: its pages go by the ring, and are taken from there.

    As long as it frees them itself: the kernel likes to have packets freed by the CPU that
    received them (skb_attempt_defer_free), which is the NAPI's.
    """
    free_where_it_is_read(dut, defer)
    grown = stream_stats(dut, remote)
    assert grown.recycle_ring > grown.recycle_cached
    assert grown.alloc_refill > 0


def test_stream_needs_few_new_pages(dut: Dut, remote: Endpoint, one_queue: None) -> None:
    """After warm-up a stream does not live on the page allocator."""
    grown = stream_stats(dut, remote)
    assert grown.alloc_slow <= (1 - LEAST_RATE) * grown.handed_out


def transmitted(dut: Dut) -> int:
    """Packets the interface has sent; each is mapped once, or once for each of its pieces."""
    return int(link(dut)["stats64"]["tx"]["packets"])


@pytest.mark.needs(Capability.IOMMU, Capability.CARD_STATE)
def test_no_mapping_per_packet(
    dut: Dut, remote: Endpoint, one_queue: None, bursts: Bursts, card_state: CardState
) -> None:
    """The IOMMU is not touched for a received packet, neither to map nor to unmap."""
    check_stream(dut, remote, port=PORT, total_bytes=STREAM_BYTES)
    bursts(2)
    sent, before = transmitted(dut), card_state()
    assert bursts(4) == 4 * FRAMES
    after = card_state()
    most = 2 * (transmitted(dut) - sent)
    assert after["maps_total"] - before["maps_total"] <= most
    assert after["unmaps_total"] - before["unmaps_total"] <= most


@pytest.mark.needs(Capability.IOMMU, Capability.CARD_STATE)
def test_no_mapping_per_packet_of_a_stream(
    dut: Dut, remote: Endpoint, one_queue: None, card_state: CardState
) -> None:
    """The same of a TCP stream: what is mapped are its acknowledgements, but for 1 in 20 pages.

    And pages new to the pool, which takes them in bulks: a reader that comes late has more in its
    socket than the pool ever had, and more to give back at once than its ring takes.
    """
    for _ in range(WARM_UP_STREAMS):
        check_stream(dut, remote, port=PORT, total_bytes=STREAM_BYTES)
    taken, sent, before = pools(dut).total.alloc_slow, transmitted(dut), card_state()["maps_total"]
    received = settled_state(dut).total("rx_packets")
    check_stream(dut, remote, port=PORT, total_bytes=STREAM_BYTES)
    for_receive = card_state()["maps_total"] - before - 2 * (transmitted(dut) - sent)
    new = BULK_PAGES * (pools(dut).total.alloc_slow - taken)
    packets = settled_state(dut).total("rx_packets") - received
    assert packets >= STREAM_BYTES // 65536
    assert for_receive - new <= (1 - LEAST_RATE) * STREAM_BYTES / PAGE_BYTES, (for_receive, new)


@pytest.mark.parametrize("mtu", [1500, 4096, 9000])
def test_order_0_only(dut: Dut, remote: Endpoint, defer: Defer, mtu: int) -> None:
    """The driver asks for single pages, whatever the MTU."""
    set_mtu(dut, remote, mtu, defer)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=4)
    state = attached_pools(dut)
    assert state
    for pool in state:
        assert pool["inflight_bytes"] == pool["inflight"] * PAGE_BYTES
    total = pools(dut).total
    assert total.handed_out
    assert total.alloc_slow_high_order == 0


@pytest.mark.needs(Capability.SMP, Capability.SYSCTLS)
def test_return_from_each_cpu(dut: Dut, remote: Endpoint, one_queue: None, defer: Defer) -> None:
    """Wherever the process runs that frees them, pages come back to the pool of the queue.

    It frees them itself: else it is the CPU that received them, wherever the process runs.
    """
    free_where_it_is_read(dut, defer)
    cpus = int(dut.run(["nproc"]).text)
    for cpu in range(cpus):
        for stream in range(MOST_STREAMS if Capability.REAL_TIME in dut.capabilities else 2):
            before = pools(dut).total
            with Traffic(dut, remote, port=PORT, flows=1, most_bytes=STREAM_BYTES) as traffic:
                pinned = ["taskset", "--all-tasks", "--cpu-list", "--pid", str(cpu)]
                dut.run([*pinned, str(traffic.receiver_pid)])
                require_equal(traffic.finish())
            grown = pools(dut).total - before
            if stream and grown.recycled >= LEAST_RATE * grown.handed_out:
                break
        assert grown.recycled >= LEAST_RATE * grown.handed_out, f"freed on CPU {cpu}"
        assert grown.recycle_ring > 0


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)
def test_fast_path_after_queue_restart(
    dut: Dut, one_queue: None, defer: Defer, bursts: Bursts
) -> None:
    """A restarted queue's new pool belongs to its NAPI, too: packets freed there skip the ring."""
    split_headers(dut, defer)
    (old,) = pools(dut).by_id
    restart_queue(dut, 0, 2)
    state = wait_until_free(dut)
    (pool,) = state.page_pools
    assert pool["id"] != old, "the restarts made no new pool"
    assert [pool["napi_id"]] == [q["napi_id"] for q in state.queues if q["type"] == "rx"]
    grown = dropped(dut, bursts)
    assert grown.recycle_cached >= FULL_RATE * grown.returned
    assert grown.recycle_ring <= (1 - FULL_RATE) * grown.returned
    assert grown.alloc_fast >= FULL_RATE * grown.handed_out
