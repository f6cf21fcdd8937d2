# SPDX-License-Identifier: GPL-2.0-only
"""Version exchange and health status (hwrm_ver_get)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, u8


class DevCaps(enum.IntFlag):
    """VER_GET_RESP_DEV_CAPS_CFG_*."""

    SHORT_CMD_SUPPORTED = 0x4
    SHORT_CMD_REQUIRED = 0x8
    TRUSTED_VF = 0x100
    CFA_ADV_FLOW_MGNT = 0x1000


class VerFlags(enum.IntFlag):
    """VER_GET_RESP_FLAGS_*."""

    EXT_VER_AVAIL = 0x2


@layout(size=24, c_name="hwrm_ver_get_input")
class HwrmVerGetInput(HwrmInput):
    hwrm_intf_maj: u8 = 0
    hwrm_intf_min: u8 = 0
    hwrm_intf_upd: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""


@layout(size=176, c_name="hwrm_ver_get_output")
class HwrmVerGetOutput(HwrmOutput):
    hwrm_intf_maj_8b: u8 = 0
    hwrm_intf_min_8b: u8 = 0
    hwrm_intf_upd_8b: u8 = 0
    hwrm_intf_rsvd_8b: u8 = 0
    hwrm_fw_maj_8b: u8 = 0
    hwrm_fw_min_8b: u8 = 0
    hwrm_fw_bld_8b: u8 = 0
    hwrm_fw_rsvd_8b: u8 = 0
    mgmt_fw_maj_8b: u8 = 0
    mgmt_fw_min_8b: u8 = 0
    mgmt_fw_bld_8b: u8 = 0
    mgmt_fw_rsvd_8b: u8 = 0
    netctrl_fw_maj_8b: u8 = 0
    netctrl_fw_min_8b: u8 = 0
    netctrl_fw_bld_8b: u8 = 0
    netctrl_fw_rsvd_8b: u8 = 0
    dev_caps_cfg: le32 = 0
    roce_fw_maj_8b: u8 = 0
    roce_fw_min_8b: u8 = 0
    roce_fw_bld_8b: u8 = 0
    roce_fw_rsvd_8b: u8 = 0
    hwrm_fw_name: Annotated[bytes, "16s"] = b""
    mgmt_fw_name: Annotated[bytes, "16s"] = b""
    netctrl_fw_name: Annotated[bytes, "16s"] = b""
    active_pkg_name: Annotated[bytes, "16s"] = b""
    roce_fw_name: Annotated[bytes, "16s"] = b""
    chip_num: le16 = 0
    chip_rev: u8 = 0
    chip_metal: u8 = 0
    chip_bond_id: u8 = 0
    chip_platform_type: u8 = 0
    max_req_win_len: le16 = 0
    max_resp_len: le16 = 0
    def_req_timeout: le16 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    always_1: u8 = 0
    hwrm_intf_major: le16 = 0
    hwrm_intf_minor: le16 = 0
    hwrm_intf_build: le16 = 0
    hwrm_intf_patch: le16 = 0
    hwrm_fw_major: le16 = 0
    hwrm_fw_minor: le16 = 0
    hwrm_fw_build: le16 = 0
    hwrm_fw_patch: le16 = 0
    mgmt_fw_major: le16 = 0
    mgmt_fw_minor: le16 = 0
    mgmt_fw_build: le16 = 0
    mgmt_fw_patch: le16 = 0
    netctrl_fw_major: le16 = 0
    netctrl_fw_minor: le16 = 0
    netctrl_fw_build: le16 = 0
    netctrl_fw_patch: le16 = 0
    roce_fw_major: le16 = 0
    roce_fw_minor: le16 = 0
    roce_fw_build: le16 = 0
    roce_fw_patch: le16 = 0
    max_ext_req_len: le16 = 0
    max_req_timeout: le16 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1
