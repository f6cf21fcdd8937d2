# SPDX-License-Identifier: GPL-2.0-only
"""Hardware clock (PHC), timestamps, pulse pins (hwrm_port_mac_ptp_*, _ts_*, hwrm_func_ptp_*)."""

from __future__ import annotations

import enum
from typing import Annotated, Final

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8

PHC_GRC_LOWER: Final = 0x640180C
"""BNXT_TS_REG_TIMESYNC_TS0_LOWER: bits 31..0 of the time."""
PHC_GRC_UPPER: Final = 0x6401810
"""BNXT_TS_REG_TIMESYNC_TS0_UPPER: bits 47..32."""


class PtpQcfgFlags(enum.IntFlag):
    """PORT_MAC_PTP_QCFG_RESP_FLAGS_*."""

    HWRM_ACCESS = 0x8
    PARTIAL_DIRECT_ACCESS_REF_CLOCK = 0x10
    RTC_CONFIGURED = 0x20


class TsQueryFlags(enum.IntFlag):
    """PORT_TS_QUERY_REQ_FLAGS_*."""

    PATH_RX = 0x1
    CURRENT_TIME = 0x2


class TsQueryEnables(enum.IntFlag):
    """PORT_TS_QUERY_REQ_ENABLES_*."""

    TS_REQ_TIMEOUT = 0x1
    PTP_SEQ_ID = 0x2
    PTP_HDR_OFFSET = 0x4


class PinUsage(enum.IntEnum):
    """FUNC_PTP_PIN_CFG_REQ_PIN0_USAGE_*; the last two are of pins 2 and 3."""

    NONE = 0
    PPS_IN = 1
    PPS_OUT = 2
    SYNC_IN = 3
    SYNC_OUT = 4
    SYNCE_PRIMARY_CLOCK_OUT = 5
    SYNCE_SECONDARY_CLOCK_OUT = 6


class PinCfgEnables(enum.IntFlag):
    """FUNC_PTP_PIN_CFG_REQ_ENABLES_PIN0_*; those of each further pin are two bits above."""

    STATE = 0x1
    USAGE = 0x2


class PtpCfgEnables(enum.IntFlag):
    """FUNC_PTP_CFG_REQ_ENABLES_PTP_*."""

    PPS_EVENT = 0x1
    FREQ_ADJ_DLL_SOURCE = 0x2
    FREQ_ADJ_DLL_PHASE = 0x4
    FREQ_ADJ_EXT_PERIOD = 0x8
    FREQ_ADJ_EXT_UP = 0x10
    FREQ_ADJ_EXT_PHASE = 0x20
    SET_TIME = 0x40


class PpsEvent(enum.IntEnum):
    """FUNC_PTP_CFG_REQ_PTP_PPS_EVENT_*."""

    NONE = 0
    INTERNAL = 1
    EXTERNAL = 2


class PtpTsQueryFlags(enum.IntFlag):
    """FUNC_PTP_TS_QUERY_REQ_FLAGS_*."""

    PPS_TIME = 0x1
    PTM_TIME = 0x2


@layout(size=24, c_name="hwrm_port_mac_ptp_qcfg_input")
class HwrmPortMacPtpQcfgInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=88, c_name="hwrm_port_mac_ptp_qcfg_output")
class HwrmPortMacPtpQcfgOutput(HwrmOutput):
    flags: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    rx_ts_reg_off_lower: le32 = 0
    rx_ts_reg_off_upper: le32 = 0
    rx_ts_reg_off_seq_id: le32 = 0
    rx_ts_reg_off_src_id_0: le32 = 0
    rx_ts_reg_off_src_id_1: le32 = 0
    rx_ts_reg_off_src_id_2: le32 = 0
    rx_ts_reg_off_domain_id: le32 = 0
    rx_ts_reg_off_fifo: le32 = 0
    rx_ts_reg_off_fifo_adv: le32 = 0
    rx_ts_reg_off_granularity: le32 = 0
    tx_ts_reg_off_lower: le32 = 0
    tx_ts_reg_off_upper: le32 = 0
    tx_ts_reg_off_seq_id: le32 = 0
    tx_ts_reg_off_fifo: le32 = 0
    tx_ts_reg_off_granularity: le32 = 0
    ts_ref_clock_reg_lower: le32 = 0
    ts_ref_clock_reg_upper: le32 = 0
    unused_1: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_port_ts_query_input")
class HwrmPortTsQueryInput(HwrmInput):
    flags: le32 = 0
    port_id: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    enables: le16 = 0
    ts_req_timeout: le16 = 0
    ptp_seq_id: le32 = 0
    ptp_hdr_offset: le16 = 0
    unused_1: Annotated[bytes, "6s"] = b""


@layout(size=24, c_name="hwrm_port_ts_query_output")
class HwrmPortTsQueryOutput(HwrmOutput):
    ptp_msg_ts: le64 = 0
    ptp_msg_seqid: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_ptp_pin_qcfg_input")
class HwrmFuncPtpPinQcfgInput(HwrmInput):
    unused_0: Annotated[bytes, "8s"] = b""


@layout(size=16, c_name="hwrm_func_ptp_pin_qcfg_output")
class HwrmFuncPtpPinQcfgOutput(HwrmOutput):
    num_pins: u8 = 0
    state: u8 = 0
    pin0_usage: u8 = 0
    pin1_usage: u8 = 0
    pin2_usage: u8 = 0
    pin3_usage: u8 = 0
    unused_0: u8 = 0
    valid: u8 = 1


@layout(size=32, c_name="hwrm_func_ptp_pin_cfg_input")
class HwrmFuncPtpPinCfgInput(HwrmInput):
    enables: le32 = 0
    pin0_state: u8 = 0
    pin0_usage: u8 = 0
    pin1_state: u8 = 0
    pin1_usage: u8 = 0
    pin2_state: u8 = 0
    pin2_usage: u8 = 0
    pin3_state: u8 = 0
    pin3_usage: u8 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_func_ptp_pin_cfg_output")
class HwrmFuncPtpPinCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=48, c_name="hwrm_func_ptp_cfg_input")
class HwrmFuncPtpCfgInput(HwrmInput):
    enables: le16 = 0
    ptp_pps_event: u8 = 0
    ptp_freq_adj_dll_source: u8 = 0
    ptp_freq_adj_dll_phase: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    ptp_freq_adj_ext_period: le32 = 0
    ptp_freq_adj_ext_up: le32 = 0
    ptp_freq_adj_ext_phase_lower: le32 = 0
    ptp_freq_adj_ext_phase_upper: le32 = 0
    ptp_set_time: le64 = 0


@layout(size=16, c_name="hwrm_func_ptp_cfg_output")
class HwrmFuncPtpCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_ptp_ts_query_input")
class HwrmFuncPtpTsQueryInput(HwrmInput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=40, c_name="hwrm_func_ptp_ts_query_output")
class HwrmFuncPtpTsQueryOutput(HwrmOutput):
    pps_event_ts: le64 = 0
    ptm_local_ts: le64 = 0
    ptm_system_ts: le64 = 0
    ptm_link_delay: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1
