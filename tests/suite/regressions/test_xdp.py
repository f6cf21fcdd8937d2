# SPDX-License-Identifier: GPL-2.0-only
"""XDP in the driver: reflected frames, and what is left when the program goes."""

from __future__ import annotations

import json

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ethtool, ethtool_json, link, set_channels, set_ring
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, Traffic, check_stream
from testbed.dut.udp_segments import leave_to_kernel
from testbed.dut.xdp import cutting, reflected, reflecting

BURST, BURSTS = 512, 2
SMALL_TX_RING = 32
PORT = 5710
KEPT_BYTES, CUT_S = 60, 1.0
"""The headers of a TCP segment with timestamps have 66 bytes."""


def test_reflected_frames_beyond_the_ring(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """CVE-2025-68770 (0373d5c387f2): a burst larger than the transmit ring does not end XDP_TX.

    A frame that found the ring full cleared the mark that earlier ones wait for their doorbell:
    it was never rung, and the ring stayed full for good.
    """
    set_channels(dut, 1, defer)
    coalescing = json.loads(dut.run(["ethtool", "--json", "-c", dut.netdev]).text)[0]
    leave_to_kernel(dut, defer)
    set_ring(dut, "tx", SMALL_TX_RING, defer)
    ethtool(dut, "-C", dut.netdev, "rx-usecs", "1000", "rx-frames", "200")
    usecs, frames = str(coalescing["rx-usecs"]), str(coalescing["rx-frames"])
    defer(ethtool, dut, "-C", dut.netdev, "rx-usecs", usecs, "rx-frames", frames)
    with reflecting(dut, remote):
        for _ in range(BURSTS):
            reflected(dut, remote, BURST)
        assert [reflected(dut, remote, 1) for _ in range(3)] == [1] * 3


@pytest.mark.card_options(max_aggs=0)
def test_detach_on_a_card_without_tpa(dut: Dut, remote: Endpoint) -> None:
    """4e17b5007b66: a card without TPA does not get LRO when an XDP program goes.

    Detaching offered LRO on any card; without memory for aggregations the driver then fell over.
    """
    with reflecting(dut, remote):
        assert link(dut).get("xdp")
    offloads = ethtool_json(dut, "-k")["large-receive-offload"]
    assert (offloads["active"], offloads["fixed"]) == (False, True)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)


@pytest.mark.needs(Capability.FATAL_FAULTS)
@pytest.mark.finding("xdp-cut-payload-offset")
@pytest.mark.new_machine
def test_a_frame_that_a_program_has_cut_is_passed(dut: Dut, remote: Endpoint) -> None:
    """``bpf_xdp_adjust_tail()`` may leave less than the headers that the card has seen: what is
    left is passed to the stack, which has no use for it, and others as they are."""
    with cutting(dut, KEPT_BYTES), Traffic(dut, remote, port=PORT, flows=1):
        pause(dut, CUT_S)
    check_stream(dut, remote, port=PORT + 1, total_bytes=MIB, flows=1)
