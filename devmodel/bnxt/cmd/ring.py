# SPDX-License-Identifier: GPL-2.0-only
"""Rings: allocation, RING_FREE as a barrier, interrupt moderation, inspection."""

from __future__ import annotations

from collections.abc import Mapping

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.cmpl import CmplRing, Moderation, NotificationQueue
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.backing_store import ContextType
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.dbg import DbgRingType, HwrmDbgRingInfoGetInput, HwrmDbgRingInfoGetOutput
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring_alloc import (
    INT_MODE_MSIX,
    INT_MODE_POLL,
    NO_STAT_CTX,
    SOP_PAD_BYTES,
    AggintCmplParams,
    HwrmRingAggintQcapsInput,
    HwrmRingAggintQcapsOutput,
    HwrmRingAllocInput,
    HwrmRingAllocOutput,
    HwrmRingCmplRingCfgAggintParamsInput,
    HwrmRingCmplRingCfgAggintParamsOutput,
    HwrmRingFreeInput,
    HwrmRingFreeOutput,
    RingAllocEnables,
    RingAllocFlags,
    RingType,
)
from devmodel.bnxt.qos import QUEUES
from devmodel.bnxt.resources import AggRing, RxRing, TxRing
from devmodel.bnxt.rings import BadPageTable, RingMemory, read_page_table
from devmodel.errors import DmaFault

COMMANDS = CommandTable()
MAX_ENTRIES = 1 << 16
TIMER_UNIT_NS = 80
_CONTEXTS = {
    RingType.TX: ContextType.QP,
    RingType.RX: ContextType.SRQ,
    RingType.RX_AGG: ContextType.SRQ,
    RingType.L2_CMPL: ContextType.CQ,
}
_COUNT_MAX = 63
_TIMER_MAX = 0xFFFF


def _memory(fw: Firmware, req: HwrmRingAllocInput) -> RingMemory:
    try:
        if req.length > MAX_ENTRIES:
            raise BadPageTable(f"{req.length} entries")
        if req.fbo:
            raise BadPageTable(f"first byte offset {req.fbo:#x}")
        return read_page_table(
            fw.dma,
            req.page_tbl_addr,
            depth=req.page_tbl_depth,
            page_shift=req.page_size,
            entries=req.length,
        )
    except (BadPageTable, DmaFault) as bad:
        raise fw.refuse("ring_page_table", ring_type=req.ring_type, detail=str(bad)) from bad


def _check_stat_ctx(fw: Firmware, stat_ctx_id: int) -> None:
    if stat_ctx_id != NO_STAT_CTX and stat_ctx_id not in fw.resources.stat_ctxs:
        raise fw.refuse("hwrm_unknown_id", kind="statistics context", id=stat_ctx_id)


def _nq(fw: Firmware, ring_id: int) -> NotificationQueue:
    nq = fw.resources.nqs.get(ring_id)
    if nq is None:
        raise fw.refuse("hwrm_unknown_id", kind="NQ", id=ring_id)
    return nq


def _check_count(fw: Firmware, kind: str, used: int, reserved: int) -> None:
    if used >= reserved:
        raise fw.refuse("hwrm_over_reservation", Err.RESOURCE_ALLOC_ERROR, kind=kind, have=reserved)


def _allocate_id(fw: Firmware) -> int:
    ring_id = fw.resources.ring_ids.allocate()
    if ring_id is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    fw.resources.retired_event_rings.discard(ring_id)
    fw.resources.retired_rx_rings.clear()
    return ring_id


@COMMANDS.handles(Cmd.RING_ALLOC, HwrmRingAllocInput)
def ring_alloc(fw: Firmware, req: HwrmRingAllocInput) -> HwrmRingAllocOutput:
    """A new ring, empty, in the pages the request names."""
    try:
        ring_type = RingType(req.ring_type)
    except ValueError:
        raise fw.refuse("ring_type", ring_type=req.ring_type) from None
    allocate = {
        RingType.NQ: _alloc_nq,
        RingType.L2_CMPL: _alloc_cmpl,
        RingType.TX: _alloc_tx,
        RingType.RX: _alloc_rx,
        RingType.RX_AGG: _alloc_agg,
    }[ring_type]
    ring_id = allocate(fw, req)
    fw.ledger.ring_allocated(ring_id)
    if ring_type in _CONTEXTS:
        fw.contexts.created(_CONTEXTS[ring_type], "ring", ring_id)
    fw.resources.steering_changed()
    return HwrmRingAllocOutput(ring_id=ring_id, logical_ring_id=req.logical_id)


def _no_interrupt(_vector: int) -> None:
    """A host that polls looks at the queue by itself."""


def _alloc_nq(fw: Firmware, req: HwrmRingAllocInput) -> int:
    _check_count(fw, "NQ", len(fw.resources.nqs), fw.reservation.msix)
    is_polled = req.int_mode == INT_MODE_POLL
    if not is_polled and (req.int_mode != INT_MODE_MSIX or req.logical_id >= fw.msix_vectors):
        raise fw.refuse("nq_vector", int_mode=req.int_mode, vector=req.logical_id)
    memory = _memory(fw, req)
    ring_id = _allocate_id(fw)
    fw.resources.nqs[ring_id] = NotificationQueue(
        ring_id, memory, fw.trace, req.logical_id, _no_interrupt if is_polled else fw.raise_msix
    )
    return ring_id


