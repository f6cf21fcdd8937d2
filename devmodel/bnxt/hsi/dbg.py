# SPDX-License-Identifier: GPL-2.0-only
"""Debug (hwrm_dbg_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import Layout, layout, le16, le32, le64, u8


class DbgRingType(enum.IntEnum):
    """DBG_RING_INFO_GET_REQ_RING_TYPE_*."""

    L2_CMPL = 0
    TX = 1
    RX = 2
    NQ = 3


class DbgCaps(enum.IntFlag):
    """DBG_QCAPS_RESP_FLAGS_*."""

    CRASHDUMP_HOST_DDR = 0x2


class LogType(enum.IntEnum):
    """DBG_LOG_BUFFER_FLUSH_REQ_TYPE_*: the first and the last one."""

    SRT_TRACE = 0
    ERR_QPC_TRACE = 12


MORE = 0x1
"""DBG_COREDUMP_*_RESP_FLAGS_MORE: ask again with the next seq_no."""
CRASHDUMP_FOR_MASK = 0x3
"""DBG_QCFG_REQ_FLAGS_CRASHDUMP_SIZE_FOR_DEST_MASK."""
CRASHDUMP_FOR_HOST_DDR = 0x1
"""DBG_QCFG_REQ_FLAGS_CRASHDUMP_SIZE_FOR_DEST_DEST_HOST_DDR."""
CRASHDUMP_TO_DDR = 0x1
"""DBG_CRASHDUMP_MEDIUM_CFG_REQ_TYPE_DDR."""
CRASHDUMP_LEVEL_MASK = 0x3
"""DBG_CRASHDUMP_MEDIUM_CFG_REQ_LVL_MASK."""
CRASHDUMP_PAGE_SHIFTS = (12, 13, 16, 21, 23, 30)
"""DBG_CRASHDUMP_MEDIUM_CFG_REQ_PG_SIZE_*, bits 4..2 -> log2 of bytes."""


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


@layout(size=24, c_name="hwrm_dbg_qcaps_input")
class HwrmDbgQcapsInput(HwrmInput):
    fid: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=24, c_name="hwrm_dbg_qcaps_output")
class HwrmDbgQcapsOutput(HwrmOutput):
    fid: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    coredump_component_disable_caps: le32 = 0
    flags: le32 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_dbg_qcfg_input")
class HwrmDbgQcfgInput(HwrmInput):
    fid: le16 = 0
    flags: le16 = 0
    coredump_component_disable_flags: le32 = 0


@layout(size=32, c_name="hwrm_dbg_qcfg_output")
class HwrmDbgQcfgOutput(HwrmOutput):
    fid: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    coredump_size: le32 = 0
    flags: le32 = 0
    async_cmpl_ring: le16 = 0
    unused_2: Annotated[bytes, "2s"] = b""
    crashdump_size: le32 = 0
    unused_3: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_dbg_coredump_list_input")
class HwrmDbgCoredumpListInput(HwrmInput):
    host_dest_addr: le64 = 0
    host_buf_len: le32 = 0
    seq_no: le16 = 0
    flags: u8 = 0
    unused_0: Annotated[bytes, "1s"] = b""


@layout(size=16, c_name="hwrm_dbg_coredump_list_output")
class HwrmDbgCoredumpListOutput(HwrmOutput):
    flags: u8 = 0
    unused_0: u8 = 0
    total_segments: le16 = 0
    data_len: le16 = 0
    unused_1: u8 = 0
    valid: u8 = 1


@layout(size=32, c_name="hwrm_dbg_coredump_initiate_input")
class HwrmDbgCoredumpInitiateInput(HwrmInput):
    component_id: le16 = 0
    segment_id: le16 = 0
    instance: le16 = 0
    unused_0: le16 = 0
    seg_flags: u8 = 0
    unused_1: Annotated[bytes, "7s"] = b""


@layout(size=16, c_name="hwrm_dbg_coredump_initiate_output")
class HwrmDbgCoredumpInitiateOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=56, c_name="hwrm_dbg_coredump_retrieve_input")
class HwrmDbgCoredumpRetrieveInput(HwrmInput):
    host_dest_addr: le64 = 0
    host_buf_len: le32 = 0
    unused_0: le32 = 0
    component_id: le16 = 0
    segment_id: le16 = 0
    instance: le16 = 0
    unused_1: le16 = 0
    seg_flags: u8 = 0
    unused_2: u8 = 0
    unused_3: le16 = 0
    unused_4: le32 = 0
    seq_no: le32 = 0
    unused_5: le32 = 0


@layout(size=16, c_name="hwrm_dbg_coredump_retrieve_output")
class HwrmDbgCoredumpRetrieveOutput(HwrmOutput):
    flags: u8 = 0
    unused_0: u8 = 0
    data_len: le16 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_dbg_read_direct_input")
class HwrmDbgReadDirectInput(HwrmInput):
    host_dest_addr: le64 = 0
    read_addr: le32 = 0
    read_len32: le32 = 0


@layout(size=16, c_name="hwrm_dbg_read_direct_output")
class HwrmDbgReadDirectOutput(HwrmOutput):
    crc32: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_dbg_crashdump_medium_cfg_input")
class HwrmDbgCrashdumpMediumCfgInput(HwrmInput):
    output_dest_flags: le16 = 0
    pg_size_lvl: le16 = 0
    size: le32 = 0
    coredump_component_disable_flags: le32 = 0
    unused_0: le32 = 0
    pbl: le64 = 0


@layout(size=16, c_name="hwrm_dbg_crashdump_medium_cfg_output")
class HwrmDbgCrashdumpMediumCfgOutput(HwrmOutput):
    unused_1: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_dbg_log_buffer_flush_input")
class HwrmDbgLogBufferFlushInput(HwrmInput):
    type: le16 = 0
    unused_1: Annotated[bytes, "2s"] = b""
    flags: le32 = 0


@layout(size=16, c_name="hwrm_dbg_log_buffer_flush_output")
class HwrmDbgLogBufferFlushOutput(HwrmOutput):
    current_buffer_offset: le32 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="coredump_segment_record")
class CoredumpSegmentRecord(Layout):
    component_id: le16 = 0
    segment_id: le16 = 0
    max_instances: le16 = 0
    version_hi: u8 = 0
    version_low: u8 = 0
    seg_flags: u8 = 0
    compress_flags: u8 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    segment_len: le32 = 0
