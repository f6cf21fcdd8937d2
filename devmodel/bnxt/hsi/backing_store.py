# SPDX-License-Identifier: GPL-2.0-only
"""Context memory (hwrm_func_backing_store_*).

FUNC_BACKING_STORE_QCFG is in no header of Linux; its layout is that of DPDK's
hsi_struct_def_dpdk.h.
"""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


class ContextType(enum.IntEnum):
    """FUNC_BACKING_STORE_QCAPS_V2_REQ_TYPE_*: those this card keeps in host memory."""

    QP = 0x0
    SRQ = 0x1
    CQ = 0x2
    VNIC = 0x3
    STAT = 0x4
    SP_TQM_RING = 0x5
    FP_TQM_RING = 0x6


class BackingStoreEnables(enum.IntFlag):
    """FUNC_BACKING_STORE_CFG_REQ_ENABLES_*; ring n of TQM_RING0 to 7 is TQM_RING0 << n."""

    QP = 0x1
    SRQ = 0x2
    CQ = 0x4
    VNIC = 0x8
    STAT = 0x10
    TQM_SP = 0x20
    TQM_RING0 = 0x40
    MRAV = 0x4000
    TIM = 0x8000


class BackingStoreFlags(enum.IntFlag):
    """FUNC_BACKING_STORE_CFG_REQ_FLAGS_*."""

    PREBOOT_MODE = 0x1


class BackingStoreQcapsV2Flags(enum.IntFlag):
    """FUNC_BACKING_STORE_QCAPS_V2_RESP_FLAGS_*."""

    ENABLE_CTX_KIND_INIT = 0x1
    TYPE_VALID = 0x2


class BackingStoreCfgV2Flags(enum.IntFlag):
    """FUNC_BACKING_STORE_CFG_V2_REQ_FLAGS_*."""

    PREBOOT_MODE = 0x1
    BS_CFG_ALL_DONE = 0x2


NO_CONTEXT_TYPE = 0xFFFF
"""FUNC_BACKING_STORE_*_TYPE_INVALID."""


@layout(size=16, c_name="hwrm_func_backing_store_qcaps_input")
class HwrmFuncBackingStoreQcapsInput(HwrmInput):
    pass


@layout(size=104, c_name="hwrm_func_backing_store_qcaps_output")
class HwrmFuncBackingStoreQcapsOutput(HwrmOutput):
    qp_max_entries: le32 = 0
    qp_min_qp1_entries: le16 = 0
    qp_max_l2_entries: le16 = 0
    qp_entry_size: le16 = 0
    srq_max_l2_entries: le16 = 0
    srq_max_entries: le32 = 0
    srq_entry_size: le16 = 0
    cq_max_l2_entries: le16 = 0
    cq_max_entries: le32 = 0
    cq_entry_size: le16 = 0
    vnic_max_vnic_entries: le16 = 0
    vnic_max_ring_table_entries: le16 = 0
    vnic_entry_size: le16 = 0
    stat_max_entries: le32 = 0
    stat_entry_size: le16 = 0
    tqm_entry_size: le16 = 0
    tqm_min_entries_per_ring: le32 = 0
    tqm_max_entries_per_ring: le32 = 0
    mrav_max_entries: le32 = 0
    mrav_entry_size: le16 = 0
    tim_entry_size: le16 = 0
    tim_max_entries: le32 = 0
    mrav_num_entries_units: le16 = 0
    tqm_entries_multiple: u8 = 0
    ctx_kind_initializer: u8 = 0
    ctx_init_mask: le16 = 0
    qp_init_offset: u8 = 0
    srq_init_offset: u8 = 0
    cq_init_offset: u8 = 0
    vnic_init_offset: u8 = 0
    tqm_fp_rings_count: u8 = 0
    stat_init_offset: u8 = 0
    mrav_init_offset: u8 = 0
    tqm_fp_rings_count_ext: u8 = 0
    tkc_init_offset: u8 = 0
    rkc_init_offset: u8 = 0
    tkc_entry_size: le16 = 0
    rkc_entry_size: le16 = 0
    tkc_max_entries: le32 = 0
    rkc_max_entries: le32 = 0
    fast_qpmd_qp_num_entries: le16 = 0
    rsvd1: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=336, c_name="hwrm_func_backing_store_cfg_input")
class HwrmFuncBackingStoreCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    qpc_pg_size_qpc_lvl: u8 = 0
    srq_pg_size_srq_lvl: u8 = 0
    cq_pg_size_cq_lvl: u8 = 0
    vnic_pg_size_vnic_lvl: u8 = 0
    stat_pg_size_stat_lvl: u8 = 0
    tqm_sp_pg_size_tqm_sp_lvl: u8 = 0
    tqm_ring0_pg_size_tqm_ring0_lvl: u8 = 0
    tqm_ring1_pg_size_tqm_ring1_lvl: u8 = 0
    tqm_ring2_pg_size_tqm_ring2_lvl: u8 = 0
    tqm_ring3_pg_size_tqm_ring3_lvl: u8 = 0
    tqm_ring4_pg_size_tqm_ring4_lvl: u8 = 0
    tqm_ring5_pg_size_tqm_ring5_lvl: u8 = 0
    tqm_ring6_pg_size_tqm_ring6_lvl: u8 = 0
    tqm_ring7_pg_size_tqm_ring7_lvl: u8 = 0
    mrav_pg_size_mrav_lvl: u8 = 0
    tim_pg_size_tim_lvl: u8 = 0
    qpc_page_dir: le64 = 0
    srq_page_dir: le64 = 0
    cq_page_dir: le64 = 0
    vnic_page_dir: le64 = 0
    stat_page_dir: le64 = 0
    tqm_sp_page_dir: le64 = 0
    tqm_ring0_page_dir: le64 = 0
    tqm_ring1_page_dir: le64 = 0
    tqm_ring2_page_dir: le64 = 0
    tqm_ring3_page_dir: le64 = 0
    tqm_ring4_page_dir: le64 = 0
    tqm_ring5_page_dir: le64 = 0
    tqm_ring6_page_dir: le64 = 0
    tqm_ring7_page_dir: le64 = 0
    mrav_page_dir: le64 = 0
    tim_page_dir: le64 = 0
    qp_num_entries: le32 = 0
    srq_num_entries: le32 = 0
    cq_num_entries: le32 = 0
    stat_num_entries: le32 = 0
    tqm_sp_num_entries: le32 = 0
    tqm_ring0_num_entries: le32 = 0
    tqm_ring1_num_entries: le32 = 0
    tqm_ring2_num_entries: le32 = 0
    tqm_ring3_num_entries: le32 = 0
    tqm_ring4_num_entries: le32 = 0
    tqm_ring5_num_entries: le32 = 0
    tqm_ring6_num_entries: le32 = 0
    tqm_ring7_num_entries: le32 = 0
    mrav_num_entries: le32 = 0
    tim_num_entries: le32 = 0
    qp_num_qp1_entries: le16 = 0
    qp_num_l2_entries: le16 = 0
    qp_entry_size: le16 = 0
    srq_num_l2_entries: le16 = 0
    srq_entry_size: le16 = 0
    cq_num_l2_entries: le16 = 0
    cq_entry_size: le16 = 0
    vnic_num_vnic_entries: le16 = 0
    vnic_num_ring_table_entries: le16 = 0
    vnic_entry_size: le16 = 0
    stat_entry_size: le16 = 0
    tqm_entry_size: le16 = 0
    mrav_entry_size: le16 = 0
    tim_entry_size: le16 = 0
    tqm_ring8_pg_size_tqm_ring_lvl: u8 = 0
    ring8_unused: Annotated[bytes, "3s"] = b""
    tqm_ring8_num_entries: le32 = 0
    tqm_ring8_page_dir: le64 = 0
    tqm_ring9_pg_size_tqm_ring_lvl: u8 = 0
    ring9_unused: Annotated[bytes, "3s"] = b""
    tqm_ring9_num_entries: le32 = 0
    tqm_ring9_page_dir: le64 = 0
    tqm_ring10_pg_size_tqm_ring_lvl: u8 = 0
    ring10_unused: Annotated[bytes, "3s"] = b""
    tqm_ring10_num_entries: le32 = 0
    tqm_ring10_page_dir: le64 = 0
    tkc_num_entries: le32 = 0
    rkc_num_entries: le32 = 0
    tkc_page_dir: le64 = 0
    rkc_page_dir: le64 = 0
    tkc_entry_size: le16 = 0
    rkc_entry_size: le16 = 0
    tkc_pg_size_tkc_lvl: u8 = 0
    rkc_pg_size_rkc_lvl: u8 = 0
    qp_num_fast_qpmd_entries: le16 = 0


