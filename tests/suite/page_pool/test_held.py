# SPDX-License-Identifier: GPL-2.0-only
"""Pages that a user keeps while their ring, queue or interface goes: nobody else gets them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link, pci_address, reload_driver
from testbed.dut.nic import (
    CHANNELS,
    dedicate_queue,
    restart_queue,
    set_channels,
    set_ring,
    wait_until_free,
)
from testbed.dut.page_pool import (
    PAGE_BYTES,
    Held,
    await_outstanding,
    await_pools_gone,
    await_still,
    heads_posted,
    outstanding,
    pools,
)
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream
from testbed.errors import GuestCommandFailed

pytestmark = pytest.mark.needs(Capability.PAGE_POOL_STATS)

PORT, OTHER_PORT = 5820, 5821
HOLD_BYTES = 256 << 10
HELD_PAGES = (
    HOLD_BYTES // PAGE_BYTES // 2
)  # of two pages a packet may fill but little more than one
WAIT_S = 20.0


def await_detached(dut: Dut, pages: int) -> int:
    """Wait until pools of this interface have lost their queue with so many pages out; how many."""
    deadline = time.monotonic() + WAIT_S * dut.patience
    while True:
        gone = [pool for pool in netdev_state(dut).page_pools if pool["detached"]]
        held = sum(int(pool["inflight"]) for pool in gone)
        if held >= pages:
            return held
        if time.monotonic() > deadline:
            raise GuestCommandFailed(f"detached pools answer for {held} pages, not {pages}")
        pause(dut, 0.1)


def resize_ring(dut: Dut, defer: Defer) -> None:
    """Another ring size."""
    set_ring(dut, "rx", 128, defer)


def down_and_up(dut: Dut, defer: Defer) -> None:
    """The interface down and up."""
    cycle_link(dut)


def change_channels(dut: Dut, defer: Defer) -> None:
    """Another number of channels."""
    set_channels(dut, CHANNELS, defer)


@pytest.mark.parametrize(
    "change",
    [
        resize_ring,
        pytest.param(down_and_up, marks=pytest.mark.needs(Capability.LINK_CYCLE)),
        change_channels,
    ],
)
def test_ring_goes_while_data_waits(
    dut: Dut, remote: Endpoint, one_queue: None, defer: Defer, change: Callable[[Dut, Defer], None]
) -> None:
    """Data that waits in a socket is whole after its ring is gone; its pool waits for it."""
    idle = outstanding(dut)
    with Held(dut, remote, port=PORT, hold_bytes=HOLD_BYTES, total_bytes=4 * MIB) as held:
        await_outstanding(dut, idle + HELD_PAGES)
        change(dut, defer)
        assert await_detached(dut, HELD_PAGES) >= HELD_PAGES
        check_stream(dut, remote, port=OTHER_PORT, total_bytes=4 * MIB)
        assert await_detached(dut, HELD_PAGES) >= HELD_PAGES
        held.release()
    assert held.held_bytes >= HELD_PAGES * PAGE_BYTES
    wait_until_free(dut)


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)
def test_queue_restarts_while_data_waits(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """The same for a restart of the one queue the data came by."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    idle = outstanding(dut)
    with Held(dut, remote, port=PORT, hold_bytes=HOLD_BYTES, total_bytes=4 * MIB) as held:
        await_outstanding(dut, idle + HELD_PAGES)
        await_still(dut)  # what came while the queue is lent out could not be read
        restart_queue(dut, where.queue, 2)
        await_detached(dut, HELD_PAGES)
        held.release()
    wait_until_free(dut)


@pytest.mark.finding("pool-pages-mapped-after-unbind")
@pytest.mark.needs(Capability.DRIVER_RELOAD)
def test_driver_goes_while_data_waits(
    dut: Dut, remote: Endpoint, one_queue: None, defer: Defer
) -> None:
    """The pool of an interface that is gone is still reported, until its last page is back."""
    idle, address = outstanding(dut), pci_address(dut)
    with Held(dut, remote, port=PORT, hold_bytes=HOLD_BYTES, total_bytes=HOLD_BYTES) as held:
        await_outstanding(dut, idle + HELD_PAGES)
        reload_driver(dut, address=address)
        left = pools(dut).orphans
        assert sum(pool["inflight"] for pool in left) >= HELD_PAGES
        check_stream(dut, remote, port=OTHER_PORT, total_bytes=4 * MIB)
        held.release()
    await_pools_gone(dut)


@pytest.mark.needs(Capability.HEADER_SPLIT)
def test_more_waits_than_the_ring_takes(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Pages that come back when ring and cache are full leave the pool, each counted once."""
    dedicate_queue(dut, remote, defer, port=PORT)
    idle = outstanding(dut)
    before = pools(dut).total
    with Held(dut, remote, port=PORT, hold_bytes=8 * MIB, total_bytes=16 * MIB) as held:
        await_outstanding(dut, idle + 6 * MIB // PAGE_BYTES)
        held.release()
    state = wait_until_free(dut)
    grown = pools(dut).total - before
    assert grown.recycle_ring_full > 0
    assert abs(outstanding(dut) - idle) <= heads_posted(dut)
    assert sum(pool["inflight"] for pool in state.page_pools) < 4 * idle
    cycle_link(dut)
    wait_until_free(dut)


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_page_with_another_user_leaves_the_pool(
    dut: Dut, remote: Endpoint, one_queue: None
) -> None:
    """What lies in a pipe is not received over: its pages are not recycled, nor counted as out."""
    idle, before = outstanding(dut), pools(dut).total
    with Held(
        dut, remote, port=PORT, hold_bytes=HOLD_BYTES, total_bytes=4 * MIB, by_pipe=True
    ) as held:
        deadline = time.monotonic() + WAIT_S * dut.patience
        while (grown := pools(dut).total - before).recycle_released_refcnt < HELD_PAGES:
            assert time.monotonic() < deadline, f"pages did not leave the pool: {grown}"
            pause(dut, 0.05)
        for _ in range(3):
            check_stream(dut, remote, port=OTHER_PORT, total_bytes=4 * MIB)
        held.release()
    assert held.held_bytes >= HELD_PAGES * PAGE_BYTES
    assert abs(outstanding(dut) - idle) <= heads_posted(dut)
    cycle_link(dut)
    wait_until_free(dut)
