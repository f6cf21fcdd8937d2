# SPDX-License-Identifier: GPL-2.0-only
"""Statistics contexts."""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.stat import (
    HwrmStatCtxAllocInput,
    HwrmStatCtxAllocOutput,
    HwrmStatCtxClrStatsInput,
    HwrmStatCtxClrStatsOutput,
    HwrmStatCtxFreeInput,
    HwrmStatCtxFreeOutput,
)
from devmodel.bnxt.stats import COUNTERS, StatCtx

COMMANDS = CommandTable()


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
    del res.stat_ctxs[ctx.id]
    res.stat_ctx_ids.release(ctx.id)
    return HwrmStatCtxFreeOutput(stat_ctx_id=ctx.id)


@COMMANDS.handles(Cmd.STAT_CTX_CLR_STATS, HwrmStatCtxClrStatsInput)
def stat_ctx_clr_stats(fw: Firmware, req: HwrmStatCtxClrStatsInput) -> HwrmStatCtxClrStatsOutput:
    """Counters start again from zero."""
    _stat_ctx(fw, req.stat_ctx_id).clear()
    return HwrmStatCtxClrStatsOutput()
