# SPDX-License-Identifier: GPL-2.0-only
"""Page pools with an XDP program: one packet a page, and pages that never leave the driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.dut.counters import settled_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.faults import RESOURCE_ALLOC_ERROR, Faults, refusing
from testbed.dut.nic import ethtool, ethtool_json, link, set_channels, wait_until_free
from testbed.dut.page_pool import inflight, pools
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.rss_contexts import delete_context, new_context
from testbed.dut.streams import MIB, Traffic, require_equal
from testbed.dut.xdp import reflected, reflecting

pytestmark = pytest.mark.needs(Capability.PAGE_POOL_STATS)

PORT = 5830
FRAMES, BURSTS, ROUNDS = 64, 4, 3
PACE = 8_000_000
REFUSED = "hwrm req_type 0x17 seq id 0x[0-9a-f]+ error 0x4$"  # FUNC_CFG
NOT_OPEN = "ring reservation/IRQ init failure rc: -28$", "nic open fail \\(rc: ffffffe4\\)$"


def test_reflected_frames_take_no_page(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """XDP_TX sends a page and posts it again: no other page of the pool is needed."""
    set_channels(dut, 1, defer)
    with reflecting(dut, remote):
        before = pools(dut).total
        assert sum(reflected(dut, remote, FRAMES) for _ in range(BURSTS)) == FRAMES * BURSTS
        grown = pools(dut).total - before
    assert grown.handed_out <= BURSTS
    assert grown.alloc_slow == 0


def test_redirected_frames_bring_their_pages_back(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """XDP_REDIRECT to the NIC itself: another page is posted, and this one is the pool's again once
    it has been sent (``bnxt_tx_int_xdp()``).

    Where time passes a pool first grows by what is under way at once; then it needs no more.
    """
    set_channels(dut, 1, defer)
    with reflecting(dut, remote, redirected=True):
        for _ in range(ROUNDS):
            out = inflight(dut)
            before = pools(dut).total
            assert sum(reflected(dut, remote, FRAMES) for _ in range(BURSTS)) == FRAMES * BURSTS
            grown = pools(dut).total - before
            assert grown.handed_out >= FRAMES * BURSTS
            if inflight(dut) == out:
                break
        assert inflight(dut) == out


@pytest.mark.needs(Capability.IOMMU, Capability.CARD_STATE)
def test_reflected_frames_are_not_mapped(
    dut: Dut, remote: Endpoint, defer: Defer, card_state: Callable[[], dict[str, Any]]
) -> None:
    """The pool's mapping serves both directions."""
    set_channels(dut, 1, defer)
    with reflecting(dut, remote):
        before = card_state()["maps_total"]
        assert sum(reflected(dut, remote, FRAMES) for _ in range(BURSTS)) == FRAMES * BURSTS
        assert card_state()["maps_total"] - before <= FRAMES // 4


def test_passed_packets_recycle(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Packets the program passes to the stack bring their pages back to the pool as others do.

    At a pace that the reader keeps up with: pages for which the pool's ring has no room are lost to
    the pool, and it is full if a reader on another CPU gives back very many at once.
    """
    set_channels(dut, 1, defer)
    with reflecting(dut, remote):
        for _ in range(3):
            paced_stream(dut, remote)
        before = pools(dut).total
        paced_stream(dut, remote)
        grown = pools(dut).total - before
    assert grown.handed_out >= MIB // 1500
    assert grown.recycled >= 0.95 * grown.handed_out, grown
    assert grown.recycle_ring_full <= 0.05 * grown.handed_out, grown


def paced_stream(dut: Dut, remote: Endpoint) -> None:
    """4 MiB over one flow at PACE; they must arrive whole."""
    with Traffic(dut, remote, port=PORT, flows=1, pace=PACE, most_bytes=4 * MIB) as traffic:
        require_equal(traffic.finish())


def test_program_comes_and_goes_under_traffic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Each way the driver makes new pools; the old ones end with the last packet in them."""
    set_channels(dut, 1, defer)
    with Traffic(dut, remote, port=PORT, flows=2, pace=PACE, timeout_s=300) as traffic:
        for _ in range(2):
            old = set(inflight(dut))
            with reflecting(dut, remote):
                assert not old & set(attached(dut))
            traffic.check_running()
        require_equal(traffic.stop())
    wait_until_free(dut)
    assert settled_state(dut).total("rx_packets")


def attached(dut: Dut) -> list[int]:
    """Ids of the pools whose queue lives."""
    return [pool["id"] for pool in settled_state(dut).page_pools if not pool["detached"]]


@pytest.mark.finding("xdp-program-put-twice")
@pytest.mark.expect_complaint(REFUSED, *NOT_OPEN)
@pytest.mark.needs(
    Capability.FAULTS, Capability.LINK_CYCLE, Capability.RSS_CONTEXTS, Capability.SANITIZERS
)
def test_program_stays_where_rings_do_not_open(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The firmware does not reserve what rings of another size need: the interface is down, with
    its program, which goes on when it is up again."""
    set_channels(dut, 4, defer)
    defer(cycle_link, dut)
    entries = str(ethtool_json(dut, "-g")["rx"])
    defer(ethtool, dut, "-G", dut.netdev, "rx", entries)
    refuse = refusing("FUNC_CFG", RESOURCE_ALLOC_ERROR)
    with reflecting(dut, remote):
        program = link(dut)["xdp"]
        delete_context(dut, new_context(dut))  # whose VNIC is given back at the next open
        with faults.inject(refuse):
            refused = dut.run(["ethtool", "-G", dut.netdev, "rx", "255"], check=False)
        assert refused.returncode
        assert link(dut).get("xdp") == program, "the program has gone"
        cycle_link(dut)
        assert reflected(dut, remote, FRAMES) == FRAMES
