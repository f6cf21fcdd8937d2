# SPDX-License-Identifier: GPL-2.0-only
"""Device memory is never synchronised for the CPU: where DMA bounces, its data does not appear.

With ``swiotlb=force`` each mapping goes to a bounce buffer, and memory gets to see what the device
wrote only when the kernel synchronises it, which it does for its own pages and must not do for a
dmabuf. So ordinary data arrives, and of device memory the fragments do, but not their bytes.
"""

from __future__ import annotations

from testbed.dut.defer import DeferStack
from testbed.dut.devmem import BUFFER, BUFFER_BYTES, Console, DevmemSetup
from testbed.dut.nic import dedicate_queue
from testbed.options import Switch
from tests.driver.conftest import Opener

PORT = 5830
COUNT = 30_000
PATTERN = 0xA5
BOUNCE = "swiotlb=force"


def test_device_memory_is_not_synchronised(open_session: Opener) -> None:
    """30 kB before a binding and 30 kB into one, in a guest whose DMA bounces."""
    defer = DeferStack()
    with open_session(swiotlb=Switch.ON) as session:
        dut, remote = session.dut, session.remote
        assert BOUNCE in dut.run(["cat", "/proc/cmdline"]).text
        where = dedicate_queue(dut, remote, defer, port=PORT)
        bench = DevmemSetup(dut, remote, defer, where, Console(dut, "one"), Console(remote, "two"))
        bench.connect()
        digest = bench.send(COUNT)
        assert bench.drain(COUNT)["sha256"] == digest  # synchronised, or it would not be

        bench.bind(scattered=True)  # each page a mapping: longer ones have no bounce buffer
        bench.console.do(f"fill {BUFFER} {PATTERN}")
        untouched = bench.console.do(f"digest {BUFFER}:0:{BUFFER_BYTES}")
        bench.send(COUNT, seed=2)
        fragments = bench.fragments(COUNT)
        assert sum(fragment["size"] for fragment in fragments) == COUNT
        assert bench.console.do(f"digest {BUFFER}:0:{BUFFER_BYTES}") == untouched
        assert bench.console.do("return flow")["taken"] == len(fragments)
        assert bench.console.do(f"digest {BUFFER}:0:{BUFFER_BYTES}") == untouched
        bench.console.kill()
        bench.sender.kill()
        defer.unwind()
