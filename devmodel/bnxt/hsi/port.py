# SPDX-License-Identifier: GPL-2.0-only
"""Port: PHY, LEDs, statistics (hwrm_port_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


class PhyCfgFlags(enum.IntFlag):
    """PORT_PHY_CFG_REQ_FLAGS_*."""

    RESET_PHY = 0x1
    FORCE = 0x4
    RESTART_AUTONEG = 0x8
    FORCE_LINK_DWN = 0x4000


class PhyLink(enum.IntEnum):
    """PORT_PHY_QCFG_RESP_LINK_*."""

    NO_LINK = 0
    LINK = 2


class PortQstatsFlags(enum.IntFlag):
    """PORT_QSTATS_REQ_FLAGS_* and PORT_QSTATS_EXT_REQ_FLAGS_*."""

    COUNTER_MASK = 0x1


class PhyQcapsFlags2(enum.IntFlag):
    """PORT_PHY_QCAPS_RESP_FLAGS2_*."""

    FDRSTAT_CMD_SUPPORTED = 0x100


class FecCfg(enum.IntFlag):
    """PORT_PHY_QCFG_RESP_FEC_CFG_*."""

    CLAUSE91_SUPPORTED = 0x20
    CLAUSE91_ENABLED = 0x40


class ActiveFec(enum.IntEnum):
    """PORT_PHY_QCFG_RESP_ACTIVE_FEC_*."""

    NONE = 0x00
    CLAUSE91 = 0x20


class FdrstatOps(enum.IntEnum):
    """PORT_PHY_FDRSTAT_REQ_OPS_*."""

    START = 0
    STOP = 1
    CLEAR = 2
    COUNTER = 3


@layout(size=24, c_name="hwrm_port_phy_qcaps_input")
class HwrmPortPhyQcapsInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=48, c_name="hwrm_port_phy_qcaps_output")
class HwrmPortPhyQcapsOutput(HwrmOutput):
    flags: u8 = 0
    port_cnt: u8 = 0
    supported_speeds_force_mode: le16 = 0
    supported_speeds_auto_mode: le16 = 0
    supported_speeds_eee_mode: le16 = 0
    tx_lpi_timer_low: le32 = 0
    valid_tx_lpi_timer_high: le32 = 0
    supported_pam4_speeds_auto_mode: le16 = 0
    supported_pam4_speeds_force_mode: le16 = 0
    flags2: le16 = 0
    internal_port_cnt: u8 = 0
    unused_0: u8 = 0
    supported_speeds2_force_mode: le16 = 0
    supported_speeds2_auto_mode: le16 = 0
    supported_speeds2_ext_force_mode: le16 = 0
    supported_speeds2_ext_auto_mode: le16 = 0
    unused_1: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_port_phy_qcfg_input")
class HwrmPortPhyQcfgInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=112, c_name="hwrm_port_phy_qcfg_output")
class HwrmPortPhyQcfgOutput(HwrmOutput):
    link: u8 = 0
    active_fec_signal_mode: u8 = 0
    link_speed: le16 = 0
    duplex_cfg: u8 = 0
    pause: u8 = 0
    support_speeds: le16 = 0
    force_link_speed: le16 = 0
    auto_mode: u8 = 0
    auto_pause: u8 = 0
    auto_link_speed: le16 = 0
    auto_link_speed_mask: le16 = 0
    wirespeed: u8 = 0
    lpbk: u8 = 0
    force_pause: u8 = 0
    module_status: u8 = 0
    preemphasis: le32 = 0
    phy_maj: u8 = 0
    phy_min: u8 = 0
    phy_bld: u8 = 0
    phy_type: u8 = 0
    media_type: u8 = 0
    xcvr_pkg_type: u8 = 0
    eee_config_phy_addr: u8 = 0
    parallel_detect: u8 = 0
    link_partner_adv_speeds: le16 = 0
    link_partner_adv_auto_mode: u8 = 0
    link_partner_adv_pause: u8 = 0
    adv_eee_link_speed_mask: le16 = 0
    link_partner_adv_eee_link_speed_mask: le16 = 0
    xcvr_identifier_type_tx_lpi_timer: le32 = 0
    fec_cfg: le16 = 0
    duplex_state: u8 = 0
    option_flags: u8 = 0
    phy_vendor_name: Annotated[bytes, "16s"] = b""
    phy_vendor_partnumber: Annotated[bytes, "16s"] = b""
    support_pam4_speeds: le16 = 0
    force_pam4_link_speed: le16 = 0
    auto_pam4_link_speed_mask: le16 = 0
    link_partner_pam4_adv_speeds: u8 = 0
    link_down_reason: u8 = 0
    support_speeds2: le16 = 0
    force_link_speeds2: le16 = 0
    auto_link_speeds2: le16 = 0
    active_lanes: u8 = 0
    rsvd1: u8 = 0
    support_speeds2_ext: le16 = 0
    auto_link_speeds2_ext: le16 = 0
    rsvd2: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=64, c_name="hwrm_port_phy_cfg_input")
class HwrmPortPhyCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    force_link_speed: le16 = 0
    auto_mode: u8 = 0
    auto_duplex: u8 = 0
    auto_pause: u8 = 0
    mgmt_flag: u8 = 0
    auto_link_speed: le16 = 0
    auto_link_speed_mask: le16 = 0
    wirespeed: u8 = 0
    lpbk: u8 = 0
    force_pause: u8 = 0
    unused_1: u8 = 0
    preemphasis: le32 = 0
    eee_link_speed_mask: le16 = 0
    force_pam4_link_speed: le16 = 0
    tx_lpi_timer: le32 = 0
    auto_link_pam4_speed_mask: le16 = 0
    force_link_speeds2: le16 = 0
    auto_link_speeds2_mask: le16 = 0
    auto_link_speeds2_ext_mask: le16 = 0
    unused_2: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_port_phy_cfg_output")
class HwrmPortPhyCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
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


@layout(size=24, c_name="hwrm_port_phy_fdrstat_input")
class HwrmPortPhyFdrstatInput(HwrmInput):
    port_id: le16 = 0
    rsvd: Annotated[tuple[int, ...], "2H"] = (0,) * 2
    ops: le16 = 0


@layout(size=384, c_name="hwrm_port_phy_fdrstat_output")
class HwrmPortPhyFdrstatOutput(HwrmOutput):
    start_time: le64 = 0
    end_time: le64 = 0
    cmic_start_time: le64 = 0
    cmic_end_time: le64 = 0
    accumulated_uncorrected_codewords: le64 = 0
    accumulated_corrected_codewords: le64 = 0
    accumulated_total_codewords: le64 = 0
    accumulated_symbol_errors: le64 = 0
    accumulated_codewords_err_s: Annotated[tuple[int, ...], "17Q"] = (0,) * 17
    uncorrected_codewords: le64 = 0
    corrected_codewords: le64 = 0
    total_codewords: le64 = 0
    symbol_errors: le64 = 0
    codewords_err_s: Annotated[tuple[int, ...], "17Q"] = (0,) * 17
    window_size: le32 = 0
    unused_0: le16 = 0
    unused_1: u8 = 0
    valid: u8 = 1
