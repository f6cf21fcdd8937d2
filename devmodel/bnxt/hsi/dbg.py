# SPDX-License-Identifier: GPL-2.0-only
"""Debug (hwrm_dbg_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, u8


class DbgRingType(enum.IntEnum):
    """DBG_RING_INFO_GET_REQ_RING_TYPE_*."""

    L2_CMPL = 0
    TX = 1
    RX = 2
    NQ = 3


@layout(size=24, c_name="hwrm_dbg_ring_info_get_input")
class HwrmDbgRingInfoGetInput(HwrmInput):
    ring_type: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    fw_ring_id: le32 = 0


@layout(size=24, c_name="hwrm_dbg_ring_info_get_output")
class HwrmDbgRingInfoGetOutput(HwrmOutput):
    producer_index: le32 = 0
    consumer_index: le32 = 0
    cag_vector_ctrl: le32 = 0
    st_tag: le16 = 0
    unused_0: u8 = 0
    valid: u8 = 1
