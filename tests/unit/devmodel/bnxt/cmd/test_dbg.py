# SPDX-License-Identifier: GPL-2.0-only
"""Dumps as the driver takes them: live, of a crash, of registers; and what is refused."""

from __future__ import annotations

import json
from typing import Any

from devmodel.bnxt.debug import COREDUMP_BYTES, CRASHDUMP_BYTES, SEGMENTS
from devmodel.bnxt.hsi.dbg import (
    MORE,
    CoredumpSegmentRecord,
    DbgCaps,
    HwrmDbgCoredumpInitiateInput,
    HwrmDbgCoredumpListInput,
    HwrmDbgCoredumpRetrieveInput,
    HwrmDbgCrashdumpMediumCfgInput,
    HwrmDbgLogBufferFlushInput,
    HwrmDbgQcapsInput,
    HwrmDbgQcfgInput,
    HwrmDbgReadDirectInput,
)
from devmodel.bnxt.hsi.func import HwrmFuncDrvUnrgtrInput
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.regs import FW_STATUS, FW_STATUS_HEALTHY, REGISTER_VIEW
from tests.unit.devmodel.bnxt.cardhost import UNMAPPED, CardHost

CRASHED = {"action": "card", "do": "health", "params": {"fw_status": 0xDEAD}}


def segments(host: CardHost, room: int = 2048) -> list[tuple[int, int]]:
    """Every segment of the list, asked for as the driver does."""
    address, found = host.allocate(room), []
    for number in range(10):
        answer = host.call(
            HwrmDbgCoredumpListInput(host_dest_addr=address, host_buf_len=room, seq_no=number)
        )
        for at in range(0, answer.data_len, CoredumpSegmentRecord.SIZE):
            record = CoredumpSegmentRecord.unpack(host.peek(address + at, 16))
            found.append((record.component_id, record.segment_id))
        if not answer.flags & MORE:
            break
    assert len(found) == answer.total_segments
    return found


def retrieve(host: CardHost, segment: tuple[int, int], room: int = 4096) -> bytes:
    """A segment, initiated and put together."""
    component, number = segment
    host.call(HwrmDbgCoredumpInitiateInput(component_id=component, segment_id=number))
    address, data = host.allocate(room), b""
    for sequence in range(10_000):
        answer = host.call(
            HwrmDbgCoredumpRetrieveInput(
                host_dest_addr=address, host_buf_len=room, component_id=component,
                segment_id=number, seq_no=sequence,
            )
        )  # fmt: skip
        data += host.peek(address, answer.data_len)
        if not answer.flags & MORE:
            break
    return data


def test_a_live_dump_is_whole_in_any_buffer(host: CardHost) -> None:
    host.open_queue()
    assert segments(host) == segments(host, room=20) == list(SEGMENTS)
    dump = {segment: retrieve(host, segment) for segment in SEGMENTS}
    assert dump[1, 1] == retrieve(host, (1, 1), room=7)
    assert json.loads(dump[1, 0])["resources"]["rx_rings"] == 1
    assert [dump[1, 1][at : at + 2] for at in range(0, len(dump[1, 1]), 24)] == [
        b"TX",
        b"RX",
        b"RX",
    ]
    size = host.call(HwrmDbgQcfgInput(fid=0xFFFF)).coredump_size
    assert size == COREDUMP_BYTES >= sum(64 + len(data) for data in dump.values())
    assert not host.rules


def test_a_segment_is_as_it_was_when_its_dump_began(host: CardHost) -> None:
    retrieve(host, (1, 1))
    host.open_queue()
    later = HwrmDbgCoredumpRetrieveInput(
        host_dest_addr=host.allocate(64), host_buf_len=64, component_id=1, segment_id=1
    )
    assert host.call(later).data_len == 0


