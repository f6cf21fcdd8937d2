# SPDX-License-Identifier: GPL-2.0-only
"""Function and ring commands, through a whole card."""

from __future__ import annotations

import pytest

from devmodel.bnxt.hsi.dbg import HwrmDbgRingInfoGetInput
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncCfgFlags,
    HwrmFuncCfgInput,
    HwrmFuncQcfgInput,
    HwrmFuncQcfgOutput,
    HwrmFuncResetInput,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hsi.ring_alloc import (
    HwrmRingAggintQcapsInput,
    HwrmRingCmplRingCfgAggintParamsInput,
    HwrmRingFreeInput,
    RingAllocEnables,
    RingType,
)
from devmodel.bnxt.hsi.stat import HwrmStatCtxFreeInput
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue


# -- function -----------------------------------------------------------------------------------
def qcfg(host: CardHost) -> HwrmFuncQcfgOutput:
    return host.call(HwrmFuncQcfgInput(fid=0xFFFF))


def test_reservations_are_echoed(host: CardHost) -> None:
    out = qcfg(host)
    assert (out.alloc_tx_rings, out.alloc_rx_rings, out.alloc_msix) == (8, 16, 8)
    host.call(
        HwrmFuncCfgInput(fid=0xFFFF, enables=FuncCfgEnables.NUM_VNICS, num_vnics=7, num_tx_rings=99)
    )
    out = qcfg(host)
    assert (out.alloc_vnics, out.alloc_tx_rings) == (7, 8)
    assert out.l2_doorbell_bar_size_kb > 64


def test_assets_test_changes_nothing(host: CardHost) -> None:
    request = HwrmFuncCfgInput(
        fid=0xFFFF,
        flags=FuncCfgFlags.TX_ASSETS_TEST,
        enables=FuncCfgEnables.NUM_TX_RINGS,
        num_tx_rings=32,
    )
    host.call(request)
    assert qcfg(host).alloc_tx_rings == 8
    request.num_tx_rings = 1000
    assert host.error(request) == Err.RESOURCE_ALLOC_ERROR
    assert not host.rules


def test_another_function_is_refused(host: CardHost) -> None:
    assert host.error(HwrmFuncQcfgInput(fid=9)) == Err.RESOURCE_ACCESS_DENIED
    assert host.rules == {"hwrm_unknown_function"}


def test_function_reset_drops_everything(host: CardHost, queue: OpenQueue) -> None:
    host.vnic_of(queue)
    ledger = host.card.resources.ledger()
    assert ledger["rx_rings"] == 1
    host.call(HwrmFuncResetInput())
    assert not any(host.card.resources.ledger().values())
    assert qcfg(host).alloc_tx_rings == 0
    host.doorbell(DbType.SRQ, queue.rx, 1)
    assert host.rules == {"doorbell_unknown_ring"}


# -- rings --------------------------------------------------------------------------------------
def freed_after_receiving(host: CardHost, queue: OpenQueue) -> tuple[int, int]:
    """Its receive rings had eight buffers each, of which the card consumed five; then RING_FREE.

    :return: their ids.
    """
    res = host.card.resources
    for ring in (res.rx_rings[queue.rx], res.agg_rings[queue.agg]):
        ring.prod = ring.most = 8
        ring.cons = 5
    host.free_ring(RingType.RX, queue.rx)
    host.free_ring(RingType.RX_AGG, queue.agg)
    return queue.rx, queue.agg


def test_polls_that_end_late_make_good_what_they_received(host: CardHost, queue: OpenQueue) -> None:
    """bnxt_queue_stop() frees receive rings before it stops NAPI, which polls more than once if
    more than its budget waits."""
    rings = freed_after_receiving(host, queue)
    for index in (8, 9, 11, 13):
        for ring in rings:
            host.doorbell(DbType.SRQ, ring, index)
    assert not host.rules
    assert host.trace.counters["late_doorbells"] == 8


@pytest.mark.parametrize("index", [7, 14, 256 + 9])
def test_a_late_poll_posts_no_more_than_it_received(
    host: CardHost, queue: OpenQueue, index: int
) -> None:
    """Not less than it had posted, not more than the ring ever held, not beyond its end."""
    for ring in freed_after_receiving(host, queue):
        host.doorbell(DbType.SRQ, ring, index)
    assert host.trace.violation_counts == {"doorbell_unknown_ring": 2}
    assert not host.trace.counters["late_doorbells"]


def test_once_a_ring_is_allocated_none_is_late(host: CardHost, queue: OpenQueue) -> None:
    """The queue starts again: who rings an old ring now has kept its number."""
    rings = freed_after_receiving(host, queue)
    taken = host.ring(RingType.NQ, logical_id=1)
    for ring in rings:
        if ring != taken:
            host.doorbell(DbType.SRQ, ring, 9)
    assert host.rules == {"doorbell_unknown_ring"}