def _alloc_cmpl(fw: Firmware, req: HwrmRingAllocInput) -> int:
    _check_count(fw, "CQ", len(fw.resources.cmpl_rings), fw.reservation.cmpl_rings)
    nq = _nq(fw, req.nq_ring_id)
    memory = _memory(fw, req)
    ring_id = _allocate_id(fw)
    fw.resources.cmpl_rings[ring_id] = CmplRing(
        ring_id, memory, fw.trace, nq, req.cq_handle, fw.clock
    )
    return ring_id


def _alloc_tx(fw: Firmware, req: HwrmRingAllocInput) -> int:
    _check_count(fw, "TX", len(fw.resources.tx_rings), fw.reservation.tx_rings)
    if req.cmpl_ring_id not in fw.resources.cmpl_rings:
        raise fw.refuse("hwrm_unknown_id", kind="CQ", id=req.cmpl_ring_id)
    _check_stat_ctx(fw, req.stat_ctx_id)
    if req.queue_id >= QUEUES:
        raise fw.refuse("hwrm_unknown_id", kind="CoS queue", id=req.queue_id)
    memory = _memory(fw, req)
    ring_id = _allocate_id(fw)
    fw.resources.tx_rings[ring_id] = TxRing(
        ring_id,
        memory,
        fw.trace,
        cmpl_ring_id=req.cmpl_ring_id,
        stat_ctx_id=req.stat_ctx_id,
        queue_id=req.queue_id,
        logical_id=req.logical_id,
    )
    return ring_id


def _check_rx_count(fw: Firmware) -> None:
    used = len(fw.resources.rx_rings) + len(fw.resources.agg_rings)
    _check_count(fw, "RX", used, fw.reservation.rx_rings)


def _alloc_rx(fw: Firmware, req: HwrmRingAllocInput) -> int:
    _check_rx_count(fw)
    _check_stat_ctx(fw, req.stat_ctx_id)
    if req.enables & RingAllocEnables.NQ_RING_ID:  # drivers before 6.13 name no NQ here
        _nq(fw, req.nq_ring_id)
    memory = _memory(fw, req)
    ring_id = _allocate_id(fw)
    fw.resources.rx_rings[ring_id] = RxRing(
        ring_id,
        memory,
        fw.trace,
        buf_size=req.rx_buf_size,
        stat_ctx_id=req.stat_ctx_id,
        nq_ring_id=req.nq_ring_id,
        logical_id=req.logical_id,
        sop_pad=SOP_PAD_BYTES if req.flags & RingAllocFlags.RX_SOP_PAD else 0,
    )
    return ring_id


def _alloc_agg(fw: Firmware, req: HwrmRingAllocInput) -> int:
    _check_rx_count(fw)
    _check_stat_ctx(fw, req.stat_ctx_id)
    parent = fw.resources.rx_rings.get(req.rx_ring_id)
    if parent is None:
        raise fw.refuse("hwrm_unknown_id", kind="RX", id=req.rx_ring_id)
    if parent.agg is not None:
        raise fw.refuse("agg_ring_twice", rx_ring=parent.id)
    memory = _memory(fw, req)
    ring_id = _allocate_id(fw)
    parent.agg = AggRing(ring_id, memory, fw.trace, buf_size=req.rx_buf_size, rx_ring_id=parent.id)
    fw.resources.agg_rings[ring_id] = parent.agg
    return ring_id


@COMMANDS.handles(Cmd.RING_FREE, HwrmRingFreeInput)
def ring_free(fw: Firmware, req: HwrmRingFreeInput) -> HwrmRingFreeOutput:
    """Barrier: what the ring is owed is delivered, then nothing touches host memory for it."""
    res = fw.resources
    ring_id = req.ring_id
    if req.ring_type == RingType.RX and ring_id in res.rx_rings:
        rx = res.retired_rx_rings[ring_id] = res.rx_rings.pop(ring_id)
        _free_rx(fw, rx)
    elif req.ring_type in (RingType.RX_AGG, RingType.RX) and ring_id in res.agg_rings:
        agg = res.retired_rx_rings[ring_id] = res.agg_rings.pop(ring_id)
        _free_agg(fw, agg)
    elif req.ring_type == RingType.TX and ring_id in res.tx_rings:
        tx = res.tx_rings.pop(ring_id)
        fw.transmit.flush_ring(tx)
        tx.free()
        fw.ledger.ring_freed(tx.KIND, ring_id, tx)
        _write_stat_ctx(fw, tx.stat_ctx_id)
    elif req.ring_type == RingType.L2_CMPL and ring_id in res.cmpl_rings:
        _free_cmpl(fw, res.cmpl_rings.pop(ring_id))
        res.retired_event_rings.add(ring_id)
        fw.ledger.ring_freed("CQ", ring_id)
    elif req.ring_type == RingType.NQ and ring_id in res.nqs:
        nq = res.nqs.pop(ring_id)
        if any(cq.nq is nq for cq in res.cmpl_rings.values()):
            fw.trace.violation("ring_free_in_use", kind="NQ", id=ring_id)
        nq.freed = True
        res.retired_event_rings.add(ring_id)
        fw.ledger.ring_freed("NQ", ring_id)
    else:
        raise fw.refuse("hwrm_unknown_id", kind=f"ring type {req.ring_type}", id=ring_id)
    if req.ring_type in _CONTEXTS:
        fw.contexts.destroyed(_CONTEXTS[RingType(req.ring_type)], "ring", ring_id)
    res.ring_ids.release(ring_id)
    res.steering_changed()
    fw.notify_all()
    return HwrmRingFreeOutput()


