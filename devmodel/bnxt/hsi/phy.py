# SPDX-License-Identifier: GPL-2.0-only
"""PHY of a port: speeds, autonegotiation, FEC, module (hwrm_port_phy_*)."""

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
    FEC_AUTONEG_ENABLE = 0x100
    FEC_AUTONEG_DISABLE = 0x200
    FEC_CLAUSE74_ENABLE = 0x400
    FEC_CLAUSE74_DISABLE = 0x800
    FEC_CLAUSE91_ENABLE = 0x1000
    FEC_CLAUSE91_DISABLE = 0x2000
    FORCE_LINK_DWN = 0x4000
    FEC_RS544_1XN_ENABLE = 0x8000
    FEC_RS544_1XN_DISABLE = 0x10000
    FEC_RS544_IEEE_ENABLE = 0x20000
    FEC_RS544_IEEE_DISABLE = 0x40000
    FEC_RS272_1XN_ENABLE = 0x80000
    FEC_RS272_1XN_DISABLE = 0x100000
    FEC_RS272_IEEE_ENABLE = 0x200000
    FEC_RS272_IEEE_DISABLE = 0x400000


class PhyCfgEnables(enum.IntFlag):
    """PORT_PHY_CFG_REQ_ENABLES_*."""

    AUTO_MODE = 0x1
    AUTO_PAUSE = 0x4
    AUTO_LINK_SPEED = 0x8
    AUTO_LINK_SPEED_MASK = 0x10
    LPBK = 0x40
    FORCE_PAUSE = 0x100
    FORCE_PAM4_LINK_SPEED = 0x800
    AUTO_PAM4_LINK_SPEED_MASK = 0x1000
    FORCE_LINK_SPEEDS2 = 0x2000
    AUTO_LINK_SPEEDS2_MASK = 0x4000


class AutoMode(enum.IntEnum):
    """PORT_PHY_CFG_REQ_AUTO_MODE_*."""

    NONE = 0
    ALL_SPEEDS = 1
    ONE_SPEED = 2
    ONE_OR_BELOW = 3
    SPEED_MASK = 4


class PauseBits(enum.IntFlag):
    """PORT_PHY_CFG_REQ_AUTO_PAUSE_*; the first two also of FORCE_PAUSE and of the answers."""

    TX = 0x1
    RX = 0x2
    AUTONEG = 0x4


class Loopback(enum.IntEnum):
    """PORT_PHY_CFG_REQ_LPBK_*; of PORT_MAC_CFG_REQ_LPBK_* all but the last."""

    NONE = 0
    LOCAL = 1
    REMOTE = 2
    EXTERNAL = 3


class PhyCfgErr(enum.IntEnum):
    """PORT_PHY_CFG_CMD_ERR_CODE_*."""

    ILLEGAL_SPEED = 1


class PhyLink(enum.IntEnum):
    """PORT_PHY_QCFG_RESP_LINK_*."""

    NO_LINK = 0
    SIGNAL = 1
    LINK = 2


class LinkDownReason(enum.IntFlag):
    """PORT_PHY_QCFG_RESP_LINK_DOWN_REASON_*."""

    CABLE_REMOVED = 0x4


class SignalMode(enum.IntEnum):
    """PORT_PHY_QCFG_RESP_SIGNAL_MODE_*."""

    NRZ = 0
    PAM4 = 1


class FecCfg(enum.IntFlag):
    """PORT_PHY_QCFG_RESP_FEC_CFG_*; an encoding's ENABLED is the bit above its SUPPORTED."""

    AUTONEG_SUPPORTED = 0x2
    AUTONEG_ENABLED = 0x4
    CLAUSE74_SUPPORTED = 0x8
    CLAUSE74_ENABLED = 0x10
    CLAUSE91_SUPPORTED = 0x20
    CLAUSE91_ENABLED = 0x40
    RS544_1XN_SUPPORTED = 0x80
    RS544_1XN_ENABLED = 0x100
    RS544_IEEE_SUPPORTED = 0x200
    RS544_IEEE_ENABLED = 0x400
    RS272_1XN_SUPPORTED = 0x800
    RS272_1XN_ENABLED = 0x1000
    RS272_IEEE_SUPPORTED = 0x2000
    RS272_IEEE_ENABLED = 0x4000


class ActiveFec(enum.IntEnum):
    """PORT_PHY_QCFG_RESP_ACTIVE_FEC_*."""

    NONE = 0x00
    CLAUSE74 = 0x10
    CLAUSE91 = 0x20
    RS544_1XN = 0x30
    RS544_IEEE = 0x40
    RS272_1XN = 0x50
    RS272_IEEE = 0x60


class PhyQcapsFlags(enum.IntFlag):
    """PORT_PHY_QCAPS_RESP_FLAGS_*."""

    EXTERNAL_LPBK_SUPPORTED = 0x2
    AUTONEG_LPBK_SUPPORTED = 0x4


class PhyQcapsFlags2(enum.IntFlag):
    """PORT_PHY_QCAPS_RESP_FLAGS2_*."""

    REMOTE_LPBK_UNSUPPORTED = 0x10
    FDRSTAT_CMD_SUPPORTED = 0x100


class FdrstatOps(enum.IntEnum):
    """PORT_PHY_FDRSTAT_REQ_OPS_*."""

    START = 0
    STOP = 1
    CLEAR = 2
    COUNTER = 3


class I2cReadEnables(enum.IntFlag):
    """PORT_PHY_I2C_READ_REQ_ENABLES_*."""

    PAGE_OFFSET = 0x1
    BANK_NUMBER = 0x2


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


@layout(size=40, c_name="hwrm_port_phy_i2c_read_input")
class HwrmPortPhyI2cReadInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    i2c_slave_addr: u8 = 0
    bank_number: u8 = 0
    page_number: le16 = 0
    page_offset: le16 = 0
    data_length: u8 = 0
    unused_1: Annotated[bytes, "7s"] = b""


@layout(size=80, c_name="hwrm_port_phy_i2c_read_output")
class HwrmPortPhyI2cReadOutput(HwrmOutput):
    data: Annotated[tuple[int, ...], "16I"] = (0,) * 16
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=104, c_name="hwrm_port_phy_i2c_write_input")
class HwrmPortPhyI2cWriteInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    i2c_slave_addr: u8 = 0
    bank_number: u8 = 0
    page_number: le16 = 0
    page_offset: le16 = 0
    data_length: u8 = 0
    unused_1: Annotated[bytes, "7s"] = b""
    data: Annotated[tuple[int, ...], "16I"] = (0,) * 16


@layout(size=16, c_name="hwrm_port_phy_i2c_write_output")
class HwrmPortPhyI2cWriteOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
