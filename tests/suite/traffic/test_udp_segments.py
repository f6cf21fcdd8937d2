# SPDX-License-Identifier: GPL-2.0-only
"""UDP messages that go out in segments, cut by the driver where the card cannot do it.

bnxt_en does since 7.2 (bnxt_sw_udp_gso_xmit() in bnxt_gso.c): headers lie in a buffer of the ring,
and of each segment every piece has a descriptor.
"""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.nic import set_ring
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.qdisc import drop_nothing_that_waits
from testbed.dut.udp_segments import LEAST_RING, send_segments

PORT = 5871
MESSAGES = 200


@pytest.fixture(autouse=True)
def _nothing_dropped(dut: Dut, defer: Defer) -> None:
    """Before the ring: a small one has messages wait, and fq_codel drops what has waited long."""
    drop_nothing_that_waits(dut, defer)


def check_segments(dut: Dut, remote: Endpoint, **how: bool | int) -> None:
    """All that is sent arrives, with the bytes that were sent, and the sender's pages come back."""
    said = send_segments(dut, remote, port=PORT, messages=MESSAGES, **how)
    assert said.received == said.sent
    assert (said.wrong, said.kept, said.refused) == (0, 0, 0)


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_segments_arrive_whole(dut: Dut, remote: Endpoint, ipv6: bool) -> None:
    """Of all sizes, from the kernel's memory and from the sender's own."""
    check_segments(dut, remote, ipv6=ipv6)


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_ring_that_two_messages_fill(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """The smallest that the driver cuts for, which goes around all the time; once more when the
    interface was down, since headers are counted over that."""
    set_ring(dut, "tx", LEAST_RING, defer)
    check_segments(dut, remote)
    cycle_link(dut)
    check_segments(dut, remote, seed=2)
