# SPDX-License-Identifier: GPL-2.0-only
"""io_uring zero-copy receive: what arrives, and what the kernel had to copy."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.huge_pages import HUGE_PAGE_BYTES, reserve_huge_pages
from testbed.dut.nic import ZcrxQueue, dedicate_queue, set_ring, wait_until_free
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, ZcrxStream, receive_by_zcrx
from testbed.dut.zcrx_account import nothing_copied, through_queues
from testbed.dut.zcrx_queue import bound_queue
from testbed.errors import GuestCommandFailed

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5100
UNSTEERED_PORT = 5101
LARGEST_BUFFER = 32 << 10
"""BNXT_MAX_RX_PAGE_SIZE in bnxt.h."""
STALLED_S = 20


def receive(dut: Dut, remote: Endpoint, where: ZcrxQueue, **changes: int) -> ZcrxStream:
    """64 MiB unless ``changes`` say otherwise."""
    arguments = {"port": where.port, "total_bytes": 64 * MIB, "ip_version": where.ip_version}
    return receive_by_zcrx(dut, remote, queue=where.queue, **{**arguments, **changes})


def receive_by_zero_copy(
    dut: Dut, remote: Endpoint, where: ZcrxQueue, total_bytes: int, **changes: int
) -> ZcrxStream:
    """Equal data, all of it through the queue, nothing copied, nothing kept."""
    with through_queues(dut, where.queue, total_bytes=total_bytes):
        stream = receive(dut, remote, where, total_bytes=total_bytes, **changes)
    assert not stream.difference()
    assert stream.bytes == total_bytes
    assert stream.copied_bytes == nothing_copied(dut)
    assert stream.every_buffer_returned
    return stream


@pytest.mark.parametrize("version", [4, 6], ids="IPv{}".format)
@pytest.mark.parametrize("flows", [1, 8], ids="{} flows".format)
def test_stream_is_not_copied(
    dut: Dut, remote: Endpoint, defer: Defer, version: int, flows: int
) -> None:
    """32 MiB arrive whole, and the kernel copies none of them."""
    where = dedicate_queue(dut, remote, defer, port=PORT, ip_version=version)
    receive_by_zero_copy(dut, remote, where, 32 * MIB, flows=flows)
    wait_until_free(dut)


@pytest.mark.needs(Capability.NTUPLE)
def test_unsteered_flow_is_copied(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """The control: through ordinary queues the kernel copies, and counts it.

    A segment small enough for the room behind another's header joins it there
    (``skb_try_coalesce``), and the kernel does not count linear data: nearly all is enough.
    """
    with (
        pytest.raises(GuestCommandFailed, match="through other queues"),
        through_queues(dut, where.queue, total_bytes=4 * MIB),
    ):
        stream = receive(dut, remote, where, port=UNSTEERED_PORT, total_bytes=4 * MIB)
    assert not stream.difference()
    if nothing_copied(dut) is None:
        assert stream.copied_bytes is None
    else:
        assert stream.copied_bytes is not None
        assert 0.9 * stream.bytes < stream.copied_bytes <= stream.bytes


@pytest.mark.needs(Capability.ZCRX_BUFFER_LENGTH, Capability.HUGE_PAGES)
def test_large_buffers(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """16 KiB buffers, out of huge pages where the kernel has any."""
    pages = 16
    reserve_huge_pages(dut, pages, defer)
    where = dedicate_queue(dut, remote, defer, port=PORT)
    stream = receive_by_zero_copy(
        dut, remote, where, 16 * MIB, rx_buf_len=16384, area_bytes=pages * HUGE_PAGE_BYTES
    )
    assert stream.rx_buf_len == 16384


@pytest.mark.needs(Capability.ZCRX_BUFFER_LENGTH, Capability.HUGE_PAGES)
@pytest.mark.finding("rx-ring-without-buffers")
def test_large_buffers_in_the_smallest_ring(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """bnxt_en posts the fewer buffers the larger they are: of a receive ring of one entry the
    aggregation ring has four, and buffers of eight pages are to fill half of one."""
    reserve_huge_pages(dut, 1, defer)
    where = dedicate_queue(dut, remote, defer, port=PORT)
    set_ring(dut, "rx", 1, defer)
    changes = {"rx_buf_len": LARGEST_BUFFER, "area_bytes": HUGE_PAGE_BYTES, "timeout_s": STALLED_S}
    try:
        stream = receive(dut, remote, where, total_bytes=256 << 10, **changes)
    except GuestCommandFailed as failed:
        pytest.fail(f"the queue receives nothing: {failed.message}")
    assert not stream.difference()


def test_small_area(dut: Dut, remote: Endpoint, where: ZcrxQueue) -> None:
    """An area that the ring alone could swallow: buffers come back fast enough all the same."""
    receive_by_zero_copy(dut, remote, where, 8 * MIB, area_bytes=3 * MIB)


def test_scattered_area(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """No two pages side by side: each is mapped, and synchronised for the CPU, by itself.

    Where DMA bounces (``--testbed-swiotlb on``), bytes that were not synchronised do not appear;
    longer pieces have no bounce buffer.
    """
    with bound_queue(dut, remote, defer, PORT, scattered=1) as bound:
        for _ in range(2):
            bound.transfer()
