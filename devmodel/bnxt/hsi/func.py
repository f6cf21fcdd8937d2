# SPDX-License-Identifier: GPL-2.0-only
"""Function: capabilities, reservations, driver registration (hwrm_func_*, hwrm_fw_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import be16, layout, le16, le32, le64, u8


class FuncQcapsFlags(enum.IntFlag):
    """FUNC_QCAPS_RESP_FLAGS_*."""

    PTP_SUPPORTED = 0x4
    WOL_MAGICPKT_SUPPORTED = 0x20
    PCIE_STATS_SUPPORTED = 0x10000
    HOT_RESET_CAPABLE = 0x400000
    ERROR_RECOVERY_CAPABLE = 0x800000
    EXT_STATS_SUPPORTED = 0x1000000
    DBG_QCAPS_CMD_SUPPORTED = 0x80000000


class FuncDrvIfChangeFlags(enum.IntFlag):
    """FUNC_DRV_IF_CHANGE_REQ_FLAGS_*."""

    UP = 0x1


class FuncDrvIfChangeAnswer(enum.IntFlag):
    """FUNC_DRV_IF_CHANGE_RESP_FLAGS_*."""

    RESC_CHANGE = 0x1
    HOT_FW_RESET_DONE = 0x2


class FuncDrvRgtrEnables(enum.IntFlag):
    """FUNC_DRV_RGTR_REQ_ENABLES_*."""

    VF_REQ_FWD = 0x8


class FuncDrvRgtrFlags(enum.IntFlag):
    """FUNC_DRV_RGTR_RESP_FLAGS_*."""

    IF_CHANGE_SUPPORTED = 0x1


class FuncQcfgFlags(enum.IntFlag):
    """FUNC_QCFG_RESP_FLAGS_*."""

    TRUSTED_VF = 0x40
    HOT_RESET_ALLOWED = 0x200


class FuncQcapsFlagsExt(enum.IntFlag):
    """FUNC_QCAPS_RESP_FLAGS_EXT_*."""

    EXT_HW_STATS_SUPPORTED = 0x4
    HOT_RESET_IF_SUPPORT = 0x8
    FW_LIVEPATCH_SUPPORTED = 0x400
    PTP_PPS_SUPPORTED = 0x40000
    BS_V2_SUPPORTED = 0x4000000
    PTP_64BIT_RTC_SUPPORTED = 0x10000000


class FuncQcapsFlagsExt2(enum.IntFlag):
    """FUNC_QCAPS_RESP_FLAGS_EXT2_*."""

    RX_ALL_PKTS_TIMESTAMPS_SUPPORTED = 0x1
    UDP_GSO_SUPPORTED = 0x40


class FuncCfgFlags(enum.IntFlag):
    """FUNC_CFG_REQ_FLAGS_*; a test asks whether a reservation would succeed, changes nothing."""

    SRC_MAC_ADDR_CHECK_DISABLE = 0x1
    SRC_MAC_ADDR_CHECK_ENABLE = 0x2
    TRUSTED_VF_ENABLE = 0x200000
    TRUSTED_VF_DISABLE = 0x1000000
    TX_ASSETS_TEST = 0x2000
    RX_ASSETS_TEST = 0x4000
    CMPL_ASSETS_TEST = 0x8000
    RSSCOS_CTX_ASSETS_TEST = 0x10000
    RING_GRP_ASSETS_TEST = 0x20000
    STAT_CTX_ASSETS_TEST = 0x40000
    VNIC_ASSETS_TEST = 0x80000
    L2_CTX_ASSETS_TEST = 0x100000
    NQ_ASSETS_TEST = 0x800000


class FuncCfgEnables(enum.IntFlag):
    """FUNC_CFG_REQ_ENABLES_*."""

    NUM_RSSCOS_CTXS = 0x4
    NUM_CMPL_RINGS = 0x8
    NUM_TX_RINGS = 0x10
    NUM_RX_RINGS = 0x20
    NUM_L2_CTXS = 0x40
    NUM_VNICS = 0x80
    NUM_STAT_CTXS = 0x100
    DFLT_MAC_ADDR = 0x200
    DFLT_VLAN = 0x400
    MIN_BW = 0x1000
    MAX_BW = 0x2000
    ASYNC_EVENT_CR = 0x4000
    EVB_MODE = 0x20000
    NUM_HW_RING_GRPS = 0x80000
    NUM_MSIX = 0x200000


class FuncQstatsExtFlags(enum.IntFlag):
    """FUNC_QSTATS_EXT_REQ_FLAGS_*."""

    COUNTER_MASK = 0x2


@layout(size=24, c_name="hwrm_func_reset_input")
class HwrmFuncResetInput(HwrmInput):
    enables: le32 = 0
    vf_id: le16 = 0
    func_reset_level: u8 = 0
    unused_0: u8 = 0


@layout(size=16, c_name="hwrm_func_reset_output")
class HwrmFuncResetOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_qcaps_input")
class HwrmFuncQcapsInput(HwrmInput):
    fid: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=144, c_name="hwrm_func_qcaps_output")
class HwrmFuncQcapsOutput(HwrmOutput):
    fid: le16 = 0
    port_id: le16 = 0
    flags: le32 = 0
    mac_address: Annotated[bytes, "6s"] = b""
    max_rsscos_ctx: le16 = 0
    max_cmpl_rings: le16 = 0
    max_tx_rings: le16 = 0
    max_rx_rings: le16 = 0
    max_l2_ctxs: le16 = 0
    max_vnics: le16 = 0
    first_vf_id: le16 = 0
    max_vfs: le16 = 0
    max_stat_ctx: le16 = 0
    max_encap_records: le32 = 0
    max_decap_records: le32 = 0
    max_tx_em_flows: le32 = 0
    max_tx_wm_flows: le32 = 0
    max_rx_em_flows: le32 = 0
    max_rx_wm_flows: le32 = 0
    max_mcast_filters: le32 = 0
    max_flow_id: le32 = 0
    max_hw_ring_grps: le32 = 0
    max_sp_tx_rings: le16 = 0
    max_msix_vfs: le16 = 0
    flags_ext: le32 = 0
    max_schqs: u8 = 0
    mpc_chnls_cap: u8 = 0
    max_key_ctxs_alloc: le16 = 0
    flags_ext2: le32 = 0
    tunnel_disable_flag: le16 = 0
    xid_partition_cap: le16 = 0
    device_serial_number: Annotated[bytes, "8s"] = b""
    ctxs_per_partition: le16 = 0
    max_tso_segs: le16 = 0
    roce_vf_max_av: le32 = 0
    roce_vf_max_cq: le32 = 0
    roce_vf_max_mrw: le32 = 0
    roce_vf_max_qp: le32 = 0
    roce_vf_max_srq: le32 = 0
    roce_vf_max_gid: le32 = 0
    flags_ext3: le32 = 0
    max_roce_vfs: le16 = 0
    max_crypto_rx_flow_filters: le16 = 0
    unused_3: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_qcfg_input")
class HwrmFuncQcfgInput(HwrmInput):
    fid: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=176, c_name="hwrm_func_qcfg_output")
class HwrmFuncQcfgOutput(HwrmOutput):
    fid: le16 = 0
    port_id: le16 = 0
    vlan: le16 = 0
    flags: le16 = 0
    mac_address: Annotated[bytes, "6s"] = b""
    pci_id: le16 = 0
    alloc_rsscos_ctx: le16 = 0
    alloc_cmpl_rings: le16 = 0
    alloc_tx_rings: le16 = 0
    alloc_rx_rings: le16 = 0
    alloc_l2_ctx: le16 = 0
    alloc_vnics: le16 = 0
    admin_mtu: le16 = 0
    mru: le16 = 0
    stat_ctx_id: le16 = 0
    port_partition_type: u8 = 0
    port_pf_cnt: u8 = 0
    dflt_vnic_id: le16 = 0
    max_mtu_configured: le16 = 0
    min_bw: le32 = 0
    max_bw: le32 = 0
    evb_mode: u8 = 0
    options: u8 = 0
    alloc_vfs: le16 = 0
    alloc_mcast_filters: le32 = 0
    alloc_hw_ring_grps: le32 = 0
    alloc_sp_tx_rings: le16 = 0
    alloc_stat_ctx: le16 = 0
    alloc_msix: le16 = 0
    registered_vfs: le16 = 0
    l2_doorbell_bar_size_kb: le16 = 0
    active_endpoints: u8 = 0
    always_1: u8 = 0
    reset_addr_poll: le32 = 0
    legacy_l2_db_size_kb: le16 = 0
    svif_info: le16 = 0
    mpc_chnls: u8 = 0
    db_page_size: u8 = 0
    roce_vnic_id: le16 = 0
    partition_min_bw: le32 = 0
    partition_max_bw: le32 = 0
    host_mtu: le16 = 0
    flags2: le16 = 0
    stag_vid: le16 = 0
    port_kdnet_mode: u8 = 0
    kdnet_pcie_function: u8 = 0
    port_kdnet_fid: le16 = 0
    unused_5: u8 = 0
    roce_bidi_opt_mode: u8 = 0
    num_ktls_tx_key_ctxs: le32 = 0
    num_ktls_rx_key_ctxs: le32 = 0
    lag_id: u8 = 0
    parif: u8 = 0
    fw_lag_id: u8 = 0
    unused_6: u8 = 0
    num_quic_tx_key_ctxs: le32 = 0
    num_quic_rx_key_ctxs: le32 = 0
    roce_max_av_per_vf: le32 = 0
    roce_max_cq_per_vf: le32 = 0
    roce_max_mrw_per_vf: le32 = 0
    roce_max_qp_per_vf: le32 = 0
    roce_max_srq_per_vf: le32 = 0
    roce_max_gid_per_vf: le32 = 0
    xid_partition_cfg: le16 = 0
    mirror_vnic_id: le16 = 0
    max_link_width: u8 = 0
    max_link_speed: u8 = 0
    negotiated_link_width: u8 = 0
    negotiated_link_speed: u8 = 0
    unused_7: Annotated[bytes, "2s"] = b""
    pcie_compliance: u8 = 0
    unused_8: u8 = 0
    l2_db_multi_page_size_kb: le16 = 0
    unused_9: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=160, c_name="hwrm_func_cfg_input")
class HwrmFuncCfgInput(HwrmInput):
    fid: le16 = 0
    num_msix: le16 = 0
    flags: le32 = 0
    enables: le32 = 0
    admin_mtu: le16 = 0
    mru: le16 = 0
    num_rsscos_ctxs: le16 = 0
    num_cmpl_rings: le16 = 0
    num_tx_rings: le16 = 0
    num_rx_rings: le16 = 0
    num_l2_ctxs: le16 = 0
    num_vnics: le16 = 0
    num_stat_ctxs: le16 = 0
    num_hw_ring_grps: le16 = 0
    dflt_mac_addr: Annotated[bytes, "6s"] = b""
    dflt_vlan: le16 = 0
    dflt_ip_addr: Annotated[bytes, "16s"] = b""
    min_bw: le32 = 0
    max_bw: le32 = 0
    async_event_cr: le16 = 0
    vlan_antispoof_mode: u8 = 0
    allowed_vlan_pris: u8 = 0
    evb_mode: u8 = 0
    options: u8 = 0
    num_mcast_filters: le16 = 0
    schq_id: le16 = 0
    mpc_chnls: le16 = 0
    partition_min_bw: le32 = 0
    partition_max_bw: le32 = 0
    tpid: be16 = 0
    host_mtu: le16 = 0
    flags2: le32 = 0
    enables2: le32 = 0
    port_kdnet_mode: u8 = 0
    db_page_size: u8 = 0
    physical_slot_number: le16 = 0
    num_ktls_tx_key_ctxs: le32 = 0
    num_ktls_rx_key_ctxs: le32 = 0
    num_quic_tx_key_ctxs: le32 = 0
    num_quic_rx_key_ctxs: le32 = 0
    roce_max_av_per_vf: le32 = 0
    roce_max_cq_per_vf: le32 = 0
    roce_max_mrw_per_vf: le32 = 0
    roce_max_qp_per_vf: le32 = 0
    roce_max_srq_per_vf: le32 = 0
    roce_max_gid_per_vf: le32 = 0
    xid_partition_cfg: le16 = 0
    pcie_compliance: u8 = 0
    unused_2: u8 = 0


@layout(size=16, c_name="hwrm_func_cfg_output")
class HwrmFuncCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_resource_qcaps_input")
class HwrmFuncResourceQcapsInput(HwrmInput):
    fid: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=88, c_name="hwrm_func_resource_qcaps_output")
class HwrmFuncResourceQcapsOutput(HwrmOutput):
    max_vfs: le16 = 0
    max_msix: le16 = 0
    vf_reservation_strategy: le16 = 0
    min_rsscos_ctx: le16 = 0
    max_rsscos_ctx: le16 = 0
    min_cmpl_rings: le16 = 0
    max_cmpl_rings: le16 = 0
    min_tx_rings: le16 = 0
    max_tx_rings: le16 = 0
    min_rx_rings: le16 = 0
    max_rx_rings: le16 = 0
    min_l2_ctxs: le16 = 0
    max_l2_ctxs: le16 = 0
    min_vnics: le16 = 0
    max_vnics: le16 = 0
    min_stat_ctx: le16 = 0
    max_stat_ctx: le16 = 0
    min_hw_ring_grps: le16 = 0
    max_hw_ring_grps: le16 = 0
    max_tx_scheduler_inputs: le16 = 0
    flags: le16 = 0
    min_msix: le16 = 0
    min_ktls_tx_key_ctxs: le32 = 0
    max_ktls_tx_key_ctxs: le32 = 0
    min_ktls_rx_key_ctxs: le32 = 0
    max_ktls_rx_key_ctxs: le32 = 0
    min_quic_tx_key_ctxs: le32 = 0
    max_quic_tx_key_ctxs: le32 = 0
    min_quic_rx_key_ctxs: le32 = 0
    max_quic_rx_key_ctxs: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=112, c_name="hwrm_func_drv_rgtr_input")
class HwrmFuncDrvRgtrInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    os_type: le16 = 0
    ver_maj_8b: u8 = 0
    ver_min_8b: u8 = 0
    ver_upd_8b: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    timestamp: le32 = 0
    unused_1: Annotated[bytes, "4s"] = b""
    vf_req_fwd: Annotated[tuple[int, ...], "8I"] = (0,) * 8
    async_event_fwd: Annotated[tuple[int, ...], "8I"] = (0,) * 8
    ver_maj: le16 = 0
    ver_min: le16 = 0
    ver_upd: le16 = 0
    ver_patch: le16 = 0


@layout(size=16, c_name="hwrm_func_drv_rgtr_output")
class HwrmFuncDrvRgtrOutput(HwrmOutput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_drv_if_change_input")
class HwrmFuncDrvIfChangeInput(HwrmInput):
    flags: le32 = 0
    unused: le32 = 0


@layout(size=16, c_name="hwrm_func_drv_if_change_output")
class HwrmFuncDrvIfChangeOutput(HwrmOutput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_drv_unrgtr_input")
class HwrmFuncDrvUnrgtrInput(HwrmInput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_func_drv_unrgtr_output")
class HwrmFuncDrvUnrgtrOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_func_qstats_ext_input")
class HwrmFuncQstatsExtInput(HwrmInput):
    fid: le16 = 0
    flags: u8 = 0
    unused_0: u8 = 0
    enables: le32 = 0
    schq_id: le16 = 0
    traffic_class: le16 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=192, c_name="hwrm_func_qstats_ext_output")
class HwrmFuncQstatsExtOutput(HwrmOutput):
    rx_ucast_pkts: le64 = 0
    rx_mcast_pkts: le64 = 0
    rx_bcast_pkts: le64 = 0
    rx_discard_pkts: le64 = 0
    rx_error_pkts: le64 = 0
    rx_ucast_bytes: le64 = 0
    rx_mcast_bytes: le64 = 0
    rx_bcast_bytes: le64 = 0
    tx_ucast_pkts: le64 = 0
    tx_mcast_pkts: le64 = 0
    tx_bcast_pkts: le64 = 0
    tx_error_pkts: le64 = 0
    tx_discard_pkts: le64 = 0
    tx_ucast_bytes: le64 = 0
    tx_mcast_bytes: le64 = 0
    tx_bcast_bytes: le64 = 0
    rx_tpa_eligible_pkt: le64 = 0
    rx_tpa_eligible_bytes: le64 = 0
    rx_tpa_pkt: le64 = 0
    rx_tpa_bytes: le64 = 0
    rx_tpa_errors: le64 = 0
    rx_tpa_events: le64 = 0
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_fw_set_time_input")
class HwrmFwSetTimeInput(HwrmInput):
    year: le16 = 0
    month: u8 = 0
    day: u8 = 0
    hour: u8 = 0
    minute: u8 = 0
    second: u8 = 0
    unused_0: u8 = 0
    millisecond: le16 = 0
    zone: le16 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_fw_set_time_output")
class HwrmFwSetTimeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