def _free_rx(fw: Firmware, rx: RxRing) -> None:
    fw.receive.flush_ring(rx)
    rx.free()
    fw.ledger.ring_freed(rx.KIND, rx.id, rx)
    _write_stat_ctx(fw, rx.stat_ctx_id)


def _free_agg(fw: Firmware, agg: AggRing) -> None:
    fw.receive.flush_ring(agg)
    agg.free()
    fw.ledger.ring_freed(agg.KIND, agg.id, agg)
    parent = fw.resources.rx_rings.get(agg.rx_ring_id)
    if parent is not None and parent.agg is agg:
        parent.agg = None


def _free_cmpl(fw: Firmware, cq: CmplRing) -> None:
    fw.receive.flush_cmpl(cq)
    cq.notify()
    if any(tx.cmpl_ring_id == cq.id for tx in fw.resources.tx_rings.values()):
        fw.trace.violation("ring_free_in_use", kind="CQ", id=cq.id)
    cq.free()


def _write_stat_ctx(fw: Firmware, stat_ctx_id: int) -> None:
    ctx = fw.resources.stat_ctxs.get(stat_ctx_id)
    if ctx is not None:
        ctx.write()


@COMMANDS.handles(Cmd.RING_AGGINT_QCAPS, HwrmRingAggintQcapsInput)
def ring_aggint_qcaps(fw: Firmware, req: HwrmRingAggintQcapsInput) -> HwrmRingAggintQcapsOutput:
    """Ranges of the moderation parameters; there is none per NQ."""
    return HwrmRingAggintQcapsOutput(
        cmpl_params=sum(AggintCmplParams),
        num_cmpl_dma_aggr_max=_COUNT_MAX,
        num_cmpl_dma_aggr_during_int_max=_COUNT_MAX,
        cmpl_aggr_dma_tmr_max=_TIMER_MAX,
        cmpl_aggr_dma_tmr_during_int_max=_TIMER_MAX,
        int_lat_tmr_min_max=_TIMER_MAX,
        int_lat_tmr_max_max=_TIMER_MAX,
        num_cmpl_aggr_int_max=_TIMER_MAX,
        timer_units=TIMER_UNIT_NS,
    )


@COMMANDS.handles(Cmd.RING_CMPL_RING_CFG_AGGINT_PARAMS, HwrmRingCmplRingCfgAggintParamsInput)
def aggint_params(
    fw: Firmware, req: HwrmRingCmplRingCfgAggintParamsInput
) -> HwrmRingCmplRingCfgAggintParamsOutput:
    """Interrupt moderation of a CQ: the longest delay and the count that ends it early."""
    cq = fw.resources.cmpl_rings.get(req.ring_id)
    if cq is None:
        raise fw.refuse("hwrm_unknown_id", kind="CQ", id=req.ring_id)
    cq.moderation = Moderation(
        delay_ns=req.int_lat_tmr_max * TIMER_UNIT_NS, frames=req.num_cmpl_aggr_int
    )
    cq.notify()
    return HwrmRingCmplRingCfgAggintParamsOutput()


@COMMANDS.handles(Cmd.DBG_RING_INFO_GET, HwrmDbgRingInfoGetInput)
def dbg_ring_info_get(fw: Firmware, req: HwrmDbgRingInfoGetInput) -> HwrmDbgRingInfoGetOutput:
    """Producer and consumer of a ring, as the card sees them."""
    res = fw.resources
    tables: dict[DbgRingType, Mapping[int, CmplRing | NotificationQueue | TxRing | RxRing]] = {
        DbgRingType.L2_CMPL: res.cmpl_rings,
        DbgRingType.TX: res.tx_rings,
        DbgRingType.RX: res.rx_rings,
        DbgRingType.NQ: res.nqs,
    }
    try:
        ring = tables[DbgRingType(req.ring_type)][req.fw_ring_id]
    except (ValueError, KeyError):
        raise fw.refuse("hwrm_unknown_id", kind="ring", id=req.fw_ring_id) from None
    return HwrmDbgRingInfoGetOutput(
        producer_index=ring.prod & ring.mask, consumer_index=ring.cons & ring.mask
    )
