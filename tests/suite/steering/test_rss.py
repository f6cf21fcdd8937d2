# SPDX-License-Identifier: GPL-2.0-only
"""Receive side scaling: which queues take part, and that a flow stays on one."""

from __future__ import annotations

import pytest

from testbed.dut.counters import delta, settled_state
from testbed.dut.defer import Defer
from testbed.dut.nic import (
    HASH_KEY,
    ethtool_json,
    set_channels,
    set_hash_key,
    set_link,
    spread_over,
    steer_everything,
)
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream
from testbed.dut.xdp import reflecting

pytestmark = pytest.mark.needs(Capability.RSS)

PORT = 5200
FEW_PACKETS = 50  # neighbour discovery and the like


def received_per_queue(dut: Dut, remote: Endpoint, flows: int) -> dict[int, int]:
    """Packets each queue took while 4 MiB came over ``flows`` connections."""
    before = settled_state(dut).per_queue("rx_packets")
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=flows)
    return delta(settled_state(dut).per_queue("rx_packets"), before)


def test_many_flows_use_every_queue(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """32 flows reach all of four queues."""
    set_channels(dut, 4, defer)
    set_hash_key(dut, HASH_KEY, defer)
    counts = received_per_queue(dut, remote, flows=32)
    assert all(counts[queue] > FEW_PACKETS for queue in range(4)), counts


def test_one_flow_stays_on_one_queue(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """All packets of a connection take the same queue."""
    set_channels(dut, 4, defer)
    counts = received_per_queue(dut, remote, flows=1)
    busy = [queue for queue, count in counts.items() if count > FEW_PACKETS]
    assert len(busy) == 1, counts


@pytest.mark.parametrize("queues", [1, 2, 3])
def test_indirection_table_restricts(dut: Dut, remote: Endpoint, defer: Defer, queues: int) -> None:
    """Queues the table does not name receive nothing of 32 flows."""
    set_channels(dut, 4, defer)
    set_hash_key(dut, HASH_KEY, defer)
    spread_over(dut, queues, defer)
    counts = received_per_queue(dut, remote, flows=32)
    assert all(counts[queue] <= FEW_PACKETS for queue in range(queues, 4)), counts
    assert all(counts[queue] > FEW_PACKETS for queue in range(queues)), counts


def test_key_and_table_read_back(dut: Dut, defer: Defer) -> None:
    """A hash key that was set is the key that is shown."""
    shown = ethtool_json(dut, "-x")
    key = ":".join(f"{(index * 37 + 11) % 256:02x}" for index in range(len(shown["rss-hash-key"])))
    set_hash_key(dut, key, defer)
    after = ethtool_json(dut, "-x")
    assert ":".join(f"{byte:02x}" for byte in after["rss-hash-key"]) == key
    assert after["rss-indirection-table"] == shown["rss-indirection-table"]


@pytest.mark.finding("rss-table-unread-while-down")
@pytest.mark.needs(Capability.LINK_CYCLE)
def test_table_is_shown_while_the_interface_is_down(dut: Dut, defer: Defer) -> None:
    """The table that was set is shown, up or down: it decides how few channels may be set."""
    set_channels(dut, 4, defer)
    steer_everything(dut, 3, defer)
    up = ethtool_json(dut, "-x")["rss-indirection-table"]
    assert set(up) == {3}
    set_link(dut, "down")
    defer(set_link, dut, "up")
    down = ethtool_json(dut, "-x")["rss-indirection-table"]
    assert down == up, "the table reads otherwise while the interface is down"


@pytest.mark.finding("rss-default-table-stale")
@pytest.mark.needs(Capability.LINK_CYCLE, Capability.FATAL_FAULTS)
@pytest.mark.new_machine
def test_default_table_names_the_channels_there_are(
    dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """Two channels under XDP take as many rings of the card as one without, which has a ring for
    aggregation: the default table is made for the channels.

    A kernel with the bug that goes on after its fault, with the lock of all network settings held,
    is of no use until it boots.
    """
    set_channels(dut, 2, defer)
    with reflecting(dut, remote):
        set_link(dut, "down")
        defer(set_link, dut, "up")
    set_channels(dut, 1, defer)
    set_link(dut, "up")
    named = set(ethtool_json(dut, "-x")["rss-indirection-table"])
    assert named == {0}, "the table of one channel names other rings"
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)
