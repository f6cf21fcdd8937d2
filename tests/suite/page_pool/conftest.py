# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of page pools share: one queue, whose pages are then those of every packet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ZCRX_MTU, link, set_channels, set_mtu
from testbed.dut.page_pool import burst
from testbed.dut.protocols import Dut, Endpoint

FRAMES, FRAME_BYTES = 200, 1400

Bursts = Callable[[int], int]


@pytest.fixture
def one_queue(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """One channel, and an MTU for which the driver takes pages from the pool."""
    set_mtu(dut, remote, ZCRX_MTU, defer)
    set_channels(dut, 1, defer)


@pytest.fixture
def bursts(dut: Dut, remote: Endpoint) -> Bursts:
    """``bursts(count)``: so many times FRAMES frames nobody listens to; returns their number."""
    address = str(link(dut)["address"])

    def send(count: int) -> int:
        for _ in range(count):
            burst(dut, remote, address, frames=FRAMES, frame_bytes=FRAME_BYTES)
        return count * FRAMES

    return send
