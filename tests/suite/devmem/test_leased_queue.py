# SPDX-License-Identifier: GPL-2.0-only
"""Device memory TCP over a queue that is leased to a netkit device."""

from __future__ import annotations

import pytest

from testbed.dut.devmem import BUFFER, BUFFER_BYTES, PAGE_BYTES, DevmemSetup, sent_by
from testbed.dut.driver import reload_driver
from testbed.dut.leases import lease, take_back
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, check_stream

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT, Capability.QUEUE_LEASE)


def bind(bench: DevmemSetup) -> None:
    """A dmabuf to the queue, by its lease."""
    bench.defer(take_back, bench.dut)
    leased = lease(bench.dut, bench.where.queue)
    bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
    bench.console.do(f"bind-rx binding {leased.netdev} {BUFFER} {leased.queue}")


def test_stream_lands_in_a_dmabuf_that_is_bound_by_a_lease(bench: DevmemSetup) -> None:
    """All of it fragments, none copied, each token taken back."""
    bind(bench)
    sender = bench.start_sending(8 * MIB)
    received = bench.drain(0)
    bench.console.do("close flow")
    assert (received["bytes"], received["sha256"]) == (8 * MIB, sent_by(sender)["sha256"])
    assert (received["fragment_bytes"], received["linear"]) == (8 * MIB, 0)
    assert received["taken"] == received["fragments"] >= 8 * MIB // PAGE_BYTES


def test_binding_ends_with_its_lease(bench: DevmemSetup) -> None:
    """The device goes while the dmabuf is bound: ordinary sockets receive what comes."""
    bind(bench)
    take_back(bench.dut)
    check_stream(bench.dut, bench.remote, port=bench.where.port, total_bytes=MIB, flows=2)
    bench.console.do("unbind binding")


@pytest.mark.needs(Capability.DRIVER_RELOAD)
@pytest.mark.finding("devmem-mapped-after-unbind")
def test_binding_by_a_lease_ends_with_the_nic(passing_bench: DevmemSetup) -> None:
    bind(passing_bench)
    reload_driver(passing_bench.dut)
    passing_bench.console.do("unbind binding")
