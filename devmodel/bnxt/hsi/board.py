# SPDX-License-Identifier: GPL-2.0-only
"""The board: temperature, self tests, wake on LAN, PCIe statistics."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import Layout, layout, le16, le32, le64, u8


class TempFlags(enum.IntFlag):
    """TEMP_MONITOR_QUERY_RESP_FLAGS_*."""

    PHY_TEMP_NOT_AVAILABLE = 0x2
    OM_NOT_PRESENT = 0x4
    OM_TEMP_NOT_AVAILABLE = 0x8
    THRESHOLD_VALUES_AVAILABLE = 0x20


class SelfTest(enum.IntFlag):
    """SELFTEST_QLIST_RESP_AVAILABLE_TESTS_*."""

    NVM = 0x1
    LINK = 0x2
    REGISTER = 0x4
    MEMORY = 0x8


class WolType(enum.IntEnum):
    """WOL_FILTER_ALLOC_REQ_WOL_TYPE_*."""

    MAGICPKT = 0
    BMP = 1


class WolFilterAllocEnables(enum.IntFlag):
    """WOL_FILTER_ALLOC_REQ_ENABLES_*."""

    MAC_ADDRESS = 0x1


class WolFilterFreeFlags(enum.IntFlag):
    """WOL_FILTER_FREE_REQ_FLAGS_*."""

    FREE_ALL_WOL_FILTERS = 0x1


class WolFilterFreeEnables(enum.IntFlag):
    """WOL_FILTER_FREE_REQ_ENABLES_*."""

    WOL_FILTER_ID = 0x1


@layout(size=16, c_name="hwrm_temp_monitor_query_input")
class HwrmTempMonitorQueryInput(HwrmInput):
    """Only the header."""


@layout(size=24, c_name="hwrm_temp_monitor_query_output")
class HwrmTempMonitorQueryOutput(HwrmOutput):
    temp: u8 = 0
    phy_temp: u8 = 0
    om_temp: u8 = 0
    flags: u8 = 0
    temp2: u8 = 0
    phy_temp2: u8 = 0
    om_temp2: u8 = 0
    warn_threshold: u8 = 0
    critical_threshold: u8 = 0
    fatal_threshold: u8 = 0
    shutdown_threshold: u8 = 0
    unused_0: Annotated[bytes, "4s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_selftest_qlist_input")
class HwrmSelftestQlistInput(HwrmInput):
    """Only the header."""


@layout(size=280, c_name="hwrm_selftest_qlist_output")
class HwrmSelftestQlistOutput(HwrmOutput):
    num_tests: u8 = 0
    available_tests: u8 = 0
    offline_tests: u8 = 0
    unused_0: u8 = 0
    test_timeout: le16 = 0
    unused_1: Annotated[bytes, "2s"] = b""
    test_name: Annotated[bytes, "256s"] = b""
    eyescope_target_BER_support: u8 = 0
    unused_2: Annotated[bytes, "6s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_selftest_exec_input")
class HwrmSelftestExecInput(HwrmInput):
    flags: u8 = 0
    unused_0: Annotated[bytes, "7s"] = b""


@layout(size=16, c_name="hwrm_selftest_exec_output")
class HwrmSelftestExecOutput(HwrmOutput):
    requested_tests: u8 = 0
    test_success: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_selftest_irq_input")
class HwrmSelftestIrqInput(HwrmInput):
    """Only the header."""


@layout(size=16, c_name="hwrm_selftest_irq_output")
class HwrmSelftestIrqOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=64, c_name="hwrm_wol_filter_alloc_input")
class HwrmWolFilterAllocInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    wol_type: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    mac_address: Annotated[bytes, "6s"] = b""
    pattern_offset: le16 = 0
    pattern_buf_size: le16 = 0
    pattern_mask_size: le16 = 0
    unused_1: Annotated[bytes, "4s"] = b""
    pattern_buf_addr: le64 = 0
    pattern_mask_addr: le64 = 0


@layout(size=16, c_name="hwrm_wol_filter_alloc_output")
class HwrmWolFilterAllocOutput(HwrmOutput):
    wol_filter_id: u8 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_wol_filter_free_input")
class HwrmWolFilterFreeInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    wol_filter_id: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""


@layout(size=16, c_name="hwrm_wol_filter_free_output")
class HwrmWolFilterFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=56, c_name="hwrm_wol_filter_qcfg_input")
class HwrmWolFilterQcfgInput(HwrmInput):
    port_id: le16 = 0
    handle: le16 = 0
    unused_0: Annotated[bytes, "4s"] = b""
    pattern_buf_addr: le64 = 0
    pattern_buf_size: le16 = 0
    unused_1: Annotated[bytes, "6s"] = b""
    pattern_mask_addr: le64 = 0
    pattern_mask_size: le16 = 0
    unused_2: Annotated[bytes, "6s"] = b""


@layout(size=32, c_name="hwrm_wol_filter_qcfg_output")
class HwrmWolFilterQcfgOutput(HwrmOutput):
    next_handle: le16 = 0
    wol_filter_id: u8 = 0
    wol_type: u8 = 0
    unused_0: le32 = 0
    mac_address: Annotated[bytes, "6s"] = b""
    pattern_offset: le16 = 0
    pattern_size: le16 = 0
    pattern_mask_size: le16 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_pcie_qstats_input")
class HwrmPcieQstatsInput(HwrmInput):
    pcie_stat_size: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    pcie_stat_host_addr: le64 = 0


@layout(size=16, c_name="hwrm_pcie_qstats_output")
class HwrmPcieQstatsOutput(HwrmOutput):
    pcie_stat_size: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=568, c_name="pcie_ctx_hw_stats_v2")
class PcieCtxHwStatsV2(Layout):
    pcie_pl_signal_integrity: le64 = 0
    pcie_dl_signal_integrity: le64 = 0
    pcie_tl_signal_integrity: le64 = 0
    pcie_link_integrity: le64 = 0
    pcie_tx_traffic_rate: le64 = 0
    pcie_rx_traffic_rate: le64 = 0
    pcie_tx_dllp_statistics: le64 = 0
    pcie_rx_dllp_statistics: le64 = 0
    pcie_equalization_time: le64 = 0
    pcie_ltssm_histogram: Annotated[tuple[int, ...], "4I"] = (0,) * 4
    pcie_recovery_histogram: le64 = 0
    pcie_tl_credit_nph_histogram: Annotated[tuple[int, ...], "8I"] = (0,) * 8
    pcie_tl_credit_ph_histogram: Annotated[tuple[int, ...], "8I"] = (0,) * 8
    pcie_tl_credit_pd_histogram: Annotated[tuple[int, ...], "8I"] = (0,) * 8
    pcie_cmpl_latest_times: Annotated[tuple[int, ...], "4I"] = (0,) * 4
    pcie_cmpl_longest_time: le32 = 0
    pcie_cmpl_shortest_time: le32 = 0
    unused_0: Annotated[tuple[int, ...], "2I"] = (0,) * 2
    pcie_cmpl_latest_headers: Annotated[tuple[int, ...], "16I"] = (0,) * 16
    pcie_cmpl_longest_headers: Annotated[tuple[int, ...], "16I"] = (0,) * 16
    pcie_cmpl_shortest_headers: Annotated[tuple[int, ...], "16I"] = (0,) * 16
    pcie_wr_latency_histogram: Annotated[tuple[int, ...], "12I"] = (0,) * 12
    pcie_wr_latency_all_normal_count: le32 = 0
    unused_1: le32 = 0
    pcie_posted_packet_count: le64 = 0
    pcie_non_posted_packet_count: le64 = 0
    pcie_other_packet_count: le64 = 0
    pcie_blocked_packet_count: le64 = 0
    pcie_cmpl_packet_count: le64 = 0
    pcie_rd_latency_histogram: Annotated[tuple[int, ...], "12I"] = (0,) * 12
    pcie_rd_latency_all_normal_count: le32 = 0
    unused_2: le32 = 0
