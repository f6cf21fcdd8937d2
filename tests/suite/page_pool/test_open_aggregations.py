# SPDX-License-Identifier: GPL-2.0-only
"""Aggregations (TPA) that are open when their queue, VNIC, link or interface goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier, cycle_link, reset_card
from testbed.dut.faults import Faults
from testbed.dut.nic import (
    dedicate_queue,
    ethtool,
    ethtool_json,
    restart_queue,
    set_feature,
    set_ring,
    wait_until_free,
)
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.segments import open_aggregations
from testbed.dut.streams import MIB, check_stream

PORT, CHECK_PORT = 5860, 5861

pytestmark = pytest.mark.needs(Capability.FAULTS, Capability.HW_GRO)

UNREPORTED = {
    "where": "cqe.write",
    "when": {"match": {"type": "RX_TPA_END"}},
    "what": {"action": "drop"},
    "times": 0,
}
PULLED = {"where": "now", "what": {"action": "card", "do": "link", "params": {"up": False}}}
PLUGGED = {"where": "now", "what": {"action": "card", "do": "link", "params": {"up": True}}}


@pytest.fixture
def gro(dut: Dut, defer: Defer) -> None:
    """Hardware GRO, whatever the default is."""
    set_feature(dut, "rx-gro-hw", "on", defer)


def check(dut: Dut, remote: Endpoint) -> None:
    """No page of an aggregation is left anywhere, and the next ones are whole."""
    wait_until_free(dut)
    check_stream(dut, remote, port=CHECK_PORT, total_bytes=2 * MIB, flows=4)


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)
def test_queue_restarts(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults, gro: None
) -> None:
    """RING_FREE of their ring: they end before it is answered, and the new ring knows none."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    for _ in range(2):
        with open_aggregations(dut, remote, faults, dport=PORT):
            restart_queue(dut, where.queue, 2)
    check(dut, remote)


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)
def test_another_queue_of_the_vnic_restarts(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults, gro: None
) -> None:
    """VNIC_UPDATE with MRU 0: those of the other queues end, too, and go on."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    ethtool(dut, "-X", dut.netdev, "equal", str(where.queue + 1))
    for _ in range(2):
        with open_aggregations(dut, remote, faults, dport=CHECK_PORT):
            restart_queue(dut, where.queue, 2)
    check(dut, remote)


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT, Capability.LINK_CYCLE)
@pytest.mark.parametrize("way", ["restart", "close"])
def test_ends_are_lost(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults, gro: None, way: str
) -> None:
    """To the driver they are open for ever: what they have goes with their ring."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    with open_aggregations(dut, remote, faults, dport=PORT), faults.inject(UNREPORTED):
        if way == "restart":
            restart_queue(dut, where.queue, 2)
        else:
            cycle_link(dut)
    check(dut, remote)


def test_link_is_lost(dut: Dut, remote: Endpoint, faults: Faults, gro: None) -> None:
    """What has come before the cable was pulled is delivered."""
    with open_aggregations(dut, remote, faults, dport=CHECK_PORT):
        with faults.inject(PULLED):
            await_carrier(dut, up=False)
        with faults.inject(PLUGGED):
            await_carrier(dut, up=True)
    check(dut, remote)


def close(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """The interface goes down and up."""
    cycle_link(dut)


def reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """The function is reset, by devlink."""
    reset_card(dut)


def resize(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Rings of another size."""
    set_ring(dut, "rx", 128 if ethtool_json(dut, "-g")["rx"] == 256 else 256, defer)


def stop_aggregating(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Hardware GRO goes off, and comes back."""
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "off")
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "on")


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(close, marks=pytest.mark.needs(Capability.LINK_CYCLE)),
        pytest.param(reset, marks=pytest.mark.needs(Capability.DEVICE_RESET)),
        resize,
        stop_aggregating,
    ],
)
def test_interface_goes(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults, gro: None,
    end: Callable[[Dut, Endpoint, Defer], None],
) -> None:  # fmt: skip
    """The driver does not hear of their end any more; their pages are its own all the same."""
    for _ in range(2):
        with open_aggregations(dut, remote, faults, dport=CHECK_PORT):
            end(dut, remote, defer)
    check(dut, remote)
