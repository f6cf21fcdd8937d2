# SPDX-License-Identifier: GPL-2.0-only
"""A memory provider goes in every order: client, interface and driver, each of them first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.driver import cycle_link, reload_driver
from testbed.dut.nic import ZcrxQueue, dedicate_queue, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.programs import program
from testbed.dut.protocols import Capability, Dut, Endpoint, Running
from testbed.dut.streams import MIB, receive_by_zcrx
from testbed.dut.zcrx_account import nothing_copied, through_queues

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5110
BIND_TIMEOUT_S = 20.0
PACE = 10_000_000


@contextmanager
def receiving(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> Iterator[Running]:
    """A receiver in the middle of a stream without end."""
    client = dut.start([program("zcrx_rx"), dut.netdev, str(where.queue), dut.ipv4, str(PORT)])
    words = [program("stream_tx"), dut.ipv4, str(PORT), "--bytes", "64G"]
    # without pauses simulated time would stand still, and with it whoever sleeps
    sender = remote.start([*words, "--pace", str(PACE)])
    try:
        await_packets(dut, where.queue)
        yield client
    finally:
        sender.kill()
        client.kill()


def await_packets(dut: Dut, queue: int) -> None:
    """Wait until the queue receives for its provider."""
    before = netdev_state(dut).per_queue("rx_packets").get(queue, 0)
    deadline = time.monotonic() + BIND_TIMEOUT_S * dut.patience
    while time.monotonic() < deadline:
        state = netdev_state(dut)
        if state.providers and state.per_queue("rx_packets").get(queue, 0) > before + 100:
            return
        pause(dut, 0.05)
    pytest.fail(f"queue {queue} received nothing for its provider in {BIND_TIMEOUT_S:.0f} s")


def check_usable(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """The queue can be bound again and receives by zero copy."""
    with through_queues(dut, where.queue, total_bytes=4 * MIB):
        stream = receive_by_zcrx(dut, remote, queue=where.queue, port=PORT, total_bytes=4 * MIB)
    assert not stream.difference()
    assert stream.copied_bytes == nothing_copied(dut)


@pytest.mark.only_oracle("the NIC writes to no page that was given back")
def test_client_killed_while_receiving(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """The kernel takes everything back from a client that cannot close it."""
    with receiving(dut, remote, where) as client:
        client.kill()
    wait_until_free(dut)
    check_usable(dut, remote, where)


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_interface_down_while_receiving(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """The provider survives its interface going down and up."""
    with receiving(dut, remote, where):
        cycle_link(dut)
        assert netdev_state(dut).providers == [f"rx queue {where.queue}"]
        await_packets(dut, where.queue)
    wait_until_free(dut)
    check_usable(dut, remote, where)


@pytest.mark.needs(Capability.DRIVER_RELOAD)
def test_driver_removed_while_bound(dut: Dut, remote: Endpoint) -> None:
    """The driver leaves first: the provider is uninstalled under its client."""
    steps: list[object] = []
    where = dedicate_queue(dut, remote, lambda *_, **__: steps.append(None), port=PORT)
    with receiving(dut, remote, where):
        reload_driver(dut)  # also takes every setting back
    wait_until_free(dut)
    remote.run(["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])
    assert ping(remote, dut.ipv4, 2, 0.05, wait_s=3).received
