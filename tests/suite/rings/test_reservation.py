# SPDX-License-Identifier: GPL-2.0-only
"""Rings that the firmware reserves, and what the driver knows of it."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier, reload_driver
from testbed.dut.faults import RESOURCE_ALLOC_ERROR, Faults, granting, refusing
from testbed.dut.nic import ethtool, set_feature, set_link
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5410
REFUSED = (
    "hwrm req_type 0x16 seq id 0x[0-9a-f]+ error 0x1$",  # FUNC_QCFG
    r"ring reservation/IRQ init failure rc: -5$",
    r"nic open fail \(rc: fffffffb\)$",
    r"set_features\(\) failed \(-5\); ",
)
NOT_RESERVED = (
    "hwrm req_type 0x17 seq id 0x[0-9a-f]+ error 0x4$",  # FUNC_CFG
    "Unable to reserve tx rings$",
    r"2nd rings reservation failed\.$",
    "Failed to reserve default rings at open$",
)


@pytest.mark.needs(
    Capability.FAULTS, Capability.HW_GRO, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD
)
@pytest.mark.finding("reservation-unread")
@pytest.mark.expect_complaint(*REFUSED)
def test_reservation_of_which_nothing_is_heard(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """Without hardware GRO fewer rings are reserved, and the firmware does not say what it has
    reserved: the change fails, and the interface opens with what it had."""
    defer(reload_driver, dut)
    set_feature(dut, "rx-gro-hw", "on", defer)
    refused = refusing("FUNC_QCFG")
    with faults.inject(refused):
        change = dut.run(["ethtool", "-K", dut.netdev, "rx-gro-hw", "off"], check=False)
    assert change.returncode
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "on")
    for value in ("off", "on"):  # of anything: the driver takes all features over again
        ethtool(dut, "-K", dut.netdev, "rxvlan", value)
    set_link(dut, "down")
    up = dut.run(["ip", "link", "set", "dev", dut.netdev, "up"], check=False)
    assert not up.returncode, f"the interface cannot be opened any more: {up.error_text}"
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)


@pytest.mark.needs(
    Capability.FAULTS, Capability.FATAL_FAULTS, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD
)
@pytest.mark.finding("rss-resize-without-rings")
@pytest.mark.expect_complaint(*NOT_RESERVED)
def test_channels_when_no_rings_could_be_reserved(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """What the firmware grants changes, it refuses to reserve it, and the interface does not open;
    the RSS table is the user's. Channels can be asked for then."""
    defer(reload_driver, dut)
    ethtool(dut, "-X", dut.netdev, "equal", "1")
    set_link(dut, "down")
    refused = refusing("FUNC_CFG", RESOURCE_ALLOC_ERROR, times=2)
    with faults.inject(granting("vnics", 8), refused):
        up = dut.run(["ip", "link", "set", "dev", dut.netdev, "up"], check=False)
    assert up.returncode
    ethtool(dut, "-L", dut.netdev, "combined", "2")
    set_link(dut, "up")
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)
