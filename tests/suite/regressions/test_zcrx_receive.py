# SPDX-License-Identifier: GPL-2.0-only
"""io_uring zero-copy receive: what it handed out wrongly."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import dedicate_queue
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.workloads.table import WORKLOADS
from testbed.workloads.workload import WorkloadContext

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5700


def test_refill_ring_in_used_memory(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """4f02cc4071a1: head and tail of a refill ring begin at 0, whatever its memory held before."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    ring = result_of(dut.run([program("zcrx_header"), dut.netdev, str(where.queue)]))
    assert ring == {"head": 0, "tail": 0}


def test_receive_that_stops_within_a_packet(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """98ad5b63f504: a request that a full completion ring has stopped goes on with what is left in
    the socket, though nothing comes behind it."""
    WORKLOADS["zcrx-burst"].run(WorkloadContext(dut, remote, defer))
