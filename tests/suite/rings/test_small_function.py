# SPDX-License-Identifier: GPL-2.0-only
"""A function that has one of something, as a virtual function may: what cannot be is refused, and
the interface opens as it was before."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier, reload_driver
from testbed.dut.nic import combined_channels, flush_neighbours, set_link, set_mtu
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream
from testbed.dut.xdp import reflecting

PORT = 5420
LARGE_MTU = 9000
LARGE_ECHO = 8000

pytestmark = pytest.mark.needs(Capability.LINK_CYCLE, Capability.DRIVER_RELOAD)
one_receive_ring = pytest.mark.card_options(limits={"rx_rings": 1})


def _opens_and_receives(dut: Dut, remote: Endpoint) -> None:
    set_link(dut, "down")
    up = dut.run(["ip", "link", "set", "dev", dut.netdev, "up"], check=False)
    assert not up.returncode, f"the interface cannot be opened any more: {up.error_text}"
    await_carrier(dut, up=True)
    flush_neighbours(remote)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)


@one_receive_ring
@pytest.mark.finding("jumbo-without-agg")
def test_large_packets_with_one_receive_ring(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Without an aggregation ring each buffer has all of a packet, however large."""
    set_mtu(dut, remote, LARGE_MTU, defer)
    flush_neighbours(remote)
    answered = ping(remote, dut.ipv4, 3, 0.2, "-s", str(LARGE_ECHO), wait_s=3).received
    assert answered == 3, f"{answered} of 3 large packets are answered"


@one_receive_ring
@pytest.mark.finding("data-split-without-agg")
def test_data_split_with_one_receive_ring(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Header-data split takes an aggregation ring, which cannot be had."""
    defer(reload_driver, dut)
    dut.run(["ethtool", "-G", dut.netdev, "tcp-data-split", "on"], check=False)
    _opens_and_receives(dut, remote)


@one_receive_ring
@pytest.mark.finding("xdp-frags-without-agg")
def test_fragments_for_a_program_with_one_receive_ring(
    dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """A program that takes fragments has an aggregation ring for them, which cannot be had."""
    defer(reload_driver, dut)
    with reflecting(dut, remote, frags=True):
        dut.run(["ip", "link", "set", "dev", dut.netdev, "mtu", str(LARGE_MTU)], check=False)
    _opens_and_receives(dut, remote)


@pytest.mark.card_options(limits={"vnics": 1})
@pytest.mark.finding("ntuple-vnic-uncounted")
def test_channels_with_one_vnic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Ntuple filters have a VNIC of their own: with other channels there are none, as before."""
    defer(reload_driver, dut)
    count = "1" if combined_channels(dut) > 1 else "2"
    dut.run(["ethtool", "-L", dut.netdev, "combined", count], check=False)
    _opens_and_receives(dut, remote)
