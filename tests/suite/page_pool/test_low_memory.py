# SPDX-License-Identifier: GPL-2.0-only
"""Page pools when the page allocator refuses."""

from __future__ import annotations

import pytest

from testbed.dut.nic import wait_until_free
from testbed.dut.page_pool import Held, heads_posted, outstanding, pools
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

from .conftest import Bursts, await_refusals, refusing

pytestmark = [pytest.mark.needs(Capability.PAGE_POOL_STATS, Capability.FAILING_ALLOCATIONS)]

PORT = 5840
HOLD_BYTES = 4 * MIB


def warm_up(dut: Dut, remote: Endpoint) -> None:
    """Streams that fill the pool."""
    for _ in range(3):
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)


@pytest.mark.parametrize("percent", [20, 60])
def test_stream_lives_on_recycled_pages(
    dut: Dut, remote: Endpoint, one_queue: None, percent: int
) -> None:
    """A pool that is warm carries a stream while others are refused: it asks for no page itself."""
    warm_up(dut, remote)
    out, before = outstanding(dut), pools(dut).total
    with refusing(dut, percent) as refused:
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
        assert refused() > 0, "nobody asked for a page"
    wait_until_free(dut)
    grown = pools(dut).total - before
    assert grown.recycled >= 0.95 * grown.handed_out
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)
    assert abs(outstanding(dut) - out) <= heads_posted(dut)


def test_dropped_packets_need_no_page_at_all(dut: Dut, one_queue: None, bursts: Bursts) -> None:
    """Packets the stack drops are received while every single request for a page is refused."""
    bursts(8)  # as many pages as ever wait at once
    before = pools(dut).total
    with refusing(dut, 100) as refused:
        frames = bursts(4)
        assert refused() > 0, "nobody asked for a page"
    grown = pools(dut).total - before
    assert grown.handed_out >= frames // 4, "the frames took no pages of the pool"
    assert (grown.alloc_empty, grown.alloc_slow) == (0, 0)
    assert grown.recycled == grown.returned


def test_empty_pool_is_refused_and_recovers(dut: Dut, remote: Endpoint, one_queue: None) -> None:
    """With its pages in a socket a pool asks, often in vain. When they are back, all goes on."""
    warm_up(dut, remote)
    idle, before = outstanding(dut), pools(dut).total
    hold = Held(dut, remote, port=PORT, hold_bytes=HOLD_BYTES, total_bytes=2 * HOLD_BYTES)
    with refusing(dut, 60), hold as held:
        await_refusals(dut, before)
        held.release()
    wait_until_free(dut)
    assert abs(outstanding(dut) - idle) <= heads_posted(dut)
