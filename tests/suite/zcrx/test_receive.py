# SPDX-License-Identifier: GPL-2.0-only
"""io_uring zero-copy receive: what arrives, and what the kernel had to copy."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ZcrxQueue, dedicate_queue, wait_until_free
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, ZcrxStream, receive_by_zcrx

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5100
UNSTEERED_PORT = 5101
HUGE_PAGE_BYTES = 2 * MIB


def receive(dut: Dut, remote: Endpoint, where: ZcrxQueue, **changes: int) -> ZcrxStream:
    """64 MiB unless ``changes`` say otherwise."""
    arguments = {"port": where.port, "total_bytes": 64 * MIB, "ip_version": where.ip_version}
    return receive_by_zcrx(dut, remote, queue=where.queue, **{**arguments, **changes})


def check_zero_copy(stream: ZcrxStream) -> None:
    """Equal data, nothing copied, nothing kept."""
    assert not stream.difference()
    assert stream.copied_bytes in (0, None)
    assert stream.every_buffer_returned


@pytest.mark.parametrize("version", [4, 6], ids="IPv{}".format)
@pytest.mark.parametrize("flows", [1, 8], ids="{} flows".format)
def test_stream_is_not_copied(
    dut: Dut, remote: Endpoint, defer: Defer, version: int, flows: int
) -> None:
    """32 MiB arrive whole, and the kernel copies none of them."""
    where = dedicate_queue(dut, remote, defer, port=PORT, ip_version=version)
    stream = receive(dut, remote, where, flows=flows, total_bytes=32 * MIB)
    assert stream.bytes == 32 * MIB
    check_zero_copy(stream)
    wait_until_free(dut)


@pytest.mark.needs(Capability.NTUPLE)
def test_unsteered_flow_is_copied(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """The control: through ordinary queues the kernel copies, and counts it.

    A segment small enough for the room behind another's header joins it there
    (``skb_try_coalesce``), and the kernel does not count linear data: nearly all is enough.
    """
    stream = receive(dut, remote, where, port=UNSTEERED_PORT, total_bytes=4 * MIB)
    assert not stream.difference()
    assert stream.copied_bytes is None or 0.9 * stream.bytes < stream.copied_bytes <= stream.bytes


@pytest.mark.needs(Capability.ZCRX_BUFFER_LENGTH, Capability.HUGE_PAGES)
def test_large_buffers(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """16 KiB buffers out of huge pages."""
    pages = 16
    before = dut.run(["cat", "/proc/sys/vm/nr_hugepages"]).text
    dut.run(["sysctl", "-qw", f"vm.nr_hugepages={pages}"])
    defer(dut.run, ["sysctl", "-qw", f"vm.nr_hugepages={before}"])
    where = dedicate_queue(dut, remote, defer, port=PORT)
    stream = receive(
        dut, remote, where, total_bytes=16 * MIB, rx_buf_len=16384,
        area_bytes=pages * HUGE_PAGE_BYTES,
    )  # fmt: skip
    assert stream.rx_buf_len == 16384
    check_zero_copy(stream)


def test_small_area(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """An area that the ring alone could swallow: buffers come back fast enough all the same."""
    stream = receive(dut, remote, where, total_bytes=8 * MIB, area_bytes=3 * MIB)
    check_zero_copy(stream)
