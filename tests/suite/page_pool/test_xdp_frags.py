# SPDX-License-Identifier: GPL-2.0-only
"""XDP programs that take frames of several buffers: each page goes back to its pool."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from testbed.dut.defer import Defer
from testbed.dut.faults import Faults
from testbed.dut.nic import link, set_channels, set_mtu, wait_until_free
from testbed.dut.page_pool import Held, burst, pools
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB
from testbed.dut.xdp import redirecting, reflected, reflecting, reflections

from .conftest import await_refusals, refusing

pytestmark = pytest.mark.needs(Capability.PAGE_POOL_STATS)

MTU, FRAME_BYTES = 9000, 9014
FRAMES = 8
PORT = 5835
HOLD_BYTES = 4 * MIB
FEW = 8


@pytest.fixture
def large_frames(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """One channel, and an MTU whose frames take three buffers."""
    set_channels(dut, 1, defer)
    set_mtu(dut, remote, MTU, defer)


@pytest.mark.usefixtures("large_frames")
def test_large_frames_come_back(dut: Dut, remote: Endpoint) -> None:
    """XDP_TX of frames of several buffers; what they were in is free when the program has gone."""
    with reflecting(dut, remote, frags=True):
        assert reflected(dut, remote, FRAMES, frame_bytes=FRAME_BYTES) == FRAMES
    wait_until_free(dut)


@pytest.mark.usefixtures("large_frames")
@pytest.mark.finding("xdp-redirect-frags-leaked")
def test_large_frames_redirected_nowhere(dut: Dut, remote: Endpoint) -> None:
    """XDP_REDIRECT that fails gives back every page of the frame."""
    with redirecting(dut):
        burst(dut, remote, str(link(dut)["address"]), frames=FRAMES, frame_bytes=FRAME_BYTES)
    wait_until_free(dut)


@pytest.mark.usefixtures("large_frames")
@pytest.mark.finding("xdp-redirect-frags-cut")
def test_large_frames_redirected_are_whole(dut: Dut, remote: Endpoint) -> None:
    """XDP_REDIRECT to the NIC itself sends all buffers of a frame, or nothing of it."""
    with reflecting(dut, remote, frags=True, redirected=True):
        short = reflections(dut, remote, FRAMES, frame_bytes=FRAME_BYTES).short
        assert not short, f"redirected frames that came back short: {short}"
    wait_until_free(dut)


@pytest.mark.usefixtures("large_frames")
@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("xdp-tx-frags-leaked")
def test_large_frames_not_sent_at_close(dut: Dut, remote: Endpoint, faults: Faults) -> None:
    """What XDP_TX waits for when the interface closes gives back every page.

    Without the fault, which has the card say nothing of what it sent, this is a matter of luck.
    """
    silent = {
        "where": "cqe.write",
        "when": {"match": {"type": "TX_L2"}},
        "what": {"action": "drop"},
        "times": 0,
    }
    with reflecting(dut, remote, frags=True), faults.inject(silent):
        reflected(dut, remote, FRAMES, frame_bytes=FRAME_BYTES)
    wait_until_free(dut)


@pytest.mark.usefixtures("large_frames")
@pytest.mark.needs(Capability.FAILING_ALLOCATIONS, Capability.FATAL_FAULTS)
@pytest.mark.finding("xdp-frag-refused")
def test_large_frames_for_which_there_is_no_page(dut: Dut, remote: Endpoint) -> None:
    """A frame that finds no page for its second half is dropped, and nothing else is."""
    address = str(link(dut)["address"])

    def some_frames() -> None:
        burst(dut, remote, address, frames=FEW, frame_bytes=FRAME_BYTES)

    with reflecting(dut, remote, frags=True):
        before = pools(dut).total
        hold = Held(dut, remote, port=PORT, hold_bytes=HOLD_BYTES, total_bytes=2 * HOLD_BYTES)
        with ExitStack() as scarce:
            scarce.enter_context(refusing(dut, 60))
            with hold as held:
                await_refusals(dut, before, some_frames)
                scarce.close()
                held.release()
        assert reflected(dut, remote, FRAMES, frame_bytes=FRAME_BYTES) == FRAMES
    wait_until_free(dut)
