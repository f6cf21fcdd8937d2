# SPDX-License-Identifier: GPL-2.0-only
"""What the ``netdev`` netlink family says of a bound queue (``io_pp_nl_fill()``), and when not."""

from __future__ import annotations

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.nic import CHANNELS, ethtool, set_ring, wait_until_free
from testbed.dut.protocols import Capability, Dut
from testbed.dut.zcrx_local import spare_buffers
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, BoundQueue
from testbed.errors import GuestCommandFailed

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5126
HELD_BYTES = 40 * BUFFER_BYTES


def buffer_lengths(dut: Dut) -> dict[tuple[str, int], int]:
    """Queues with a provider -> length of its buffers."""
    return {
        (queue["type"], queue["id"]): queue["rx_buf_len"]
        for queue in netdev_state(dut).queues
        if queue["io_uring"]
    }


def said_length(dut: Dut) -> int:
    """The length of a buffer as the dumps say it: 0 where the kernel offers no choice."""
    return BUFFER_BYTES if Capability.ZCRX_BUFFER_LENGTH in dut.capabilities else 0


@pytest.mark.finding("zcrx-dma-segment")
def test_queue_and_pool_name_their_provider(bound: BoundQueue, dut: Dut) -> None:
    """The bound queue and its page pool, no other, have the provider, with its buffers' length."""
    assert buffer_lengths(dut) == {("rx", bound.queue): said_length(dut)}
    (pool,) = bound.pools()
    assert pool["rx_buf_len"] == said_length(dut)
    assert not pool["detached"]
    napi = {q["id"]: q["napi_id"] for q in netdev_state(dut).queues if q["type"] == "rx"}
    assert pool["napi_id"] == napi[bound.queue]


def test_provider_disappears(bound: BoundQueue, dut: Dut) -> None:
    """After the ring is closed neither dump mentions it."""
    bound.transfer()
    bound.zcrx.step("close", ring=0)
    wait_until_free(dut)
    assert buffer_lengths(dut) == {}
    assert bound.pools() == []


@pytest.mark.finding("vnic-default-ring-stale")
def test_every_bound_queue_is_named(bound: BoundQueue, dut: Dut) -> None:
    """All queues of the interface bound at once."""
    for queue in range(CHANNELS - 1):
        assert bound.zcrx.register(queue, ifq=1 + queue, area=1 << 20).errno == ""
    length = said_length(dut)
    assert buffer_lengths(dut) == {("rx", queue): length for queue in range(CHANNELS)}
    assert len(bound.pools()) == CHANNELS


def check_inflight(bound: BoundQueue) -> int:
    """What is in flight and what is in the free list are the whole area; how much is in flight."""
    (pool,) = bound.pools()
    inflight = int(pool["inflight"])
    assert inflight + spare_buffers(bound.dut, bound.zcrx) == BUFFERS
    return inflight


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_inflight_counts_what_is_out(bound: BoundQueue) -> None:
    """Buffers in the NIC's ring, in the pool's cache and with the user are in flight, no more.

    ``pages_state_hold_cnt`` and ``release_cnt`` of the page pool, from
    ``net_mp_niov_set_page_pool()`` and ``net_mp_niov_clear_page_pool()``. All others are in the
    area's free list, from which copies take them.
    """
    fresh = check_inflight(bound)
    held = bound.hold(HELD_BYTES)
    assert max(fresh, held) < check_inflight(bound) < BUFFERS
    for _ in range(6):
        bound.zcrx.give_back()
        bound.take_returned()
        for _ in range(3):
            bound.transfer()
        bound.hold(HELD_BYTES)
    check_inflight(bound)


def test_provider_survives_the_link(bound: BoundQueue, dut: Dut, defer: Defer) -> None:
    """Down and up, and a ring of another size: the queue's new page pool has the provider."""
    before = bound.pools()
    cycle_link(dut)
    set_ring(dut, "rx", 64, defer)
    after = bound.pools()
    assert [pool["id"] for pool in after] != [pool["id"] for pool in before]
    assert buffer_lengths(dut) == {("rx", bound.queue): said_length(dut)}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("-G", "tcp-data-split", "off"), id="no header split"),
        pytest.param(("-G", "hds-thresh", "256"), id="a split threshold"),
        pytest.param(("-L", "combined", "2"), id="fewer channels"),
    ],
)
def test_bound_queue_forbids(bound: BoundQueue, dut: Dut, words: tuple[str, ...]) -> None:
    """What zero-copy receive stands on cannot be taken from under it (net/ethtool)."""
    with pytest.raises(GuestCommandFailed):
        ethtool(dut, words[0], dut.netdev, *words[1:])
    bound.transfer()
