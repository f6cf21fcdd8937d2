# SPDX-License-Identifier: GPL-2.0-only
"""Page pools when the page allocator refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.dut.nic import wait_until_free
from testbed.dut.page_pool import heads_posted, outstanding, pools
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

pytestmark = [pytest.mark.needs(Capability.PAGE_POOL_STATS, Capability.FAILING_ALLOCATIONS)]

PORT = 5840
KNOBS = "/sys/kernel/debug/fail_page_alloc"
# only what the driver asks for in its softirq, which is what an empty machine would refuse:
# ignore-gfp-wait leaves alone who may wait
_FAIL = """
cd "$1"
echo 0 >min-order; echo 1 >ignore-gfp-wait; echo 0 >verbose; echo 1 >interval; echo -1 >times
echo "$2" >probability
"""


@contextmanager
def refusing(dut: Dut, percent: int) -> Iterator[None]:
    """Of allocations of pages that cannot wait, so many in a hundred fail."""
    dut.run(["sh", "-c", _FAIL, "sh", KNOBS, str(percent)])
    try:
        yield
    finally:
        dut.run(["sh", "-c", 'echo 0 >"$1/probability"', "sh", KNOBS])


@pytest.mark.parametrize("percent", [20, 60])
def test_stream_lives_on_recycled_pages(
    dut: Dut, remote: Endpoint, one_queue: None, percent: int
) -> None:
    """A pool that is warm carries a stream while no page can be had, and loses none of its own."""
    for _ in range(3):
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)
    out, before = outstanding(dut), pools(dut).total
    with refusing(dut, percent):
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)
    grown = pools(dut).total - before
    assert grown.recycled >= 0.95 * grown.handed_out
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB)
    wait_until_free(dut)
    assert abs(outstanding(dut) - out) <= heads_posted(dut)
