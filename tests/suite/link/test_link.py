# SPDX-License-Identifier: GPL-2.0-only
"""Probe, link, and the way in and out of the kernel."""

from __future__ import annotations

import pytest

from testbed.dut.driver import cycle_link, reload_driver
from testbed.dut.nic import ethtool
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

CYCLES = 20


def test_driver_reports_link_and_speed(dut: Dut) -> None:
    """The interface has carrier, a speed and full duplex."""
    settings = ethtool(dut, dut.netdev)
    assert "Link detected: yes" in settings
    assert "Duplex: Full" in settings
    assert "Speed: Unknown" not in settings


@pytest.mark.parametrize("payload_bytes", [1, 56, 1400, 8000], ids="{} bytes".format)
@pytest.mark.parametrize("version", [4, 6], ids="IPv{}".format)
def test_ping_both_ways(dut: Dut, remote: Endpoint, version: int, payload_bytes: int) -> None:
    """Echo requests of one byte up to several fragments are all answered."""
    for end, other in ((dut, remote), (remote, dut)):
        target = other.ipv4 if version == 4 else other.ipv6
        assert ping(end, target, 3, 0.05, "-s", str(payload_bytes), wait_s=3).received


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_link_cycles_20(dut: Dut, remote: Endpoint) -> None:
    """Down and up 20 times, then traffic."""
    cycle_link(dut, CYCLES)
    check_stream(dut, remote, port=5300, total_bytes=1 * MIB)


@pytest.mark.needs(Capability.DRIVER_RELOAD)
def test_module_cycles_20(dut: Dut, remote: Endpoint) -> None:
    """Module out and in 20 times, then traffic."""
    reload_driver(dut, CYCLES)
    check_stream(dut, remote, port=5301, total_bytes=1 * MIB)
