# SPDX-License-Identifier: GPL-2.0-only
"""What seeded bugs taught the oracle: each mistake has its own name, and none is called another."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hsi.ring_alloc import RingType
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue

AGG_BYTES, AGG_TYPE = 4096, 6
RX_BYTES, RX_TYPE = 640, 4


def restart(host: CardHost, queue: OpenQueue, *, without_agg: bool = False) -> None:
    """RX and aggregation ring freed and allocated again; the ids are the same as before."""
    before = (queue.rx, queue.agg)
    host.free_ring(RingType.RX, queue.rx)
    if not without_agg:
        host.free_ring(RingType.RX_AGG, queue.agg)
    more = {"nq_ring_id": queue.nq, "stat_ctx_id": queue.stat}
    queue.rx = host.ring(RingType.RX, rx_buf_size=RX_BYTES, **more)
    queue.agg = host.ring(RingType.RX_AGG, rx_ring_id=queue.rx, rx_buf_size=AGG_BYTES, **more)
    assert without_agg or (queue.rx, queue.agg) == before


@pytest.mark.parametrize("refresh", [True, False])
def test_default_ring_is_set_again_after_a_restart(
    host: CardHost, queue: OpenQueue, vnic_id: int, refresh: bool
) -> None:
    """Also if the new ring got the id of the old one."""
    host.set_mru(vnic_id, 0)
    restart(host, queue)
    if refresh:
        host.set_default_ring(vnic_id, queue)
    host.set_mru(vnic_id, 1518)
    assert host.rules == (set() if refresh else {"vnic_names_freed_ring"})
    if not refresh:
        (verdict,) = host.trace.violations
        assert verdict["where"] == ["default ring"]
        assert verdict["given_again"] == [queue.rx]
        assert verdict["culprit"] == "driver"


def test_aggregation_ring_goes_with_its_receive_ring(host: CardHost, queue: OpenQueue) -> None:
    left = queue.agg
    restart(host, queue, without_agg=True)
    assert [(v["rule"], v["id"]) for v in host.trace.violations] == [("ring_left_at_restart", left)]


def test_completion_ring_outlives_its_receive_ring(host: CardHost, queue: OpenQueue) -> None:
    host.vnic_of(queue)
    host.free_ring(RingType.L2_CMPL, queue.rx_cq)
    (verdict,) = host.trace.violations
    assert verdict["rule"] == "ring_free_in_use"
    assert verdict["rx_rings"] == [queue.rx]


def test_ring_left_behind_is_named_at_the_end(host: CardHost, queue: OpenQueue) -> None:
    host.close_queue(queue, leave_agg=True)
    (verdict,) = host.trace.violations
    assert verdict["rule"] == "fw_left_after_close"
    assert verdict["left"] == {"agg_rings": 1}


def post(host: CardHost, queue: OpenQueue, kind: RingType, length: int, at: list[int]) -> None:
    """A ring with buffers at these addresses, all posted at once."""
    is_agg = kind is RingType.RX_AGG
    if is_agg:
        host.free_ring(kind, queue.agg)
    more = {"rx_ring_id": queue.rx} if is_agg else {}
    request = host.ring_request(kind, nq_ring_id=queue.nq, rx_buf_size=length, **more)
    ring = host.call(request).ring_id
    word = length << 16 | (AGG_TYPE if is_agg else RX_TYPE)
    bds = b"".join(struct.pack("<IIQ", word, i, address) for i, address in enumerate(at))
    host.poke(request.page_tbl_addr, bds)
    host.doorbell(DbType.SRQ, ring, len(at))


@pytest.mark.parametrize("overlap", [0, 1])
def test_buffers_that_touch_are_apart(host: CardHost, queue: OpenQueue, overlap: int) -> None:
    page = host.allocate(4096)
    post(host, queue, RingType.RX, RX_BYTES, [page, page + RX_BYTES - overlap])
    assert host.rules == ({"buffers_overlap"} if overlap else set())


def test_one_page_in_two_descriptors(host: CardHost, queue: OpenQueue) -> None:
    pages = [host.allocate(4096) for _ in range(2)]
    post(host, queue, RingType.RX_AGG, AGG_BYTES, [*pages, pages[0]])
    (verdict,) = host.trace.violations
    assert (verdict["rule"], verdict["index"], verdict["address"]) == ("posted_twice", 2, pages[0])


def test_descriptors_without_an_address_are_not_called_a_double_post(
    host: CardHost, queue: OpenQueue
) -> None:
    post(host, queue, RingType.RX_AGG, AGG_BYTES, [host.allocate(4096), 0, 0])
    assert host.rules == {"posted_unmapped"}