@layout(size=16, c_name="hwrm_func_backing_store_cfg_output")
class HwrmFuncBackingStoreCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_func_backing_store_qcfg_input")
class HwrmFuncBackingStoreQcfgInput(HwrmInput):
    pass


@layout(size=312, c_name="hwrm_func_backing_store_qcfg_output")
class HwrmFuncBackingStoreQcfgOutput(HwrmOutput):
    flags: le32 = 0
    enables: le32 = 0
    qpc_pg_size_qpc_lvl: u8 = 0
    srq_pg_size_srq_lvl: u8 = 0
    cq_pg_size_cq_lvl: u8 = 0
    vnic_pg_size_vnic_lvl: u8 = 0
    stat_pg_size_stat_lvl: u8 = 0
    tqm_sp_pg_size_tqm_sp_lvl: u8 = 0
    tqm_ring0_pg_size_tqm_ring0_lvl: u8 = 0
    tqm_ring1_pg_size_tqm_ring1_lvl: u8 = 0
    tqm_ring2_pg_size_tqm_ring2_lvl: u8 = 0
    tqm_ring3_pg_size_tqm_ring3_lvl: u8 = 0
    tqm_ring4_pg_size_tqm_ring4_lvl: u8 = 0
    tqm_ring5_pg_size_tqm_ring5_lvl: u8 = 0
    tqm_ring6_pg_size_tqm_ring6_lvl: u8 = 0
    tqm_ring7_pg_size_tqm_ring7_lvl: u8 = 0
    mrav_pg_size_mrav_lvl: u8 = 0
    tim_pg_size_tim_lvl: u8 = 0
    qpc_page_dir: le64 = 0
    srq_page_dir: le64 = 0
    cq_page_dir: le64 = 0
    vnic_page_dir: le64 = 0
    stat_page_dir: le64 = 0
    tqm_sp_page_dir: le64 = 0
    tqm_ring0_page_dir: le64 = 0
    tqm_ring1_page_dir: le64 = 0
    tqm_ring2_page_dir: le64 = 0
    tqm_ring3_page_dir: le64 = 0
    tqm_ring4_page_dir: le64 = 0
    tqm_ring5_page_dir: le64 = 0
    tqm_ring6_page_dir: le64 = 0
    tqm_ring7_page_dir: le64 = 0
    mrav_page_dir: le64 = 0
    tim_page_dir: le64 = 0
    qp_num_qp1_entries: le16 = 0
    qp_num_l2_entries: le16 = 0
    qp_num_entries: le32 = 0
    srq_num_entries: le32 = 0
    srq_num_l2_entries: le16 = 0
    cq_num_l2_entries: le16 = 0
    cq_num_entries: le32 = 0
    vnic_num_vnic_entries: le16 = 0
    vnic_num_ring_table_entries: le16 = 0
    stat_num_entries: le32 = 0
    tqm_sp_num_entries: le32 = 0
    tqm_ring0_num_entries: le32 = 0
    tqm_ring1_num_entries: le32 = 0
    tqm_ring2_num_entries: le32 = 0
    tqm_ring3_num_entries: le32 = 0
    tqm_ring4_num_entries: le32 = 0
    tqm_ring5_num_entries: le32 = 0
    tqm_ring6_num_entries: le32 = 0
    tqm_ring7_num_entries: le32 = 0
    mrav_num_entries: le32 = 0
    tim_num_entries: le32 = 0
    tqm_ring8_pg_size_tqm_ring_lvl: u8 = 0
    ring8_unused: Annotated[bytes, "3s"] = b""
    tqm_ring8_num_entries: le32 = 0
    tqm_ring8_page_dir: le64 = 0
    tqm_ring9_pg_size_tqm_ring_lvl: u8 = 0
    ring9_unused: Annotated[bytes, "3s"] = b""
    tqm_ring9_num_entries: le32 = 0
    tqm_ring9_page_dir: le64 = 0
    tqm_ring10_pg_size_tqm_ring_lvl: u8 = 0
    ring10_unused: Annotated[bytes, "3s"] = b""
    tqm_ring10_num_entries: le32 = 0
    tqm_ring10_page_dir: le64 = 0
    tkc_num_entries: le32 = 0
    rkc_num_entries: le32 = 0
    tkc_page_dir: le64 = 0
    rkc_page_dir: le64 = 0
    tkc_pg_size_tkc_lvl: u8 = 0
    rkc_pg_size_rkc_lvl: u8 = 0
    qp_num_fast_qpmd_entries: le16 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_backing_store_qcaps_v2_input")
