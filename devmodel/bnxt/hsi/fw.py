# SPDX-License-Identifier: GPL-2.0-only
"""Firmware: reset, live patches, structured data (hwrm_fw_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import Layout, be16, layout, le16, le32, le64, u8


class Processor(enum.IntEnum):
    """FW_RESET_REQ_EMBEDDED_PROC_TYPE_*."""

    BOOT = 0
    MGMT = 1
    NETCTRL = 2
    ROCE = 3
    HOST = 4
    AP = 5
    CHIP = 6
    HOST_RESOURCE_REINIT = 7
    IMPACTLESS_ACTIVATION = 8


class SelfReset(enum.IntEnum):
    """FW_RESET_REQ_SELFRST_STATUS_*: when the processor is to reset itself."""

    NONE = 0
    ASAP = 1
    PCIE_RST = 2
    IMMEDIATE = 3


class FwResetFlags(enum.IntFlag):
    """FW_RESET_REQ_FLAGS_*."""

    RESET_GRACEFUL = 0x1
    FW_ACTIVATION = 0x2


class LivepatchOpcode(enum.IntEnum):
    """FW_LIVEPATCH_REQ_OPCODE_*."""

    ACTIVATE = 1
    DEACTIVATE = 2


class LivepatchTarget(enum.IntEnum):
    """FW_LIVEPATCH_REQ_FW_TARGET_*."""

    COMMON_FW = 1
    SECURE_FW = 2


class LivepatchError(enum.IntEnum):
    """FW_LIVEPATCH_CMD_ERR_CODE_*."""

    INVALID_OPCODE = 1
    INVALID_TARGET = 2
    NOT_SUPPORTED = 3
    NOT_INSTALLED = 4
    NOT_PATCHED = 5


DCBX_APP = 0x421
"""STRUCT_HDR_STRUCT_ID_DCBX_APP."""
HOST_OPERATIONAL = 0x300
"""FW_GET_STRUCTURED_DATA_REQ_SUBTYPE_HOST_OPERATIONAL."""


@layout(size=24, c_name="hwrm_fw_reset_input")
class HwrmFwResetInput(HwrmInput):
    embedded_proc_type: u8 = 0
    selfrst_status: u8 = 0
    host_idx: u8 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_fw_reset_output")
class HwrmFwResetOutput(HwrmOutput):
    selfrst_status: u8 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_fw_livepatch_input")
class HwrmFwLivepatchInput(HwrmInput):
    opcode: u8 = 0
    fw_target: u8 = 0
    loadtype: u8 = 0
    flags: u8 = 0
    patch_len: le32 = 0
    host_addr: le64 = 0


@layout(size=16, c_name="hwrm_fw_livepatch_output")
class HwrmFwLivepatchOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_fw_livepatch_query_input")
class HwrmFwLivepatchQueryInput(HwrmInput):
    fw_target: u8 = 0
    unused_0: Annotated[bytes, "7s"] = b""


@layout(size=80, c_name="hwrm_fw_livepatch_query_output")
class HwrmFwLivepatchQueryOutput(HwrmOutput):
    install_ver: Annotated[bytes, "32s"] = b""
    active_ver: Annotated[bytes, "32s"] = b""
    status_flags: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_fw_set_structured_data_input")
class HwrmFwSetStructuredDataInput(HwrmInput):
    src_data_addr: le64 = 0
    data_len: le16 = 0
    hdr_cnt: u8 = 0
    unused_0: Annotated[bytes, "5s"] = b""


@layout(size=16, c_name="hwrm_fw_set_structured_data_output")
class HwrmFwSetStructuredDataOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_fw_get_structured_data_input")
class HwrmFwGetStructuredDataInput(HwrmInput):
    dest_data_addr: le64 = 0
    data_len: le16 = 0
    structure_id: le16 = 0
    subtype: le16 = 0
    count: u8 = 0
    unused_0: u8 = 0


@layout(size=16, c_name="hwrm_fw_get_structured_data_output")
class HwrmFwGetStructuredDataOutput(HwrmOutput):
    hdr_cnt: u8 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_struct_hdr")
class HwrmStructHdr(Layout):
    struct_id: le16 = 0
    len: le16 = 0
    version: u8 = 0
    count: u8 = 0
    subtype: le16 = 0
    next_offset: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=8, c_name="hwrm_struct_data_dcbx_app")
class HwrmStructDataDcbxApp(Layout):
    protocol_id: be16 = 0
    protocol_selector: u8 = 0
    priority: u8 = 0
    valid: u8 = 1
    unused_0: Annotated[bytes, "3s"] = b""
