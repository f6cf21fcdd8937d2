# SPDX-License-Identifier: GPL-2.0-only
"""Statistics contexts."""

from __future__ import annotations

from collections.abc import Collection

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.backing_store import ContextType
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err, HwrmOutput
from devmodel.bnxt.hsi.stat import (
    HwrmFuncQstatsInput,
    HwrmFuncQstatsOutput,
    HwrmStatCtxAllocInput,
    HwrmStatCtxAllocOutput,
    HwrmStatCtxClrStatsInput,
    HwrmStatCtxClrStatsOutput,
    HwrmStatCtxFreeInput,
    HwrmStatCtxFreeOutput,
    HwrmStatCtxQueryInput,
    HwrmStatCtxQueryOutput,
)
from devmodel.bnxt.stats import COUNTERS, CTX_COUNTER_NAMES, StatCtx

COMMANDS = CommandTable()
_OWN_FID = 0xFFFF
_OTHER_NAMES = {
    "rx_tpa_pkt": ("rx_agg_pkts",),
    "rx_tpa_bytes": ("rx_agg_bytes",),
    "rx_tpa_events": ("rx_agg_events",),
    "rx_tpa_errors": ("rx_agg_aborts",),
    "rx_error_pkts": ("rx_error_pkts", "rx_drop_pkts"),
    "tx_error_pkts": ("tx_error_pkts", "tx_drop_pkts"),
}
"""Counters that the queries call otherwise."""


def _stat_ctx(fw: Firmware, ctx_id: int) -> StatCtx:
    ctx = fw.resources.stat_ctxs.get(ctx_id)
    if ctx is None:
        raise fw.refuse("hwrm_unknown_id", kind="statistics context", id=ctx_id)
    return ctx


@COMMANDS.handles(Cmd.STAT_CTX_ALLOC, HwrmStatCtxAllocInput)
def stat_ctx_alloc(fw: Firmware, req: HwrmStatCtxAllocInput) -> HwrmStatCtxAllocOutput:
    """Counters for some rings, written to the host every ``update_period_ms``."""
    if len(fw.resources.stat_ctxs) >= fw.reservation.stat_ctx:
        raise fw.refuse(
            "hwrm_over_reservation",
            Err.RESOURCE_ALLOC_ERROR,
            kind="statistics context",
            have=fw.reservation.stat_ctx,
        )
    ctx_id = fw.resources.stat_ctx_ids.allocate()
    if ctx_id is None:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    fw.resources.stat_ctxs[ctx_id] = StatCtx(
        ctx_id,
        req.stats_dma_addr,
        min(req.stats_dma_length, COUNTERS * 8),
        req.update_period_ms,
        dma=fw.dma,
        clock=fw.clock,
        trace=fw.trace,
    )
    fw.ledger.stat_ctx_allocated(fw.resources.stat_ctxs[ctx_id])
    fw.contexts.created(ContextType.STAT, "statistics context", ctx_id)
    return HwrmStatCtxAllocOutput(stat_ctx_id=ctx_id)


@COMMANDS.handles(Cmd.STAT_CTX_FREE, HwrmStatCtxFreeInput)
def stat_ctx_free(fw: Firmware, req: HwrmStatCtxFreeInput) -> HwrmStatCtxFreeOutput:
    """The last values are written, then nothing more."""
    ctx = _stat_ctx(fw, req.stat_ctx_id)
    res = fw.resources
    users = [ring.id for ring in res.tx_rings.values() if ring.stat_ctx_id == ctx.id]
    users += [ring.id for ring in res.rx_rings.values() if ring.stat_ctx_id == ctx.id]
    if users:
        fw.trace.violation("stat_ctx_free_in_use", id=ctx.id, rings=users)
    ctx.write()
    ctx.stop()
    fw.ledger.stat_ctx_freed(ctx.id)
    fw.contexts.destroyed(ContextType.STAT, "statistics context", ctx.id)
    res.stat_ctxs.pop(ctx.id, None)  # gone if the card was reset when it wrote
    res.stat_ctx_ids.release(ctx.id)
    return HwrmStatCtxFreeOutput(stat_ctx_id=ctx.id)


@COMMANDS.handles(Cmd.STAT_CTX_CLR_STATS, HwrmStatCtxClrStatsInput)
def stat_ctx_clr_stats(fw: Firmware, req: HwrmStatCtxClrStatsInput) -> HwrmStatCtxClrStatsOutput:
    """Counters start again from zero."""
    _stat_ctx(fw, req.stat_ctx_id).clear()
    return HwrmStatCtxClrStatsOutput()


@COMMANDS.handles(Cmd.STAT_CTX_QUERY, HwrmStatCtxQueryInput)
def stat_ctx_query(fw: Firmware, req: HwrmStatCtxQueryInput) -> HwrmStatCtxQueryOutput:
    """The counters of one context, for a driver that gave no memory for them."""
    out = HwrmStatCtxQueryOutput()
    _fill(out, [_stat_ctx(fw, req.stat_ctx_id)])
    return out


@COMMANDS.handles(Cmd.FUNC_QSTATS, HwrmFuncQstatsInput)
def func_qstats(fw: Firmware, req: HwrmFuncQstatsInput) -> HwrmFuncQstatsOutput:
    """The sum of all contexts."""
    if req.fid not in (_OWN_FID, fw.identity.fid):
        raise fw.refuse("hwrm_unknown_function", Err.RESOURCE_ACCESS_DENIED, fid=req.fid)
    out = HwrmFuncQstatsOutput()
    _fill(out, fw.resources.stat_ctxs.values())
    return out


def _fill(out: HwrmOutput, contexts: Collection[StatCtx]) -> None:
    members = {field.name for field in out.FIELDS}
    for i, name in enumerate(CTX_COUNTER_NAMES):
        for member in _OTHER_NAMES.get(name, (name,)):
            if member in members:
                setattr(out, member, sum(ctx.counters[i] for ctx in contexts))
