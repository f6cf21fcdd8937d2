# SPDX-License-Identifier: GPL-2.0-only
"""The card reset on the administrator's demand."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import reset_card
from testbed.dut.nic import (
    combined_channels,
    ethtool,
    ethtool_json,
    link,
    set_channels,
    set_mtu,
)
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5630
MTU = 2000

pytestmark = pytest.mark.needs(Capability.DEVICE_RESET)


@pytest.mark.finding("devlink-reload-port-left")
def test_settings_outlive_a_reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: MTU, rings and addresses stay, and traffic flows."""
    set_mtu(dut, remote, MTU, defer)
    rings = ethtool_json(dut, "-g")
    reset_card(dut)
    assert link(dut)["mtu"] == MTU
    assert ethtool_json(dut, "-g") == rings
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.finding("devlink-reload-channels-forgotten")
def test_channels_outlive_a_reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: as many channels as were set, and traffic flows over them."""
    default = combined_channels(dut)
    wanted = default + 1
    set_channels(dut, wanted, defer)
    reset_card(dut)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)
    left = combined_channels(dut)
    assert left in (default, wanted)
    assert left == wanted, "the reset has brought back the default number of channels"


@pytest.mark.needs(Capability.FATAL_FAULTS)
@pytest.mark.finding("devlink-reload-rss-stale")
@pytest.mark.new_machine
def test_reset_with_a_table_of_its_own(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: with fewer channels the table of RSS may be lost, not the card.

    A kernel with the bug that goes on after its fault, with the lock of all network settings held,
    is of no use until it boots.
    """
    last = combined_channels(dut) + 2
    set_channels(dut, last + 1, defer)
    defer(ethtool, dut, "-X", dut.netdev, "default")
    ethtool(dut, "-X", dut.netdev, "start", str(last), "equal", "1")
    reset_card(dut)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)
