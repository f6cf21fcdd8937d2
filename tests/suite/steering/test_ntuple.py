# SPDX-License-Identifier: GPL-2.0-only
"""ntuple rules: what they match goes where they say, and nothing else does."""

from __future__ import annotations

import pytest

from testbed.dut.counters import delta, settled_state
from testbed.dut.defer import Defer, DeferStack
from testbed.dut.nic import add_rule, enable_ntuple, ethtool, set_channels, spread_over
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream, local_address

pytestmark = pytest.mark.needs(Capability.NTUPLE, Capability.RSS)

PORT, OTHER_PORT = 5210, 5211
TARGET = 3
FEW_PACKETS = 50


@pytest.fixture
def quiet_queue(dut: Dut, defer: Defer) -> int:
    """A queue that RSS leaves alone."""
    set_channels(dut, 4, defer)
    spread_over(dut, TARGET, defer)
    enable_ntuple(dut, defer)
    return TARGET


def packets_on(dut: Dut, remote: Endpoint, queue: int, port: int, address: str) -> int:
    """Packets ``queue`` took while 2 MiB came to ``port``."""
    before = settled_state(dut).per_queue("rx_packets")
    check_stream(dut, remote, port=port, total_bytes=2 * MIB, flows=4, address=address)
    return delta(settled_state(dut).per_queue("rx_packets"), before)[queue]


@pytest.mark.parametrize("version", [4, 6], ids="IPv{}".format)
def test_port_goes_to_queue(
    dut: Dut, remote: Endpoint, defer: Defer, quiet_queue: int, version: int
) -> None:
    """Only the port of the rule, and only while there is the rule."""
    address = local_address(dut, version)
    match = ["dst-port", str(PORT)]
    rules = DeferStack()
    defer(rules.unwind)
    add_rule(dut, rules, *match, flow_type=f"tcp{version}", action=quiet_queue)
    assert packets_on(dut, remote, quiet_queue, PORT, address) > FEW_PACKETS
    assert packets_on(dut, remote, quiet_queue, OTHER_PORT, address) <= FEW_PACKETS
    rules.unwind()
    assert packets_on(dut, remote, quiet_queue, PORT, address) <= FEW_PACKETS


def test_rules_read_back(dut: Dut, defer: Defer, quiet_queue: int) -> None:
    """Eight rules are listed with what they match."""
    rules = [
        add_rule(dut, defer, "dst-port", str(PORT + n), flow_type="tcp4", action=n % 4)
        for n in range(8)
    ]
    listed = ethtool(dut, "-n", dut.netdev)
    assert len(set(rules)) == 8
    for n, rule in enumerate(rules):
        assert f"Filter: {rule}" in listed
        assert f"Dest port: {PORT + n} mask: 0x0" in listed