def test_what_is_no_dump_is_refused(host: CardHost) -> None:
    requests: list[Any] = [
        HwrmDbgCoredumpInitiateInput(component_id=9),
        HwrmDbgCoredumpRetrieveInput(component_id=1, segment_id=1, host_buf_len=64),
        HwrmDbgReadDirectInput(read_addr=0, read_len32=1),
        HwrmDbgReadDirectInput(read_addr=REGISTER_VIEW, read_len32=0xFFFFFFFF),
        HwrmDbgReadDirectInput(read_addr=REGISTER_VIEW + 2, read_len32=1),
    ]
    assert {host.error(request) for request in requests} == {Err.INVALID_PARAMS}
    assert not host.rules
    host.error(HwrmDbgCoredumpListInput(host_buf_len=15))
    host.error(HwrmDbgLogBufferFlushInput(type=13))
    assert host.rules == {"dbg_buffer_length", "dbg_log_type"}
    host.call(HwrmDbgLogBufferFlushInput(type=12))


def test_registers_are_read_as_the_host_reads_them(host: CardHost) -> None:
    address = host.allocate(0x3110)
    host.call(
        HwrmDbgReadDirectInput(
            host_dest_addr=address, read_addr=REGISTER_VIEW, read_len32=0x3110 // 4
        )
    )
    status = host.peek(address + FW_STATUS, 4)
    assert int.from_bytes(status, "little") == FW_STATUS_HEALTHY == host.register(FW_STATUS)


def crash_memory(host: CardHost, *, depth: int = 1) -> tuple[HwrmDbgCrashdumpMediumCfgInput, int]:
    """The driver's request, and the first page."""
    pages = [host.allocate(4096) for _ in range(CRASHDUMP_BYTES // 4096)]
    table = host.allocate(4096)
    host.poke(table, b"".join((page | 1).to_bytes(8, "little") for page in pages))
    root = host.allocate(4096)
    host.poke(root, (table | 1).to_bytes(8, "little"))
    places = {0: pages[0], 1: table, 2: root}
    return HwrmDbgCrashdumpMediumCfgInput(
        output_dest_flags=1, pg_size_lvl=depth, size=CRASHDUMP_BYTES, pbl=places[depth]
    ), pages[0]


def test_a_crash_is_written_to_the_memory_of_the_host(host: CardHost) -> None:
    assert host.call(HwrmDbgQcapsInput(fid=0xFFFF)).flags == DbgCaps.CRASHDUMP_HOST_DDR
    assert host.call(HwrmDbgQcfgInput(fid=0xFFFF, flags=1)).crashdump_size == CRASHDUMP_BYTES
    for depth in (0, 1, 2):
        request, page = crash_memory(host, depth=depth)
        host.call(request)
        host.arm("now", CRASHED)
        assert host.peek(page, 8) == b"CrSh\xad\xde\0\0"
    assert not host.rules


def test_memory_that_was_taken_back_is_left_alone(host: CardHost) -> None:
    for leave in (HwrmFuncDrvUnrgtrInput(), HwrmDbgCrashdumpMediumCfgInput(output_dest_flags=1)):
        request, page = crash_memory(host)
        host.call(request)
        host.call(leave)
        host.arm("now", CRASHED)
        assert host.peek(page, 8) == bytes(8)


def test_bad_crash_memory_is_refused(host: CardHost) -> None:
    request, _ = crash_memory(host)
    request.size += 1
    host.error(request)
    request, _ = crash_memory(host)
    host.poke(request.pbl + 8, bytes(8))
    host.error(request)
    for wrong in (0x3, 6 << 2):
        request, _ = crash_memory(host)
        request.pg_size_lvl = wrong
        host.error(request)
    assert host.rules == {"crash_dump_medium", "crash_dump_page_table"}
    host.call(HwrmDbgCrashdumpMediumCfgInput(output_dest_flags=1, size=64, pbl=UNMAPPED))
    host.card.firmware.debug.write_crash_dump(0xDEAD)
    assert "crash_dump_write" in host.rules
