# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of page pools share: one queue, whose pages are then those of every packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ZCRX_MTU, link, set_channels, set_mtu
from testbed.dut.page_pool import PoolStats, burst, pools
from testbed.dut.pause import pause
from testbed.dut.protocols import Dut, Endpoint

FRAMES, FRAME_BYTES = 200, 1400
KNOBS = "/sys/kernel/debug/fail_page_alloc"
MOST = 1 << 30
LEAST_IN_VAIN = 3
WAIT_S, POLL_S = 20.0, 0.2
# only what the driver asks for in its softirq, which is what an empty machine would refuse:
# ignore-gfp-wait leaves alone who may wait
_FAIL = """
cd "$1"
echo 0 >min-order; echo 1 >ignore-gfp-wait; echo 0 >verbose; echo 1 >interval; echo "$3" >times
echo "$2" >probability
"""
_STOP = 'echo 0 >"$1/probability"; echo 1 >"$1/times"'

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


@contextmanager
def refusing(dut: Dut, percent: int) -> Iterator[Callable[[], int]]:
    """Of allocations of pages that cannot wait, so many in a hundred fail; how many have so far."""

    def refused() -> int:
        return MOST - int(dut.run(["cat", f"{KNOBS}/times"]).text)

    dut.run(["sh", "-c", _FAIL, "sh", KNOBS, str(percent), str(MOST)])
    try:
        yield refused
    finally:
        dut.run(["sh", "-c", _STOP, "sh", KNOBS])


def await_refusals(dut: Dut, before: PoolStats, stir: Callable[[], object] = lambda: None) -> None:
    """Until pools have asked in vain several times since ``before``. Fails if they never do.

    ``stir`` sends something: a stream whose packets are dropped waits longer and longer.
    """
    for _ in range(int(WAIT_S / POLL_S)):
        stir()
        grown = pools(dut).total - before
        if grown.alloc_empty > grown.alloc_slow + LEAST_IN_VAIN:
            return
        pause(dut, POLL_S)
    pytest.fail(f"no pool was refused a page: {grown}")
