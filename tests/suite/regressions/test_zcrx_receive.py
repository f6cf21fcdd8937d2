# SPDX-License-Identifier: GPL-2.0-only
"""io_uring zero-copy receive: what it handed out wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut import Capability, Dut, Endpoint
from testbed.suite.defer import Defer
from testbed.suite.nic import dedicate_queue, ethtool
from testbed.suite.programs import program, result_of

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5700
PILED_UP_BYTES = "300000"
LATE_INTERRUPTS = {
    "where": "irq.raise",
    "what": {"action": "hold", "after_ns": 30_000_000},
    "times": 0,
}
"""So many packets wait for a poll that GRO has more of them than a packet has fragments for."""
LIMITS = ("1000", "20000", "100000", "7", "50000")


@pytest.mark.needs(Capability.FAULTS)
def test_receive_limit(dut: Dut, remote: Endpoint, defer: Defer, faults: Any) -> None:
    """CVE-2025-40046 (09cfd3c52ea7): a request for so many bytes gets so many.

    Packets merged by GRO beyond 17 fragments carry a list of further ones; their bytes were taken
    off the limit twice, so that it wrapped around.
    """
    where = dedicate_queue(dut, remote, defer, port=PORT)
    # Small segments, merged by software.
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "off")
    defer(ethtool, dut, "-K", dut.netdev, "rx-gro-hw", "on")
    remote.run(["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])
    before = dut.run(["sysctl", "-n", "net.ipv4.tcp_rmem"]).text
    dut.run(["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 6000000 6000000"])
    defer(dut.run, ["sysctl", "-qw", f"net.ipv4.tcp_rmem={before}"])
    words = [dut.netdev, str(where.queue), dut.ipv4, str(PORT), PILED_UP_BYTES, *LIMITS]
    with faults.inject(LATE_INTERRUPTS):
        receiver = dut.start([program("zcrx_limit"), *words])
        sender = remote.start(
            [program("stream_tx"), dut.ipv4, str(PORT), "--bytes", PILED_UP_BYTES]
        )
        try:
            result = result_of(receiver.wait(90))
        finally:
            sender.kill()
    assert result["got"] == result["asked"]


def test_refill_ring_in_used_memory(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """4f02cc4071a1: head and tail of a refill ring begin at 0, whatever its memory held before."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    ring = result_of(dut.run([program("zcrx_header"), dut.netdev, str(where.queue)]))
    assert ring == {"head": 0, "tail": 0}
