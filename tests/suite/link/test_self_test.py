# SPDX-License-Identifier: GPL-2.0-only
"""The driver's self-tests (``ethtool -t``); offline, it sends frames to itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier, reload_driver
from testbed.dut.faults import BUSY, Faults, refusing
from testbed.dut.nic import set_link, set_ring
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

pytestmark = pytest.mark.needs(Capability.LINK_CYCLE)

PORT = 5780
LOOPBACKS = MAC_LOOPBACK, _ = "Mac loopback test (offline)", "Phy loopback test (offline)"
"""HWRM_ERR_CODE_BUSY (include/linux/bnxt/hsi.h)."""
MAC_ENDS = {"command": "PORT_MAC_CFG", "req.enables": 0x2, "req.lpbk": 0}
PHY_ENDS = {"command": "PORT_PHY_CFG", "req.enables": 0x40, "req.lpbk": 0}
"""PORT_MAC_CFG_REQ_ENABLES_LPBK and PORT_PHY_CFG_REQ_ENABLES_LPBK; LPBK_NONE."""
BUFFERS = 255
"""Slots of a receive ring that have one: 256 less one."""


def results(dut: Dut) -> dict[str, int]:
    """``ethtool -t offline``: of each test, 0 if it passed. That through a plug is not done."""
    said = dut.run(["ethtool", "-t", dut.netdev, "offline"], check=False).text
    found = re.findall(r"^((?!Ext loopback)\S.*\S)\s+(\d+)$", said, re.M)
    return {name: int(value) for name, value in found}


def test_every_test_passes(dut: Dut, remote: Endpoint) -> None:
    """``ethtool -t offline``, then traffic flows again.

    The driver waits a millisecond for a frame that it sends to itself (bnxt_poll_loopback()). Where
    time passes while the modelled card computes, the first one comes later than that.
    """
    found = results(dut)
    assert found.keys() > {*LOOPBACKS}
    if {Capability.CARD_STATE, Capability.REAL_TIME} <= dut.capabilities:
        found = {name: value for name, value in found.items() if name not in LOOPBACKS}
    assert not any(found.values()), found
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=1)


@pytest.mark.needs(Capability.FAULTS, Capability.FATAL_FAULTS)
@pytest.mark.finding("loopback-opaque-unchecked")
@pytest.mark.parametrize(
    "opaque",
    [
        pytest.param(BUFFERS, id="no-buffer"),
        pytest.param(BUFFERS + 45, id="no-slot", marks=pytest.mark.needs(Capability.SANITIZERS)),
    ],
)
def test_a_frame_in_no_buffer_has_not_come_back(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer, opaque: int
) -> None:
    """The completion of the first frame names a slot that has no buffer, or one beyond the ring:
    that test fails, and no other."""
    set_ring(dut, "rx", BUFFERS, defer)
    wrong = {
        "where": "cqe.write",
        "when": {"match": {"type": "RX_L2"}},
        "what": {"action": "set", "fields": {"opaque": opaque}},
    }
    with faults.inject(wrong):
        found = results(dut)
    assert [name for name, value in found.items() if value] == [MAC_LOOPBACK]
    check_stream(dut, remote, port=PORT + 1, total_bytes=MIB, flows=1)


@pytest.mark.needs(Capability.FAULTS, Capability.DRIVER_RELOAD)
@pytest.mark.finding("loopback-left-on")
@pytest.mark.expect_complaint(r"FW returned busy, hwrm req_type 0x2[01]$")
@pytest.mark.parametrize("ends", [MAC_ENDS, PHY_ENDS], ids=["mac", "phy"])
def test_loopback_that_busy_firmware_does_not_end_is_over_after_the_next_open(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer, ends: dict[str, Any]
) -> None:
    """The firmware is busy as the driver ends a loopback: frames leave the port once it is down and
    up, if not before."""
    defer(reload_driver, dut)  # else what begins then finds a port that sends to itself
    busy = refusing(**ends, error=BUSY)
    with faults.inject(busy):
        results(dut)
    set_link(dut, "down")
    set_link(dut, "up")
    await_carrier(dut, up=True)
    ping = dut.run(["ping", "-c", "3", "-W", "1", remote.ipv4], check=False)
    assert not ping.returncode, "the interface is open, and the port sends to itself"
    check_stream(dut, remote, port=PORT + 2, total_bytes=MIB, flows=1)