def test_open_and_close_leave_nothing(host: CardHost) -> None:
    for _ in range(3):
        queue = host.open_queue()
        host.close_queue(queue)
        host.call(HwrmStatCtxFreeInput(stat_ctx_id=queue.stat))
    assert not any(host.card.resources.ledger().values())
    assert not host.rules


def test_ring_beyond_the_reservation(host: CardHost, queue: OpenQueue) -> None:
    host.reserve(num_tx_rings=1)
    request = host.ring_request(RingType.TX, cmpl_ring_id=queue.tx_cq)
    assert host.error(request) == Err.RESOURCE_ALLOC_ERROR
    assert host.rules == {"hwrm_over_reservation"}


@pytest.mark.parametrize(
    ("ring_type", "changes", "rule"),
    [
        (RingType.TX, {"cmpl_ring_id": 999}, "hwrm_unknown_id"),
        (RingType.L2_CMPL, {"nq_ring_id": 999}, "hwrm_unknown_id"),
        (
            RingType.RX,
            {"nq_ring_id": 999, "enables": RingAllocEnables.NQ_RING_ID},
            "hwrm_unknown_id",
        ),
        (RingType.RX_AGG, {"rx_ring_id": 999}, "hwrm_unknown_id"),
        (RingType.NQ, {"logical_id": 32}, "nq_vector"),
        (RingType.NQ, {"length": 1000}, "ring_page_table"),
        (RingType.NQ, {"length": 1 << 17}, "ring_page_table"),
        (RingType.NQ, {"page_tbl_addr": 4}, "ring_page_table"),
        (RingType.NQ, {"page_tbl_depth": 1, "page_size": 12}, "ring_page_table"),
        (RingType.NQ, {"fbo": 64}, "ring_page_table"),
        (RingType.NQ, {"ring_type": 3}, "ring_type"),
    ],
)
def test_refused_ring(
    host: CardHost, queue: OpenQueue, ring_type: RingType, changes: dict[str, int], rule: str
) -> None:
    before = host.card.resources.ledger()
    request = host.ring_request(ring_type)
    for name, value in changes.items():
        setattr(request, name, value)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {rule}
    assert host.card.resources.ledger() == before


def test_second_aggregation_ring_is_refused(host: CardHost, queue: OpenQueue) -> None:
    request = host.ring_request(RingType.RX_AGG, rx_ring_id=queue.rx)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"agg_ring_twice"}


def test_aggregation_ring_without_memory_is_harmless(host: CardHost, queue: OpenQueue) -> None:
    """A queue restart without aggregation allocates one with no pages (bnxt_queue_start)."""
    host.free_ring(RingType.RX_AGG, queue.agg)
    request = host.ring_request(RingType.RX_AGG, rx_ring_id=queue.rx)
    request.page_tbl_addr = 0
    request.length = 1
    host.call(request)
    assert not host.rules


@pytest.mark.parametrize("ring_type", list(RingType))
def test_free_of_a_ring_that_is_not(host: CardHost, ring_type: RingType) -> None:
    request = HwrmRingFreeInput(ring_type=ring_type, ring_id=77)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_unknown_id"}


def test_double_free(host: CardHost, queue: OpenQueue) -> None:
    host.free_ring(RingType.TX, queue.tx)
    request = HwrmRingFreeInput(ring_type=RingType.TX, ring_id=queue.tx)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_unknown_id"}


def test_free_of_the_wrong_type(host: CardHost, queue: OpenQueue) -> None:
    request = HwrmRingFreeInput(ring_type=RingType.RX, ring_id=queue.tx)
    assert host.error(request) == Err.INVALID_PARAMS
    assert queue.tx in host.card.resources.tx_rings


def test_free_of_rings_in_use_is_done_and_recorded(host: CardHost, queue: OpenQueue) -> None:
    host.free_ring(RingType.L2_CMPL, queue.tx_cq)
    assert host.trace.violation_counts == {"ring_free_in_use": 1}
    host.free_ring(RingType.NQ, queue.nq)
    assert host.trace.violation_counts == {"ring_free_in_use": 2, "fw_left_after_close": 1}


def test_moderation_parameters(host: CardHost, queue: OpenQueue) -> None:
    caps = host.call(HwrmRingAggintQcapsInput())
    assert caps.timer_units > 0
    host.call(
        HwrmRingCmplRingCfgAggintParamsInput(
            ring_id=queue.rx_cq, int_lat_tmr_max=125, num_cmpl_aggr_int=30
        )
    )
    moderation = host.card.resources.cmpl_rings[queue.rx_cq].moderation
    assert (moderation.delay_ns, moderation.frames) == (125 * caps.timer_units, 30)


def test_ring_info(host: CardHost, queue: OpenQueue) -> None:
    host.doorbell(DbType.SRQ, queue.rx, 17)
    out = host.call(HwrmDbgRingInfoGetInput(ring_type=2, fw_ring_id=queue.rx))
    assert (out.producer_index, out.consumer_index) == (17, 0)
