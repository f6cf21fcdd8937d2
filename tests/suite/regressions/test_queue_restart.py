# SPDX-License-Identifier: GPL-2.0-only
"""A queue restart that left something of the old ring in use."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import (
    ZCRX_MTU,
    flush_neighbours,
    restart_queue,
    set_channels,
    set_mtu,
    split_headers,
)
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint

pytestmark = pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)


@pytest.mark.card_options(id_policy="fresh")
def test_default_ring_of_a_vnic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """0b137529a899 (+1d0fc6c7ea49, 53f01cd594e2): the VNIC's default ring follows a restart.

    The VNIC kept the id of the freed ring for what is not hashed, such as ARP: lost for good,
    unless the firmware happens to hand out the same id again.
    """
    set_mtu(dut, remote, ZCRX_MTU, defer)
    set_channels(dut, 2, defer)
    split_headers(dut, defer)
    restart_queue(dut, 0, 2)
    flush_neighbours(remote)
    assert ping(remote, dut.ipv4, 3, 0.2, wait_s=3).received
