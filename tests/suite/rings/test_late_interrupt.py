# SPDX-License-Identifier: GPL-2.0-only
"""An interrupt that comes when the driver has freed the rings that it was for."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.faults import Faults
from testbed.dut.nic import ethtool, set_feature
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5411
UNHEARD = (
    r"Resp cmpl intr err msg: 0x51$",
    r"hwrm_ring_free type \d failed\. rc:fffffff0 err:0$",
)
"""RING_FREE has completed, and its interrupt has not come."""


@pytest.mark.needs(Capability.FAULTS, Capability.HW_GRO)
@pytest.mark.finding("irq-behind-close")
@pytest.mark.expect_complaint(*UNHEARD)
def test_interrupt_of_rings_that_are_gone(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """A change of features frees the rings, keeps the vectors, and reserves other rings: that is
    when the interrupt comes that the NIC has held back."""
    set_feature(dut, "rx-gro-hw", "on", defer)
    late = {
        "where": "irq.raise",
        "what": {
            "action": "hold",
            "until": {"where": "hwrm.request", "match": {"cmd": "FUNC_CFG"}},
        },
        "times": 1,
    }
    with faults.inject(late):
        ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "off")
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)
