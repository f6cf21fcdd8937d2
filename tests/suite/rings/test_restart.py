# SPDX-License-Identifier: GPL-2.0-only
"""Queues restarted, added, removed and resized while others carry verified traffic."""

from __future__ import annotations

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.nic import (
    dedicate_queue,
    defer_interrupts,
    ethtool,
    ethtool_json,
    restart_queue,
    set_channels,
    set_ring,
    wait_until_free,
)
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import (
    MIB,
    Traffic,
    check_stream,
    local_address,
    receive_by_zcrx,
    require_equal,
)
from testbed.dut.zcrx_account import nothing_copied, through_queues
from testbed.workloads.table import WORKLOADS
from testbed.workloads.workload import WorkloadContext

PORT, TRAFFIC_PORT = 5400, 5401
RESTARTS = 50
IDLE_POLLS, FLUSH_NS = 2, 20_000_000
"""The driver waits for interrupts of rings that it frees, too: for 25 ms where time is simulated
(devmodel.bnxt.identity)."""


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT, Capability.NTUPLE)
@pytest.mark.only_oracle("VNICs pause, and then name the new ring")
def test_50_restarts_under_traffic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """The other queues lose nothing, and the restarted one still receives."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    with Traffic(dut, remote, port=TRAFFIC_PORT, flows=6, timeout_s=300) as traffic:
        done = restart_queue(dut, where.queue, RESTARTS)
        traffic.check_running()
        require_equal(traffic.stop())
    assert done.restarts == RESTARTS
    wait_until_free(dut)
    with through_queues(dut, where.queue, total_bytes=8 * MIB):
        stream = receive_by_zcrx(dut, remote, queue=where.queue, port=PORT, total_bytes=8 * MIB)
    assert not stream.difference()
    assert stream.copied_bytes == nothing_copied(dut)


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT)
def test_the_last_restart_is_over(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A kernel worker lets the queue go once the ring is closed; ``restart_queue`` waits."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    for _ in range(4):
        restart_queue(dut, where.queue, 2)
        assert netdev_state(dut).providers == []


@pytest.mark.needs(Capability.QUEUE_RESTART, Capability.HEADER_SPLIT, Capability.ZCRX)
@pytest.mark.finding("queue-restart-stale-completions")
def test_restart_with_deferred_interrupts(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Interrupts are deferred, as for programs that poll: what the ring that is gone has completed
    waits as the queue restarts, and is nothing of the new one's."""
    defer_interrupts(dut, IDLE_POLLS, FLUSH_NS, defer)
    WORKLOADS["restart-ping"].run(WorkloadContext(dut, remote, defer))


def test_channel_counts(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """1, 2, 5 and 8 combined channels, each with traffic."""
    most = int(ethtool_json(dut, "-l")["combined-max"])
    set_channels(dut, 1, defer)
    for count in (2, 5, 8, 1):
        if count <= most:
            ethtool(dut, "-L", dut.netdev, "combined", str(count))
            check_stream(dut, remote, port=TRAFFIC_PORT, total_bytes=2 * MIB, flows=8)
            rx_queues = [queue for queue in netdev_state(dut).queues if queue["type"] == "rx"]
            assert len(rx_queues) == count
    set_channels(dut, 1, defer)


@pytest.mark.parametrize("entries", [64, 511, 2047])
def test_ring_sizes(dut: Dut, remote: Endpoint, defer: Defer, entries: int) -> None:
    """Small, ordinary and large rx rings."""
    set_ring(dut, "rx", entries, defer)
    check_stream(dut, remote, port=TRAFFIC_PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(Capability.HEADER_SPLIT)
@pytest.mark.parametrize("payload_bytes", [1, 63, 64, 65, 1448, 4000, 8192, 65537])
@pytest.mark.parametrize("version", [4, 6], ids="IPv{}".format)
def test_header_split_sizes(
    dut: Dut, remote: Endpoint, split: None, version: int, payload_bytes: int
) -> None:
    """Every size arrives whole with header-data split on."""
    address = local_address(dut, version)
    check_stream(dut, remote, port=TRAFFIC_PORT, total_bytes=payload_bytes, address=address)


@pytest.fixture
def split(dut: Dut, defer: Defer) -> None:
    """Header-data split with threshold 0."""
    before = ethtool_json(dut, "-g")
    ethtool(dut, "-G", dut.netdev, "tcp-data-split", "on", "hds-thresh", "0")
    undo = ["tcp-data-split", "auto", "hds-thresh", str(before["hds-thresh"])]
    defer(ethtool, dut, "-G", dut.netdev, *undo)
