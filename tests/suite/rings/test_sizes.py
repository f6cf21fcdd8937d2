# SPDX-License-Identifier: GPL-2.0-only
"""Rings of sizes that a driver may refuse."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ethtool, ethtool_json
from testbed.dut.ping import ping_argv
from testbed.dut.protocols import Capability, Dut, Endpoint


@pytest.mark.needs(Capability.LINK_CYCLE)
@pytest.mark.finding("rx-ring-without-buffers")
def test_receive_rings_without_entries(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``ethtool -G rx 0`` is refused, or what remains receives."""
    entries = ethtool_json(dut, "-g")["rx"]
    defer(ethtool, dut, "-G", dut.netdev, "rx", str(entries))
    done = dut.run(["ethtool", "-G", dut.netdev, "rx", "0"], check=False)
    echo = dut.run(ping_argv(dut, remote.ipv4, 3, 1, "-w", "5"), check=False)
    assert not echo.returncode, f"it returned {done.returncode}, and nothing is received"
