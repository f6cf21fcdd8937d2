# SPDX-License-Identifier: GPL-2.0-only
"""Statistics contexts (hwrm_stat_ctx_*), and the sum of them (hwrm_func_qstats_*)."""

from __future__ import annotations

from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


@layout(size=48, c_name="hwrm_stat_ctx_alloc_input")
class HwrmStatCtxAllocInput(HwrmInput):
    stats_dma_addr: le64 = 0
    update_period_ms: le32 = 0
    stat_ctx_flags: u8 = 0
    unused_0: u8 = 0
    stats_dma_length: le16 = 0
    flags: le16 = 0
    steering_tag: le16 = 0
    stat_ctx_id: le32 = 0
    alloc_seq_id: le16 = 0
    unused_1: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_stat_ctx_alloc_output")
class HwrmStatCtxAllocOutput(HwrmOutput):
    stat_ctx_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_stat_ctx_free_input")
class HwrmStatCtxFreeInput(HwrmInput):
    stat_ctx_id: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_stat_ctx_free_output")
class HwrmStatCtxFreeOutput(HwrmOutput):
    stat_ctx_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_stat_ctx_clr_stats_input")
class HwrmStatCtxClrStatsInput(HwrmInput):
    stat_ctx_id: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_stat_ctx_clr_stats_output")
class HwrmStatCtxClrStatsOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_stat_ctx_query_input")
class HwrmStatCtxQueryInput(HwrmInput):
    stat_ctx_id: le32 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""


@layout(size=176, c_name="hwrm_stat_ctx_query_output")
class HwrmStatCtxQueryOutput(HwrmOutput):
    tx_ucast_pkts: le64 = 0
    tx_mcast_pkts: le64 = 0
    tx_bcast_pkts: le64 = 0
    tx_discard_pkts: le64 = 0
    tx_error_pkts: le64 = 0
    tx_ucast_bytes: le64 = 0
    tx_mcast_bytes: le64 = 0
    tx_bcast_bytes: le64 = 0
    rx_ucast_pkts: le64 = 0
    rx_mcast_pkts: le64 = 0
    rx_bcast_pkts: le64 = 0
    rx_discard_pkts: le64 = 0
    rx_error_pkts: le64 = 0
    rx_ucast_bytes: le64 = 0
    rx_mcast_bytes: le64 = 0
    rx_bcast_bytes: le64 = 0
    rx_agg_pkts: le64 = 0
    rx_agg_bytes: le64 = 0
    rx_agg_events: le64 = 0
    rx_agg_aborts: le64 = 0
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_qstats_input")
class HwrmFuncQstatsInput(HwrmInput):
    fid: le16 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""


@layout(size=176, c_name="hwrm_func_qstats_output")
class HwrmFuncQstatsOutput(HwrmOutput):
    tx_ucast_pkts: le64 = 0
    tx_mcast_pkts: le64 = 0
    tx_bcast_pkts: le64 = 0
    tx_discard_pkts: le64 = 0
    tx_drop_pkts: le64 = 0
    tx_ucast_bytes: le64 = 0
    tx_mcast_bytes: le64 = 0
    tx_bcast_bytes: le64 = 0
    rx_ucast_pkts: le64 = 0
    rx_mcast_pkts: le64 = 0
    rx_bcast_pkts: le64 = 0
    rx_discard_pkts: le64 = 0
    rx_drop_pkts: le64 = 0
    rx_ucast_bytes: le64 = 0
    rx_mcast_bytes: le64 = 0
    rx_bcast_bytes: le64 = 0
    rx_agg_pkts: le64 = 0
    rx_agg_bytes: le64 = 0
    rx_agg_events: le64 = 0
    rx_agg_aborts: le64 = 0
    clear_seq: u8 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    valid: u8 = 1
