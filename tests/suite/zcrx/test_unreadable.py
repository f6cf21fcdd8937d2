# SPDX-License-Identifier: GPL-2.0-only
"""Packets that are nobody's payload in memory the kernel cannot read."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import pin_neighbour, steer_everything
from testbed.dut.ping import waiting
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.zcrx_queue import BoundQueue

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT, Capability.SYSCTLS)

PORT = 5139
ECHOES = 3


@pytest.mark.finding("unreadable-checksum")
def test_ping_that_comes_to_a_bound_queue(
    bound: BoundQueue, dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """ICMP is split behind the IP header: no checksum, no answer, and no harm."""
    for end, other in ((dut, remote), (remote, dut)):
        pin_neighbour(end, other, defer)
    steer_everything(dut, bound.queue, defer)
    # also on a lab's machine, which the plugin leaves as it is
    dut.run(["sh", "-c", "echo 1 >/sys/kernel/debug/clear_warn_once"])
    for address in (dut.ipv4, dut.ipv6):
        words = ["ping", "-c", str(ECHOES), "-i", "0.05", *waiting(remote, 1), address]
        assert f"{ECHOES} packets transmitted, 0 " in remote.run(words, check=False).text
    bound.transfer()
