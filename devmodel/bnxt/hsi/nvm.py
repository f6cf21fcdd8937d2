# SPDX-License-Identifier: GPL-2.0-only
"""NVM (hwrm_nvm_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, le64, u8


class NvmDevInfoFlags(enum.IntFlag):
    """NVM_GET_DEV_INFO_RESP_FLAGS_*."""

    FW_VER_VALID = 0x1


class FindEnables(enum.IntFlag):
    """NVM_FIND_DIR_ENTRY_REQ_ENABLES_*."""

    DIR_IDX_VALID = 0x1


class OptOrdinal(enum.IntEnum):
    """NVM_FIND_DIR_ENTRY_REQ_OPT_ORDINAL_*: how the ordinal is compared."""

    EQ = 0
    GE = 1
    GT = 2


OPT_ORDINAL_MASK = 0x3


class InstallFlags(enum.IntFlag):
    """NVM_INSTALL_UPDATE_REQ_FLAGS_*."""

    ALLOWED_TO_DEFRAG = 0x4
    VERIFY_ONLY = 0x8


class InstallResult(enum.IntEnum):
    """NVM_INSTALL_UPDATE_RESP_RESULT_*: what is wrong with a package."""

    SUCCESS = 0x0
    INVALID_FILE_HEADER = 0xEC
    INVALID_SIGNATURE = 0xEB
    INVALID_CHECKSUM = 0xE6
    INVALID_ITEM_CHECKSUM = 0xE5
    INVALID_DATA_LENGTH = 0xE4
    UNSUPPORTED_DEVICE_ID = 0xCD
    DUPLICATE_ITEM = 0xC4
    ZERO_LENGTH_ITEM = 0xC3
    ITEM_NOT_FOUND = 0xB0


PROBLEM_PACKAGE = 0xFF
"""NVM_INSTALL_UPDATE_RESP_PROBLEM_ITEM_PACKAGE: it is the package itself."""
RESET_REQUIRED_PCI = 0x1
"""NVM_INSTALL_UPDATE_RESP_RESET_REQUIRED_PCI."""


class WriteError(enum.IntEnum):
    """NVM_WRITE_CMD_ERR_CODE_*."""

    FRAG_ERR = 0x1
    NO_SPACE = 0x2
    INVALID_HEADER = 0x6


class InstallError(enum.IntEnum):
    """NVM_INSTALL_UPDATE_CMD_ERR_CODE_*."""

    FRAG_ERR = 0x1
    NO_SPACE = 0x2


class GetVariableError(enum.IntEnum):
    """NVM_GET_VARIABLE_CMD_ERR_CODE_*."""

    VAR_NOT_EXIST = 0x1
    LEN_TOO_SHORT = 0x3
    INDEX_INVALID = 0x4


class SetVariableError(enum.IntEnum):
    """NVM_SET_VARIABLE_CMD_ERR_CODE_*."""

    VAR_NOT_EXIST = 0x1
    INDEX_INVALID = 0x5
    ACCESS_DENIED = 0x6
    INVALID_DATA_LEN = 0x8


class VariableFlags(enum.IntFlag):
    """NVM_GET_VARIABLE_REQ_FLAGS_*."""

    FACTORY_DFLT = 0x1


@layout(size=16, c_name="hwrm_nvm_get_dir_info_input")
class HwrmNvmGetDirInfoInput(HwrmInput):
    """A request without arguments."""


@layout(size=24, c_name="hwrm_nvm_get_dir_info_output")
class HwrmNvmGetDirInfoOutput(HwrmOutput):
    entries: le32 = 0
    entry_length: le32 = 0
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_nvm_get_dir_entries_input")
class HwrmNvmGetDirEntriesInput(HwrmInput):
    host_dest_addr: le64 = 0


@layout(size=16, c_name="hwrm_nvm_get_dir_entries_output")
class HwrmNvmGetDirEntriesOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_nvm_find_dir_entry_input")
class HwrmNvmFindDirEntryInput(HwrmInput):
    enables: le32 = 0
    dir_idx: le16 = 0
    dir_type: le16 = 0
    dir_ordinal: le16 = 0
    dir_ext: le16 = 0
    opt_ordinal: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""


@layout(size=32, c_name="hwrm_nvm_find_dir_entry_output")
class HwrmNvmFindDirEntryOutput(HwrmOutput):
    dir_item_length: le32 = 0
    dir_data_length: le32 = 0
    fw_ver: le32 = 0
    dir_ordinal: le16 = 0
    dir_idx: le16 = 0
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_nvm_read_input")
class HwrmNvmReadInput(HwrmInput):
    host_dest_addr: le64 = 0
    dir_idx: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    offset: le32 = 0
    len: le32 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_nvm_read_output")
class HwrmNvmReadOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=56, c_name="hwrm_nvm_write_input")
class HwrmNvmWriteInput(HwrmInput):
    host_src_addr: le64 = 0
    dir_type: le16 = 0
    dir_ordinal: le16 = 0
    dir_ext: le16 = 0
    dir_attr: le16 = 0
    dir_data_length: le32 = 0
    option: le16 = 0
    flags: le16 = 0
    dir_item_length: le32 = 0
    offset: le32 = 0
    len: le32 = 0
    unused_0: le32 = 0


@layout(size=16, c_name="hwrm_nvm_write_output")
class HwrmNvmWriteOutput(HwrmOutput):
    dir_item_length: le32 = 0
    dir_idx: le16 = 0
    unused_0: u8 = 0
    valid: u8 = 1


@layout(size=40, c_name="hwrm_nvm_modify_input")
class HwrmNvmModifyInput(HwrmInput):
    host_src_addr: le64 = 0
    dir_idx: le16 = 0
    flags: le16 = 0
    offset: le32 = 0
    len: le32 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_nvm_modify_output")
class HwrmNvmModifyOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_nvm_erase_dir_entry_input")
class HwrmNvmEraseDirEntryInput(HwrmInput):
    dir_idx: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_nvm_erase_dir_entry_output")
class HwrmNvmEraseDirEntryOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_nvm_defrag_input")
class HwrmNvmDefragInput(HwrmInput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_nvm_defrag_output")
class HwrmNvmDefragOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_nvm_install_update_input")
class HwrmNvmInstallUpdateInput(HwrmInput):
    install_type: le32 = 0
    flags: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""


@layout(size=24, c_name="hwrm_nvm_install_update_output")
class HwrmNvmInstallUpdateOutput(HwrmOutput):
    installed_items: le64 = 0
    result: u8 = 0
    problem_item: u8 = 0
    reset_required: u8 = 0
    unused_0: Annotated[bytes, "4s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_nvm_verify_update_input")
class HwrmNvmVerifyUpdateInput(HwrmInput):
    dir_type: le16 = 0
    dir_ordinal: le16 = 0
    dir_ext: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""


@layout(size=16, c_name="hwrm_nvm_verify_update_output")
class HwrmNvmVerifyUpdateOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_nvm_get_variable_input")
class HwrmNvmGetVariableInput(HwrmInput):
    dest_data_addr: le64 = 0
    data_len: le16 = 0
    option_num: le16 = 0
    dimensions: le16 = 0
    index_0: le16 = 0
    index_1: le16 = 0
    index_2: le16 = 0
    index_3: le16 = 0
    flags: u8 = 0
    unused_0: u8 = 0


@layout(size=16, c_name="hwrm_nvm_get_variable_output")
class HwrmNvmGetVariableOutput(HwrmOutput):
    data_len: le16 = 0
    option_num: le16 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_nvm_set_variable_input")
class HwrmNvmSetVariableInput(HwrmInput):
    src_data_addr: le64 = 0
    data_len: le16 = 0
    option_num: le16 = 0
    dimensions: le16 = 0
    index_0: le16 = 0
    index_1: le16 = 0
    index_2: le16 = 0
    index_3: le16 = 0
    flags: u8 = 0
    unused_0: u8 = 0


@layout(size=16, c_name="hwrm_nvm_set_variable_output")
class HwrmNvmSetVariableOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


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
