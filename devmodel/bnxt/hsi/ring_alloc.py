# SPDX-License-Identifier: GPL-2.0-only
"""Rings and interrupt moderation (hwrm_ring_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


class RingType(enum.IntEnum):
    """RING_ALLOC_REQ_RING_TYPE_* and RING_FREE_REQ_RING_TYPE_*."""

    L2_CMPL = 0
    TX = 1
    RX = 2
    RX_AGG = 4
    NQ = 5


class RingAllocEnables(enum.IntFlag):
    """RING_ALLOC_REQ_ENABLES_*."""

    NQ_RING_ID = 0x80


class RingAllocFlags(enum.IntFlag):
    """RING_ALLOC_REQ_FLAGS_*."""

    RX_SOP_PAD = 0x1


INT_MODE_MSIX = 2
INT_MODE_POLL = 3
SOP_PAD_BYTES = 2
NO_STAT_CTX = 0xFFFFFFFF


class AggintCmplParams(enum.IntFlag):
    """RING_AGGINT_QCAPS_RESP_CMPL_PARAMS_*."""

    INT_LAT_TMR_MIN = 0x1
    INT_LAT_TMR_MAX = 0x2
    RING_IDLE = 0x8
    NUM_CMPL_DMA_AGGR = 0x10
    NUM_CMPL_DMA_AGGR_DURING_INT = 0x20
    CMPL_AGGR_DMA_TMR = 0x40
    CMPL_AGGR_DMA_TMR_DURING_INT = 0x80
    NUM_CMPL_AGGR_INT = 0x100


@layout(size=96, c_name="hwrm_ring_alloc_input")
class HwrmRingAllocInput(HwrmInput):
    enables: le32 = 0
    ring_type: u8 = 0
    cmpl_coal_cnt: u8 = 0
    flags: le16 = 0
    page_tbl_addr: le64 = 0
    fbo: le32 = 0
    page_size: u8 = 0
    page_tbl_depth: u8 = 0
    schq_id: le16 = 0
    length: le32 = 0
    logical_id: le16 = 0
    cmpl_ring_id: le16 = 0
    queue_id: le16 = 0
    rx_buf_size: le16 = 0
    rx_ring_id: le16 = 0
    nq_ring_id: le16 = 0
    ring_arb_cfg: le16 = 0
    steering_tag: le16 = 0
    reserved3: le32 = 0
    stat_ctx_id: le32 = 0
    reserved4: le32 = 0
    max_bw: le32 = 0
    int_mode: u8 = 0
    mpc_chnls_type: u8 = 0
    rx_rate_profile_sel: u8 = 0
    unused_4: u8 = 0
    cq_handle: le64 = 0
    dpi: le16 = 0
    unused_5: Annotated[tuple[int, ...], "3H"] = (0,) * 3


@layout(size=16, c_name="hwrm_ring_alloc_output")
class HwrmRingAllocOutput(HwrmOutput):
    ring_id: le16 = 0
    logical_ring_id: le16 = 0
    push_buffer_index: u8 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_ring_free_input")
class HwrmRingFreeInput(HwrmInput):
    ring_type: u8 = 0
    flags: u8 = 0
    ring_id: le16 = 0
    prod_idx: le32 = 0
    opaque: le32 = 0
    unused_1: le32 = 0


@layout(size=16, c_name="hwrm_ring_free_output")
class HwrmRingFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_ring_aggint_qcaps_input")
class HwrmRingAggintQcapsInput(HwrmInput):
    pass


@layout(size=48, c_name="hwrm_ring_aggint_qcaps_output")
class HwrmRingAggintQcapsOutput(HwrmOutput):
    cmpl_params: le32 = 0
    nq_params: le32 = 0
    num_cmpl_dma_aggr_min: le16 = 0
    num_cmpl_dma_aggr_max: le16 = 0
    num_cmpl_dma_aggr_during_int_min: le16 = 0
    num_cmpl_dma_aggr_during_int_max: le16 = 0
    cmpl_aggr_dma_tmr_min: le16 = 0
    cmpl_aggr_dma_tmr_max: le16 = 0
    cmpl_aggr_dma_tmr_during_int_min: le16 = 0
    cmpl_aggr_dma_tmr_during_int_max: le16 = 0
    int_lat_tmr_min_min: le16 = 0
    int_lat_tmr_min_max: le16 = 0
    int_lat_tmr_max_min: le16 = 0
    int_lat_tmr_max_max: le16 = 0
    num_cmpl_aggr_int_min: le16 = 0
    num_cmpl_aggr_int_max: le16 = 0
    timer_units: le16 = 0
    unused_0: u8 = 0
    valid: u8 = 1


@layout(size=40, c_name="hwrm_ring_cmpl_ring_cfg_aggint_params_input")
class HwrmRingCmplRingCfgAggintParamsInput(HwrmInput):
    ring_id: le16 = 0
    flags: le16 = 0
    num_cmpl_dma_aggr: le16 = 0
    num_cmpl_dma_aggr_during_int: le16 = 0
    cmpl_aggr_dma_tmr: le16 = 0
    cmpl_aggr_dma_tmr_during_int: le16 = 0
    int_lat_tmr_min: le16 = 0
    int_lat_tmr_max: le16 = 0
    num_cmpl_aggr_int: le16 = 0
    enables: le16 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_ring_cmpl_ring_cfg_aggint_params_output")
class HwrmRingCmplRingCfgAggintParamsOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
