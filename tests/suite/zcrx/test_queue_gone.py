# SPDX-License-Identifier: GPL-2.0-only
"""A queue that goes while it has a memory provider, which no user can have done."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link, reload_driver
from testbed.dut.faults import GRANTING_ALL, Faults, granting
from testbed.dut.nic import combined_channels, dedicate_queue, ethtool
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream
from testbed.dut.zcrx import console

PORT = 5430


@pytest.mark.needs(
    Capability.FAULTS, Capability.FATAL_FAULTS, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD
)
@pytest.mark.finding("provider-of-gone-queue")
def test_provider_of_a_queue_that_the_firmware_takes_away(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The firmware grants one transmit ring, and the interface opens with one queue: the provider
    of the last one goes with it, and its owner closes nothing."""
    defer(reload_driver, dut)
    queue = dedicate_queue(dut, remote, defer, port=PORT)
    channels = combined_channels(dut)
    ethtool(dut, "-X", dut.netdev, "equal", "1")
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, area=1 << 20, rq_entries=512)
        with faults.inject(granting("tx_rings", 1)):
            cycle_link(dut)
        assert combined_channels(dut) < channels
        with faults.inject(GRANTING_ALL):
            cycle_link(dut)
    again = dut.run(["ethtool", "-L", dut.netdev, "combined", str(channels)], check=False)
    assert not again.returncode, f"the queue that is back has a provider: {again.error_text}"
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)
