# SPDX-License-Identifier: GPL-2.0-only
"""NVM (hwrm_nvm_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, u8


class NvmDevInfoFlags(enum.IntFlag):
    """NVM_GET_DEV_INFO_RESP_FLAGS_*."""

    FW_VER_VALID = 0x1


@layout(size=24, c_name="hwrm_nvm_get_dev_info_input")
class HwrmNvmGetDevInfoInput(HwrmInput):
    flags: u8 = 0
    unused_0: Annotated[bytes, "7s"] = b""


@layout(size=96, c_name="hwrm_nvm_get_dev_info_output")
class HwrmNvmGetDevInfoOutput(HwrmOutput):
    manufacturer_id: le16 = 0
    device_id: le16 = 0
    sector_size: le32 = 0
    nvram_size: le32 = 0
    reserved_size: le32 = 0
    available_size: le32 = 0
    nvm_cfg_ver_maj: u8 = 0
    nvm_cfg_ver_min: u8 = 0
    nvm_cfg_ver_upd: u8 = 0
    flags: u8 = 0
    pkg_name: Annotated[bytes, "16s"] = b""
    hwrm_fw_major: le16 = 0
    hwrm_fw_minor: le16 = 0
    hwrm_fw_build: le16 = 0
    hwrm_fw_patch: le16 = 0
    mgmt_fw_major: le16 = 0
    mgmt_fw_minor: le16 = 0
    mgmt_fw_build: le16 = 0
    mgmt_fw_patch: le16 = 0
    roce_fw_major: le16 = 0
    roce_fw_minor: le16 = 0
    roce_fw_build: le16 = 0
    roce_fw_patch: le16 = 0
    netctrl_fw_major: le16 = 0
    netctrl_fw_minor: le16 = 0
    netctrl_fw_build: le16 = 0
    netctrl_fw_patch: le16 = 0
    srt2_fw_major: le16 = 0
    srt2_fw_minor: le16 = 0
    srt2_fw_build: le16 = 0
    srt2_fw_patch: le16 = 0
    security_soc_fw_major: u8 = 0
    security_soc_fw_minor: u8 = 0
    security_soc_fw_build: u8 = 0
    security_soc_fw_patch: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1
