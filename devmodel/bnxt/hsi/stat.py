# SPDX-License-Identifier: GPL-2.0-only
"""Statistics contexts (hwrm_stat_ctx_*)."""

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