class HwrmFuncBackingStoreQcapsV2Input(HwrmInput):
    type: le16 = 0
    rsvd: Annotated[bytes, "6s"] = b""


@layout(size=56, c_name="hwrm_func_backing_store_qcaps_v2_output")
class HwrmFuncBackingStoreQcapsV2Output(HwrmOutput):
    type: le16 = 0
    entry_size: le16 = 0
    flags: le32 = 0
    instance_bit_map: le32 = 0
    ctx_init_value: u8 = 0
    ctx_init_offset: u8 = 0
    entry_multiple: u8 = 0
    rsvd: u8 = 0
    max_num_entries: le32 = 0
    min_num_entries: le32 = 0
    next_valid_type: le16 = 0
    subtype_valid_cnt: u8 = 0
    exact_cnt_bit_map: u8 = 0
    split_entry_0: le32 = 0
    split_entry_1: le32 = 0
    split_entry_2: le32 = 0
    split_entry_3: le32 = 0
    max_instance_count: le16 = 0
    rsvd3: u8 = 0
    valid: u8 = 1


@layout(size=64, c_name="hwrm_func_backing_store_cfg_v2_input")
class HwrmFuncBackingStoreCfgV2Input(HwrmInput):
    type: le16 = 0
    instance: le16 = 0
    flags: le32 = 0
    page_dir: le64 = 0
    num_entries: le32 = 0
    entry_size: le16 = 0
    page_size_pbl_level: u8 = 0
    subtype_valid_cnt: u8 = 0
    split_entry_0: le32 = 0
    split_entry_1: le32 = 0
    split_entry_2: le32 = 0
    split_entry_3: le32 = 0
    enables: le32 = 0
    next_bs_offset: le32 = 0


@layout(size=16, c_name="hwrm_func_backing_store_cfg_v2_output")
class HwrmFuncBackingStoreCfgV2Output(HwrmOutput):
    rsvd0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_backing_store_qcfg_v2_input")
class HwrmFuncBackingStoreQcfgV2Input(HwrmInput):
    type: le16 = 0
    instance: le16 = 0
    rsvd: Annotated[bytes, "4s"] = b""


@layout(size=56, c_name="hwrm_func_backing_store_qcfg_v2_output")
class HwrmFuncBackingStoreQcfgV2Output(HwrmOutput):
    type: le16 = 0
    instance: le16 = 0
    flags: le32 = 0
    page_dir: le64 = 0
    num_entries: le32 = 0
    page_size_pbl_level: u8 = 0
    subtype_valid_cnt: u8 = 0
    rsvd: Annotated[bytes, "2s"] = b""
    split_entry_0: le32 = 0
    split_entry_1: le32 = 0
    split_entry_2: le32 = 0
    split_entry_3: le32 = 0
    rsvd2: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
