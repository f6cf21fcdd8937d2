# SPDX-License-Identifier: GPL-2.0-only
"""Port: MAC, LEDs, statistics (hwrm_port_*; the PHY is hsi/phy.py's)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


class PortQstatsFlags(enum.IntFlag):
    """PORT_QSTATS_REQ_FLAGS_* and PORT_QSTATS_EXT_REQ_FLAGS_*."""

    COUNTER_MASK = 0x1


class MacCfgFlags(enum.IntFlag):
    """PORT_MAC_CFG_REQ_FLAGS_*."""

    PTP_RX_TS_CAPTURE_ENABLE = 0x10
    PTP_RX_TS_CAPTURE_DISABLE = 0x20
    PTP_TX_TS_CAPTURE_ENABLE = 0x40
    PTP_TX_TS_CAPTURE_DISABLE = 0x80
    ALL_RX_TS_CAPTURE_ENABLE = 0x4000
    ALL_RX_TS_CAPTURE_DISABLE = 0x8000


class MacCfgEnables(enum.IntFlag):
    """PORT_MAC_CFG_REQ_ENABLES_*."""

    IPG = 0x1
    LPBK = 0x2
    RX_TS_CAPTURE_PTP_MSG_TYPE = 0x40
    PTP_FREQ_ADJ_PPB = 0x200
    PTP_ADJ_PHASE = 0x400


class MacQcapsFlags(enum.IntFlag):
    """PORT_MAC_QCAPS_RESP_FLAGS_*."""

    REMOTE_LPBK_SUPPORTED = 0x2


class LedType(enum.IntEnum):
    """PORT_LED_QCAPS_RESP_LED0_TYPE_*."""

    SPEED = 0
    ACTIVITY = 1


class LedStateCaps(enum.IntFlag):
    """PORT_LED_QCAPS_RESP_LED0_STATE_CAPS_*."""

    ENABLED = 0x1
    OFF = 0x2
    ON = 0x4
    BLINK = 0x8
    BLINK_ALT = 0x10


class LedColorCaps(enum.IntFlag):
    """PORT_LED_QCAPS_RESP_LED0_COLOR_CAPS_*."""

    AMBER = 0x2
    GREEN = 0x4


class LedState(enum.IntEnum):
    """PORT_LED_CFG_REQ_LED0_STATE_*."""

    DEFAULT = 0
    OFF = 1
    ON = 2
    BLINK = 3
    BLINK_ALT = 4


class LedColor(enum.IntEnum):
    """PORT_LED_CFG_REQ_LED0_COLOR_*."""

    DEFAULT = 0
    AMBER = 1
    GREEN = 2


class LedEnables(enum.IntFlag):
    """PORT_LED_CFG_REQ_ENABLES_LED0_*; those of each further LED are six bits above."""

    ID = 0x1
    STATE = 0x2
    COLOR = 0x4
    BLINK_ON = 0x8
    BLINK_OFF = 0x10
    GROUP_ID = 0x20


@layout(size=56, c_name="hwrm_port_mac_cfg_input")
class HwrmPortMacCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    ipg: u8 = 0
    lpbk: u8 = 0
    vlan_pri2cos_map_pri: u8 = 0
    reserved1: u8 = 0
    tunnel_pri2cos_map_pri: u8 = 0
    dscp2pri_map_pri: u8 = 0
    rx_ts_capture_ptp_msg_type: le16 = 0
    tx_ts_capture_ptp_msg_type: le16 = 0
    cos_field_cfg: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    ptp_freq_adj_ppb: le32 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    ptp_load_control: u8 = 0
    ptp_adj_phase: le64 = 0


@layout(size=16, c_name="hwrm_port_mac_cfg_output")
class HwrmPortMacCfgOutput(HwrmOutput):
    mru: le16 = 0
    mtu: le16 = 0
    ipg: u8 = 0
    lpbk: u8 = 0
    unused_0: u8 = 0
    valid: u8 = 1


@layout(size=24, c_name="hwrm_port_mac_qcaps_input")
class HwrmPortMacQcapsInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_port_mac_qcaps_output")
class HwrmPortMacQcapsOutput(HwrmOutput):
    flags: u8 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_port_qstats_input")
class HwrmPortQstatsInput(HwrmInput):
    port_id: le16 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    tx_stat_host_addr: le64 = 0
    rx_stat_host_addr: le64 = 0


@layout(size=16, c_name="hwrm_port_qstats_output")
class HwrmPortQstatsOutput(HwrmOutput):
    tx_stat_size: le16 = 0
    rx_stat_size: le16 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_port_qstats_ext_input")
class HwrmPortQstatsExtInput(HwrmInput):
    port_id: le16 = 0
    tx_stat_size: le16 = 0
    rx_stat_size: le16 = 0
    flags: u8 = 0
    unused_0: u8 = 0
    tx_stat_host_addr: le64 = 0
    rx_stat_host_addr: le64 = 0


@layout(size=16, c_name="hwrm_port_qstats_ext_output")
class HwrmPortQstatsExtOutput(HwrmOutput):
    tx_stat_size: le16 = 0
    rx_stat_size: le16 = 0
    total_active_cos_queues: le16 = 0
    flags: u8 = 0
    valid: u8 = 1


@layout(size=24, c_name="hwrm_port_led_qcaps_input")
class HwrmPortLedQcapsInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=48, c_name="hwrm_port_led_qcaps_output")
class HwrmPortLedQcapsOutput(HwrmOutput):
    num_leds: u8 = 0
    unused: Annotated[bytes, "3s"] = b""
    led0_id: u8 = 0
    led0_type: u8 = 0
    led0_group_id: u8 = 0
    unused_0: u8 = 0
    led0_state_caps: le16 = 0
    led0_color_caps: le16 = 0
    led1_id: u8 = 0
    led1_type: u8 = 0
    led1_group_id: u8 = 0
    unused_1: u8 = 0
    led1_state_caps: le16 = 0
    led1_color_caps: le16 = 0
    led2_id: u8 = 0
    led2_type: u8 = 0
    led2_group_id: u8 = 0
    unused_2: u8 = 0
    led2_state_caps: le16 = 0
    led2_color_caps: le16 = 0
    led3_id: u8 = 0
    led3_type: u8 = 0
    led3_group_id: u8 = 0
    unused_3: u8 = 0
    led3_state_caps: le16 = 0
    led3_color_caps: le16 = 0
    unused_4: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=64, c_name="hwrm_port_led_cfg_input")
class HwrmPortLedCfgInput(HwrmInput):
    enables: le32 = 0
    port_id: le16 = 0
    num_leds: u8 = 0
    rsvd: u8 = 0
    led0_id: u8 = 0
    led0_state: u8 = 0
    led0_color: u8 = 0
    unused_0: u8 = 0
    led0_blink_on: le16 = 0
    led0_blink_off: le16 = 0
    led0_group_id: u8 = 0
    rsvd0: u8 = 0
    led1_id: u8 = 0
    led1_state: u8 = 0
    led1_color: u8 = 0
    unused_1: u8 = 0
    led1_blink_on: le16 = 0
    led1_blink_off: le16 = 0
    led1_group_id: u8 = 0
    rsvd1: u8 = 0
    led2_id: u8 = 0
    led2_state: u8 = 0
    led2_color: u8 = 0
    unused_2: u8 = 0
    led2_blink_on: le16 = 0
    led2_blink_off: le16 = 0
    led2_group_id: u8 = 0
    rsvd2: u8 = 0
    led3_id: u8 = 0
    led3_state: u8 = 0
    led3_color: u8 = 0
    unused_3: u8 = 0
    led3_blink_on: le16 = 0
    led3_blink_off: le16 = 0
    led3_group_id: u8 = 0
    rsvd3: u8 = 0


@layout(size=16, c_name="hwrm_port_led_cfg_output")
class HwrmPortLedCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
