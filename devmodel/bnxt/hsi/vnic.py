# SPDX-License-Identifier: GPL-2.0-only
"""VNICs: receive configuration, RSS, TPA, placement (hwrm_vnic_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


class VnicAllocFlags(enum.IntFlag):
    """VNIC_ALLOC_REQ_FLAGS_*."""

    DEFAULT = 0x1


class VnicQcapsFlags(enum.IntFlag):
    """VNIC_QCAPS_RESP_FLAGS_*."""

    VLAN_STRIP = 0x2
    RSS_HASH_TYPE_DELTA = 0x4000
    RE_FLUSH = 0x40000000


class VnicCfgFlags(enum.IntFlag):
    """VNIC_CFG_REQ_FLAGS_*."""

    VLAN_STRIP_MODE = 0x2


class VnicCfgEnables(enum.IntFlag):
    """VNIC_CFG_REQ_ENABLES_*."""

    MRU = 0x10
    DEFAULT_RX_RING_ID = 0x20
    DEFAULT_CMPL_RING_ID = 0x40


class VnicUpdateEnables(enum.IntFlag):
    """VNIC_UPDATE_REQ_ENABLES_*."""

    MRU_VALID = 0x2


class RssHashType(enum.IntFlag):
    """VNIC_RSS_CFG_REQ_HASH_TYPE_*."""

    IPV4 = 0x1
    TCP_IPV4 = 0x2
    UDP_IPV4 = 0x4
    IPV6 = 0x8
    TCP_IPV6 = 0x10
    UDP_IPV6 = 0x20


class RssCfgFlags(enum.IntFlag):
    """VNIC_RSS_CFG_REQ_FLAGS_*: ``hash_type`` is a change to the types in force."""

    HASH_TYPE_INCLUDE = 0x1
    HASH_TYPE_EXCLUDE = 0x2


class PlcmodesFlags(enum.IntFlag):
    """VNIC_PLCMODES_CFG_REQ_FLAGS_*."""

    REGULAR_PLACEMENT = 0x1
    JUMBO_PLACEMENT = 0x2
    HDS_IPV4 = 0x4
    HDS_IPV6 = 0x8


class PlcmodesEnables(enum.IntFlag):
    """VNIC_PLCMODES_CFG_REQ_ENABLES_*."""

    JUMBO_THRESH_VALID = 0x1
    HDS_THRESHOLD_VALID = 0x4


class TpaFlags(enum.IntFlag):
    """VNIC_TPA_CFG_REQ_FLAGS_*."""

    TPA = 0x1
    ENCAP_TPA = 0x2
    RSC_WND_UPDATE = 0x4
    GRO = 0x8
    AGG_WITH_ECN = 0x10
    AGG_WITH_SAME_GRE_SEQ = 0x20
    GRO_IPID_CHECK = 0x40
    GRO_TTL_CHECK = 0x80


class TpaCfgEnables(enum.IntFlag):
    """VNIC_TPA_CFG_REQ_ENABLES_*."""

    MAX_AGG_SEGS = 0x1
    MAX_AGGS = 0x2
    MAX_AGG_TIMER = 0x4
    MIN_AGG_LEN = 0x8


@layout(size=24, c_name="hwrm_vnic_alloc_input")
class HwrmVnicAllocInput(HwrmInput):
    flags: le32 = 0
    virtio_net_fid: le16 = 0
    vnic_id: le16 = 0


@layout(size=16, c_name="hwrm_vnic_alloc_output")
class HwrmVnicAllocOutput(HwrmOutput):
    vnic_id: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_vnic_free_input")
class HwrmVnicFreeInput(HwrmInput):
    vnic_id: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_vnic_free_output")
class HwrmVnicFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=48, c_name="hwrm_vnic_cfg_input")
class HwrmVnicCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    vnic_id: le16 = 0
    dflt_ring_grp: le16 = 0
    rss_rule: le16 = 0
    cos_rule: le16 = 0
    lb_rule: le16 = 0
    mru: le16 = 0
    default_rx_ring_id: le16 = 0
    default_cmpl_ring_id: le16 = 0
    queue_id: le16 = 0
    rx_csum_v2_mode: u8 = 0
    l2_cqe_mode: u8 = 0
    qp_id: le32 = 0


@layout(size=16, c_name="hwrm_vnic_cfg_output")
class HwrmVnicCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_vnic_update_input")
class HwrmVnicUpdateInput(HwrmInput):
    vnic_id: le32 = 0
    enables: le32 = 0
    vnic_state: u8 = 0
    metadata_format_type: u8 = 0
    mru: le16 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_vnic_update_output")
class HwrmVnicUpdateOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_vnic_qcaps_input")
class HwrmVnicQcapsInput(HwrmInput):
    enables: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=24, c_name="hwrm_vnic_qcaps_output")
class HwrmVnicQcapsOutput(HwrmOutput):
    mru: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    flags: le32 = 0
    max_aggs_supported: le16 = 0
    unused_1: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=48, c_name="hwrm_vnic_tpa_cfg_input")
class HwrmVnicTpaCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    vnic_id: le16 = 0
    max_agg_segs: le16 = 0
    max_aggs: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    max_agg_timer: le32 = 0
    min_agg_len: le32 = 0
    tnl_tpa_en_bitmap: le32 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_vnic_tpa_cfg_output")
class HwrmVnicTpaCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=48, c_name="hwrm_vnic_rss_cfg_input")
class HwrmVnicRssCfgInput(HwrmInput):
    hash_type: le32 = 0
    vnic_id: le16 = 0
    ring_table_pair_index: u8 = 0
    hash_mode_flags: u8 = 0
    ring_grp_tbl_addr: le64 = 0
    hash_key_tbl_addr: le64 = 0
    rss_ctx_idx: le16 = 0
    flags: u8 = 0
    ring_select_mode: u8 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_vnic_rss_cfg_output")
class HwrmVnicRssCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_vnic_rss_qcfg_input")
class HwrmVnicRssQcfgInput(HwrmInput):
    rss_ctx_idx: le16 = 0
    vnic_id: le16 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=64, c_name="hwrm_vnic_rss_qcfg_output")
class HwrmVnicRssQcfgOutput(HwrmOutput):
    hash_type: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""
    hash_key: Annotated[tuple[int, ...], "10I"] = (0,) * 10
    hash_mode_flags: u8 = 0
    ring_select_mode: u8 = 0
    unused_1: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_vnic_plcmodes_cfg_input")
class HwrmVnicPlcmodesCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    vnic_id: le32 = 0
    jumbo_thresh: le16 = 0
    hds_offset: le16 = 0
    hds_threshold: le16 = 0
    max_bds: le16 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_vnic_plcmodes_cfg_output")
class HwrmVnicPlcmodesCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_vnic_rss_cos_lb_ctx_alloc_input")
class HwrmVnicRssCosLbCtxAllocInput(HwrmInput):
    pass


@layout(size=16, c_name="hwrm_vnic_rss_cos_lb_ctx_alloc_output")
class HwrmVnicRssCosLbCtxAllocOutput(HwrmOutput):
    rss_cos_lb_ctx_id: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_vnic_rss_cos_lb_ctx_free_input")
class HwrmVnicRssCosLbCtxFreeInput(HwrmInput):
    rss_cos_lb_ctx_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_vnic_rss_cos_lb_ctx_free_output")
class HwrmVnicRssCosLbCtxFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
