# SPDX-License-Identifier: GPL-2.0-only
"""Debug: live dump, crash dump, registers, logs. The rings' own inspection is with the rings."""

from __future__ import annotations

import struct
import zlib

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.debug import (
    CHUNK_BYTES,
    COREDUMP_BYTES,
    CRASHDUMP_BYTES,
    page_shift_of,
)
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.dbg import (
    CRASHDUMP_FOR_HOST_DDR,
    CRASHDUMP_FOR_MASK,
    CRASHDUMP_LEVEL_MASK,
    CRASHDUMP_TO_DDR,
    MORE,
    CoredumpSegmentRecord,
    DbgCaps,
    HwrmDbgCoredumpInitiateInput,
    HwrmDbgCoredumpInitiateOutput,
    HwrmDbgCoredumpListInput,
    HwrmDbgCoredumpListOutput,
    HwrmDbgCoredumpRetrieveInput,
    HwrmDbgCoredumpRetrieveOutput,
    HwrmDbgCrashdumpMediumCfgInput,
    HwrmDbgCrashdumpMediumCfgOutput,
    HwrmDbgLogBufferFlushInput,
    HwrmDbgLogBufferFlushOutput,
    HwrmDbgQcapsInput,
    HwrmDbgQcapsOutput,
    HwrmDbgQcfgInput,
    HwrmDbgQcfgOutput,
    HwrmDbgReadDirectInput,
    HwrmDbgReadDirectOutput,
    LogType,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.regs import REGISTER_VIEW, REGISTER_VIEW_BYTES
from devmodel.bnxt.rings import PTE_ADDRESS, PTE_VALID

COMMANDS = CommandTable()
_OWN_FID = 0xFFFF
_WORD_BYTES = 4


def _check_fid(fw: Firmware, fid: int) -> None:
    if fid not in (_OWN_FID, fw.identity.fid):
        raise fw.refuse("hwrm_unknown_function", Err.RESOURCE_ACCESS_DENIED, fid=fid)


@COMMANDS.handles(Cmd.DBG_QCAPS, HwrmDbgQcapsInput)
def dbg_qcaps(fw: Firmware, req: HwrmDbgQcapsInput) -> HwrmDbgQcapsOutput:
    """A crash dump goes to memory of the host (a guess for this card)."""
    _check_fid(fw, req.fid)
    return HwrmDbgQcapsOutput(fid=fw.identity.fid, flags=DbgCaps.CRASHDUMP_HOST_DDR)


@COMMANDS.handles(Cmd.DBG_QCFG, HwrmDbgQcfgInput)
def dbg_qcfg(fw: Firmware, req: HwrmDbgQcfgInput) -> HwrmDbgQcfgOutput:
    """How much room a live dump needs, and a crash dump in memory of the host."""
    _check_fid(fw, req.fid)
    to_host = req.flags & CRASHDUMP_FOR_MASK == CRASHDUMP_FOR_HOST_DDR
    return HwrmDbgQcfgOutput(
        fid=fw.identity.fid,
        coredump_size=COREDUMP_BYTES,
        crashdump_size=CRASHDUMP_BYTES if to_host else 0,
    )


# -- live dump ------------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.DBG_COREDUMP_LIST, HwrmDbgCoredumpListInput)
def dbg_coredump_list(fw: Firmware, req: HwrmDbgCoredumpListInput) -> HwrmDbgCoredumpListOutput:
    """The segments there are, as many records at a time as the host has room for."""
    records = list(fw.debug.records())
    per_answer = min(req.host_buf_len, CHUNK_BYTES) // CoredumpSegmentRecord.SIZE
    if not per_answer:
        raise fw.refuse("dbg_buffer_length", length=req.host_buf_len)
    start = req.seq_no * per_answer
    data = b"".join(record.pack() for record in records[start : start + per_answer])
    if data:
        fw.write(req.host_dest_addr, data, "coredump list")
    return HwrmDbgCoredumpListOutput(
        flags=MORE if start + per_answer < len(records) else 0,
        total_segments=len(records),
        data_len=len(data),
    )


@COMMANDS.handles(Cmd.DBG_COREDUMP_INITIATE, HwrmDbgCoredumpInitiateInput)
def dbg_coredump_initiate(
    fw: Firmware, req: HwrmDbgCoredumpInitiateInput
) -> HwrmDbgCoredumpInitiateOutput:
    """Keep a segment as it is now."""
    if not fw.debug.take((req.component_id, req.segment_id)):
        raise HwrmError(Err.INVALID_PARAMS)
    return HwrmDbgCoredumpInitiateOutput()


@COMMANDS.handles(Cmd.DBG_COREDUMP_RETRIEVE, HwrmDbgCoredumpRetrieveInput)
def dbg_coredump_retrieve(
    fw: Firmware, req: HwrmDbgCoredumpRetrieveInput
) -> HwrmDbgCoredumpRetrieveOutput:
    """A part of a segment that was kept."""
    segment = fw.debug.taken((req.component_id, req.segment_id))
    if segment is None:
        raise HwrmError(Err.INVALID_PARAMS)
    step = min(req.host_buf_len, CHUNK_BYTES)
    if not step:
        raise fw.refuse("dbg_buffer_length", length=req.host_buf_len)
    start = req.seq_no * step
    data = segment[start : start + step]
    if data:
        fw.write(req.host_dest_addr, data, "coredump segment")
    return HwrmDbgCoredumpRetrieveOutput(
        flags=MORE if start + step < len(segment) else 0, data_len=len(data)
    )


# -- crash dump -----------------------------------------------------------------------------------
def _read_pages(fw: Firmware, address: int, *, depth: int, size: int, page_shift: int) -> list[int]:
    """Bus addresses of the pages of ``size`` bytes, through ``depth`` levels of table.

    Raises HwrmError. ``size`` is at most CRASHDUMP_BYTES, so that one page of table is enough.
    """
    if depth == 0:
        return [address]
    count = -(-size >> page_shift)
    if depth > 1:
        (address,) = _read_table(fw, address, 1)
    return _read_table(fw, address, count)


def _read_table(fw: Firmware, address: int, count: int) -> list[int]:
    raw = fw.read(address, count * 8, "crash dump page table")
    entries = struct.unpack(f"<{count}Q", raw)
    if not all(entry & PTE_VALID for entry in entries):
        raise fw.refuse("crash_dump_page_table")
    return [entry & PTE_ADDRESS for entry in entries]


@COMMANDS.handles(Cmd.DBG_CRASHDUMP_MEDIUM_CFG, HwrmDbgCrashdumpMediumCfgInput)
def dbg_crashdump_medium_cfg(
    fw: Firmware, req: HwrmDbgCrashdumpMediumCfgInput
) -> HwrmDbgCrashdumpMediumCfgOutput:
    """Where a crash dump goes: pages of the host, or, with no size, nowhere any more."""
    page_shift = page_shift_of(req.pg_size_lvl)
    depth = req.pg_size_lvl & CRASHDUMP_LEVEL_MASK
    if not req.output_dest_flags & CRASHDUMP_TO_DDR or page_shift is None or depth > 2:
        raise fw.refuse("crash_dump_medium", flags=req.output_dest_flags, pages=req.pg_size_lvl)
    if req.size > CRASHDUMP_BYTES:
        raise fw.refuse("crash_dump_medium", size=req.size)
    if req.size:
        pages = _read_pages(fw, req.pbl, depth=depth, size=req.size, page_shift=page_shift)
        fw.debug.use_crash_memory(pages, page_shift, req.size)
    else:
        fw.debug.forget_crash_memory()
    return HwrmDbgCrashdumpMediumCfgOutput()


# -- registers and logs ---------------------------------------------------------------------------
@COMMANDS.handles(Cmd.DBG_READ_DIRECT, HwrmDbgReadDirectInput)
def dbg_read_direct(fw: Firmware, req: HwrmDbgReadDirectInput) -> HwrmDbgReadDirectOutput:
    """Registers as the firmware sees them: those of BAR0 are at its beginning."""
    offset, length = req.read_addr - REGISTER_VIEW, req.read_len32 * _WORD_BYTES
    if offset < 0 or offset % _WORD_BYTES or offset + length > REGISTER_VIEW_BYTES or not length:
        raise HwrmError(Err.INVALID_PARAMS)
    words = (fw.read_register(offset + at, _WORD_BYTES) for at in range(0, length, _WORD_BYTES))
    data = b"".join(words)
    fw.write(req.host_dest_addr, data, "registers")
    return HwrmDbgReadDirectOutput(crc32=zlib.crc32(data))


@COMMANDS.handles(Cmd.DBG_LOG_BUFFER_FLUSH, HwrmDbgLogBufferFlushInput)
def dbg_log_buffer_flush(
    fw: Firmware, req: HwrmDbgLogBufferFlushInput
) -> HwrmDbgLogBufferFlushOutput:
    """Everything logged is in the host's memory: nothing, since no trace is kept there."""
    if req.type > LogType.ERR_QPC_TRACE:
        raise fw.refuse("dbg_log_type", type=req.type)
    return HwrmDbgLogBufferFlushOutput()
