# SPDX-License-Identifier: GPL-2.0-only
"""Pages handed out, returned and answered for: the books balance, whatever is set meanwhile."""

from __future__ import annotations

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.nic import (
    dedicate_queue,
    ethtool,
    ethtool_json,
    restart_queue,
    set_channels,
    set_link,
    set_mtu,
    set_ring,
    wait_until_free,
)
from testbed.dut.page_pool import (
    PAGE_BYTES,
    attached_pools,
    heads_posted,
    inflight,
    outstanding,
    pools,
)
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, Traffic, check_stream, require_equal

from .conftest import Bursts

pytestmark = pytest.mark.needs(Capability.PAGE_POOL_STATS)

PORT = 5810
RESTARTS = 20
STREAMS = 4
PACE = 8_000_000
CACHE_PAGES = 128  # PP_ALLOC_CACHE_SIZE
BULK_PAGES = 64  # PP_ALLOC_CACHE_REFILL


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_books_balance(dut: Dut, remote: Endpoint, one_queue: None, bursts: Bursts) -> None:
    """Between two quiet moments as many pages came back as went out."""
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)
    before = pools(dut).total
    for _ in range(3):
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
        bursts(1)
    wait_until_free(dut)
    grown = pools(dut).total - before
    assert grown.handed_out >= 3 * MIB // 1024
    assert abs(grown.handed_out - grown.returned) <= heads_posted(dut)
    cycle_link(dut)
    wait_until_free(dut)  # what is not back now never comes


def test_pool_answers_for_what_is_out(dut: Dut, remote: Endpoint, one_queue: None) -> None:
    """In flight are the pages out and those in the pool's own lists, which are bounded."""
    check_stream(dut, remote, port=PORT, total_bytes=8 * MIB)
    wait_until_free(dut)
    out, total = outstanding(dut), sum(inflight(dut).values())
    ring = int(ethtool_json(dut, "-g")["rx"])
    assert out >= ring
    # pool_size, and with it the ring of returned pages, is what the driver posts at most
    assert out <= total <= 2 * out + CACHE_PAGES


def test_pool_answers_for_as_many_wherever_they_lie(
    dut: Dut, remote: Endpoint, one_queue: None
) -> None:
    """While no page enters or leaves the pool, the number in flight stays, to the page."""
    for _ in range(3):
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)
    for _ in range(STREAMS):
        answered, before = inflight(dut), pools(dut).total
        check_stream(dut, remote, port=PORT, total_bytes=MIB)
        wait_until_free(dut)
        grown = pools(dut).total - before
        assert grown.handed_out >= MIB // PAGE_BYTES
        if (grown.alloc_slow, grown.recycle_ring_full, grown.recycle_released_refcnt) == (0, 0, 0):
            break
    else:
        pytest.fail(f"{STREAMS} streams, and in each a page entered or left the pool: {grown}")
    assert inflight(dut) == answered


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)
def test_restarts_do_not_drift(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """However often a queue restarts, its pool answers for as many pages as the first one did."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    restart_queue(dut, where.queue, 2)
    wait_until_free(dut)
    before, pages = inflight(dut), outstanding(dut)
    assert restart_queue(dut, where.queue, RESTARTS).restarts == RESTARTS
    wait_until_free(dut)
    after = inflight(dut)
    assert len(after) == len(before)
    assert sorted(after.values()) == sorted(before.values())
    assert outstanding(dut) == pages
    assert set(after) != set(before), "the restarts made no new pool"


@pytest.mark.parametrize("entries", [64, 511, 2047])
def test_ring_size(dut: Dut, remote: Endpoint, one_queue: None, defer: Defer, entries: int) -> None:
    """A ring of another size has a pool of another size; the old one is gone with all its pages."""
    old = set(inflight(dut))
    set_ring(dut, "rx", 128, defer)
    smaller = outstanding(dut)
    ethtool(dut, "-G", dut.netdev, "rx", str(entries))
    assert not old & set(inflight(dut))
    check_stream(dut, remote, port=PORT, total_bytes=2 * MIB)
    wait_until_free(dut)
    pages = outstanding(dut)
    assert pages >= entries
    assert (pages > smaller) is (entries > 128)


@pytest.mark.needs(Capability.SMP)
def test_new_pool_is_filled_in_bulk(dut: Dut, one_queue: None, defer: Defer) -> None:
    """The page allocator is called once for 64 pages, not for each: a ring is filled that way.

    A kernel without SMP has no lists of pages per CPU to take them from (pcp_spin_trylock()).
    """
    set_ring(dut, "rx", 128, defer)
    ethtool(dut, "-G", dut.netdev, "rx", "1023")
    total = pools(dut).total
    assert total.handed_out >= 1023
    assert total.alloc_slow_high_order == 0
    assert total.alloc_slow <= -(-total.handed_out // BULK_PAGES) + 1, total


def test_mtu_changes_under_traffic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Each change of the MTU makes new pools; pages that are still with users find home."""
    set_mtu(dut, remote, 9000, defer)
    with Traffic(dut, remote, port=PORT, flows=4, pace=PACE, timeout_s=300) as traffic:
        for mtu in (1500, 4096, 9000):
            old = set(inflight(dut))
            set_link(dut, "mtu", str(mtu))
            new = {pool["id"] for pool in attached_pools(dut)}
            assert new
            assert not old & new
            traffic.check_running()
        require_equal(traffic.stop())
    state = wait_until_free(dut)
    assert {pool["id"] for pool in state.page_pools} == new


def test_every_queue_has_its_pool(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """1, 2 and more channels: pools of exactly the NAPIs that receive, each with pages out."""
    most = int(ethtool_json(dut, "-l")["combined-max"])
    set_channels(dut, 1, defer)
    for count in (2, 5, 8, 1):
        if count > most:
            continue
        ethtool(dut, "-L", dut.netdev, "combined", str(count))
        check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=8)
        state = wait_until_free(dut)
        napis = {queue["napi_id"] for queue in state.queues if queue["type"] == "rx"}
        assert len(napis) == count
        assert {pool["napi_id"] for pool in state.page_pools} == napis
        assert all(pool["inflight"] for pool in state.page_pools)
    set_channels(dut, 1, defer)


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_down_returns_every_page(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """An interface that is down has no pool; up again it has as many as before."""
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)
    before = wait_until_free(dut).page_pools
    set_link(dut, "down")
    defer(cycle_link, dut)
    wait_until_free(dut)
    assert not netdev_state(dut).page_pools
    assert not pools(dut).orphans
    cycle_link(dut)
    assert len(attached_pools(dut)) == len(before)
    check_stream(dut, remote, port=PORT, total_bytes=MIB)
