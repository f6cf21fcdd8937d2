# SPDX-License-Identifier: GPL-2.0-only
"""What all HWRM messages begin with (struct input, struct output), the short form, error codes."""

from __future__ import annotations

import enum

from devmodel.layout import Layout, layout, le16, le32, le64, u8


@layout(size=16, c_name="input")
class HwrmInput(Layout):
    """Header of every request."""

    req_type: le16 = 0
    cmpl_ring: le16 = 0
    seq_id: le16 = 0
    target_id: le16 = 0
    resp_addr: le64 = 0


@layout(size=8, c_name="output")
class HwrmOutput(Layout):
    """Header of every response."""

    error_code: le16 = 0
    req_type: le16 = 0
    seq_id: le16 = 0
    resp_len: le16 = 0


@layout(size=16, c_name="hwrm_err_output")
class HwrmErrOutput(HwrmOutput):
    """Response to a refused request."""

    opaque_0: le32 = 0
    opaque_1: le16 = 0
    cmd_err: u8 = 0
    valid: u8 = 1


@layout(size=16, c_name="hwrm_short_input")
class HwrmShortInput(Layout):
    """Written to the window instead of a request that lies in host memory."""

    req_type: le16 = 0
    signature: le16 = 0
    target_id: le16 = 0
    size: le16 = 0
    req_addr: le64 = 0


SHORT_SIGNATURE = 0x4321
NO_CMPL_RING = 0xFFFF


class Err(enum.IntEnum):
    """HWRM_ERR_CODE_*."""

    SUCCESS = 0
    FAIL = 1
    INVALID_PARAMS = 2
    RESOURCE_ACCESS_DENIED = 3
    RESOURCE_ALLOC_ERROR = 4
    INVALID_FLAGS = 5
    INVALID_ENABLES = 6
    BUSY = 0x10
    PF_UNAVAILABLE = 0x12
    CMD_NOT_SUPPORTED = 0xFFFF
