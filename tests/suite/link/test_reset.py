# SPDX-License-Identifier: GPL-2.0-only
"""The card reset on the administrator's demand."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import reset_card
from testbed.dut.nic import combined_channels, ethtool_json, link, set_channels, set_mtu
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5630
MTU = 2000
CHANNELS = 2


@pytest.mark.finding("devlink-reload-port-left")
@pytest.mark.needs(Capability.DEVICE_RESET)
def test_settings_outlive_a_reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: channels, MTU, rings and addresses stay, and traffic flows."""
    set_channels(dut, CHANNELS, defer)
    set_mtu(dut, remote, MTU, defer)
    rings = ethtool_json(dut, "-g")
    reset_card(dut)
    assert combined_channels(dut) == CHANNELS
    assert link(dut)["mtu"] == MTU
    assert ethtool_json(dut, "-g") == rings
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)
