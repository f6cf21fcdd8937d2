# SPDX-License-Identifier: GPL-2.0-only
"""The HWRM channel: forms, lengths, addresses, order of writes, completions."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.cmd.table import Command
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import REFUSED, REFUSED_AS_REAL, Cmd, command_name
from devmodel.bnxt.hsi.func import HwrmFuncQcapsInput, HwrmFuncQcapsOutput
from devmodel.bnxt.hsi.header import (
    SHORT_SIGNATURE,
    Err,
    HwrmErrOutput,
    HwrmInput,
    HwrmOutput,
    HwrmShortInput,
)
from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hsi.ring import CmplType, HwrmCmpl
from devmodel.bnxt.hsi.ring_alloc import HwrmRingFreeInput, RingType
from devmodel.bnxt.hsi.ver import HwrmVerGetInput, HwrmVerGetOutput
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.clock import Timing
from devmodel.dma import Who
from tests.unit.devmodel.bnxt.cardhost import READ_ONLY, UNMAPPED, CardHost


@pytest.fixture
def host() -> CardHost:
    return CardHost()


def test_long_form(host: CardHost) -> None:
    request = HwrmVerGetInput(cmpl_ring=0xFFFF, seq_id=7, resp_addr=host.response_at)
    host.write_window(request.pack().ljust(128, b"\0"))
    host.trigger()
    out = HwrmVerGetOutput.unpack(host.peek(host.response_at, HwrmVerGetOutput.SIZE))
    assert (out.error_code, out.req_type, out.seq_id) == (0, Cmd.VER_GET, 7)
    assert out.resp_len == HwrmVerGetOutput.SIZE
    assert out.valid == 1
    assert (out.chip_num, out.hwrm_intf_maj_8b, out.hwrm_intf_min_8b) == (0x1750, 1, 10)
    assert out.max_req_timeout <= 60
    assert out.def_req_timeout == 25
    assert host.trace.counters["hwrm_long_form"] == 1
    assert not host.rules


def test_more_time_is_told_where_time_is_real() -> None:
    out = CardHost(timing=Timing.ASYNCHRONOUS).call(HwrmVerGetInput())
    assert out.def_req_timeout == 1000


def test_short_form(host: CardHost) -> None:
    out = host.call(HwrmFuncQcapsInput(fid=0xFFFF))
    assert out.mac_address == bytes.fromhex("00101820aa01")
    assert out.max_rx_rings >= 16
    assert host.trace.counters["hwrm_long_form"] == 0
    assert not host.rules


def test_header_is_written_after_the_body_and_once(
    host: CardHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[str, int, int]] = []
    dma = host.card.dma

    def record(name: str) -> None:
        done = getattr(dma, name)

        def recording(iova: int, data: bytes, who: Who) -> None:
            order.append((name, iova, len(data)))
            done(iova, data, who)

        monkeypatch.setattr(dma, name, recording)

    record("write")
    record("store")
    host.call(HwrmFuncQcapsInput(fid=0xFFFF))
    size = HwrmFuncQcapsOutput.SIZE
    at = host.response_at
    assert order == [("write", at + 8, size - 8), ("store", at, 8)]


def test_a_request_shorter_than_its_structure_reads_as_zero_padded(host: CardHost) -> None:
    request = HwrmVerGetInput(Cmd.VER_GET, 0xFFFF, 3, 0xFFFF, host.response_at)
    host.send_short(request.pack()[:16])
    out = HwrmVerGetOutput.unpack(host.peek(host.response_at, HwrmVerGetOutput.SIZE))
    assert (out.seq_id, out.error_code, out.valid) == (3, 0, 1)


@pytest.mark.parametrize("size", [0, 1, 15])
def test_a_request_without_header_has_no_answer(host: CardHost, size: int) -> None:
    host.send_short(bytes(size), size=size)
    assert host.peek(host.response_at, 16) == bytes(16)
    assert host.rules == {"hwrm_request_length"}


@pytest.mark.parametrize("size", [513, 0xFFFF])
def test_an_oversized_request_is_refused(host: CardHost, size: int) -> None:
    request = HwrmVerGetInput(Cmd.VER_GET, 0xFFFF, 3, 0xFFFF, host.response_at)
    host.send_short(request.pack(), size=size)
    out = HwrmErrOutput.unpack(host.peek(host.response_at, HwrmErrOutput.SIZE))
    assert (out.error_code, out.seq_id, out.valid) == (Err.INVALID_PARAMS, 3, 1)
    assert host.rules == {"hwrm_request_length"}


def test_request_outside_mapped_memory(host: CardHost) -> None:
    host.send_short(HwrmVerGetInput().pack(), address=UNMAPPED)
    assert host.rules == {"hwrm_request_address"}
    host.call(HwrmVerGetInput())


LAST_FREE, ALIGNED, USUAL = 0, 0xFF46_6DED_E000_0000, 0xFF46_6DED_FFFF_E000
"""What a free block begins with: where the next is, where a request has its type."""


def ring_for_freed_memory(host: CardHost, next_block: int) -> bytes:
    """The driver has rung for VER_GET and freed it; what the block holds once the card has come."""
    size = HwrmVerGetInput.SIZE
    host.poke(host.request_at, struct.pack("<QQ", next_block, host.request_at).ljust(size, b"\0"))
    host.write_window(HwrmShortInput(Cmd.VER_GET, SHORT_SIGNATURE, 0, size, host.request_at).pack())
    host.trigger()
    return host.peek(host.request_at, 16)


@pytest.mark.parametrize("next_block", [LAST_FREE, ALIGNED, USUAL])
def test_a_late_card_leaves_a_free_list_alone(next_block: int) -> None:
    """It wrote an answer there, and the guest died at its next request."""
    host = CardHost(timing=Timing.ASYNCHRONOUS)
    there = ring_for_freed_memory(host, next_block)
    assert there == struct.pack("<QQ", next_block, host.request_at)
    assert not host.rules
    assert host.trace.counters["late_requests"] == 1
    host.call(HwrmVerGetInput())


def test_a_card_that_is_never_late_answers_what_is_there(host: CardHost) -> None:
    """In simulated time the driver is wrong, and is told so."""
    there = ring_for_freed_memory(host, USUAL)
    assert there != struct.pack("<QQ", USUAL, host.request_at)
    assert "hwrm_request_type" in host.rules
    assert host.trace.counters["late_requests"] == 0


@pytest.mark.parametrize("address", [UNMAPPED, READ_ONLY, 0xFFFF_FFFF_FFFF_FFF8])
def test_response_address_that_cannot_be_written(host: CardHost, address: int) -> None:
    host.submit(HwrmVerGetInput(resp_addr=address))
    assert host.rules == {"hwrm_response_address"}
    host.call(HwrmVerGetInput())


def test_unknown_command_is_refused_and_counted(host: CardHost) -> None:
    assert host.error(HwrmInput(), cmd=0x7777) == Err.CMD_NOT_SUPPORTED
    assert dict(host.trace.unknown_commands) == {0x7777: 1}
    assert not host.rules
    assert command_name(0x7777) == "0x7777"


def test_refused_commands_are_known(host: CardHost) -> None:
    for cmd in sorted(REFUSED):
        assert host.error(HwrmInput(), cmd=cmd) == Err.CMD_NOT_SUPPORTED
    assert not host.trace.unknown_commands
    assert not REFUSED & COMMANDS.keys()
    assert REFUSED_AS_REAL < REFUSED


def test_refused_commands_are_counted_by_reason(host: CardHost) -> None:
    for cmd in sorted(REFUSED):
        host.error(HwrmInput(), cmd=cmd)
    host.error(HwrmInput(), cmd=Cmd.RING_RESET)
    told = host.trace.commands_not_carried_out()
    assert told["unknown_commands"] == {}
    assert told["refused_commands"] == {
        cmd.name: 1 + (cmd is Cmd.RING_RESET) for cmd in REFUSED_AS_REAL
    }
    assert told["missing_commands"] == {cmd.name: 1 for cmd in REFUSED - REFUSED_AS_REAL}


@pytest.mark.parametrize("cmd", [Cmd.RING_GRP_ALLOC, Cmd.RING_GRP_FREE, Cmd.RING_RESET])
def test_commands_of_older_chips_are_refused(host: CardHost, cmd: Cmd) -> None:
    assert host.error(HwrmInput(), cmd=cmd) == Err.CMD_NOT_SUPPORTED
    assert dict(host.trace.refused_commands) == {cmd.name: 1}
    assert not host.rules


def test_a_handler_that_does_not_support_a_request_refuses_as_the_real_card(
    host: CardHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fw: Firmware, request: HwrmInput) -> HwrmOutput:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)

    monkeypatch.setitem(COMMANDS, Cmd.VER_GET, Command(HwrmVerGetInput, refuse))
    assert host.error(HwrmVerGetInput()) == Err.CMD_NOT_SUPPORTED
    assert dict(host.trace.refused_commands) == {"VER_GET": 1}


@pytest.mark.parametrize("cmd", sorted(COMMANDS))
def test_no_request_of_zeros_or_ones_breaks_the_channel(host: CardHost, cmd: int) -> None:
    size = COMMANDS[cmd].request.SIZE
    for fill in (b"\0", b"\xff"):
        body = bytearray(fill * size)
        struct.pack_into("<HHHHQ", body, 0, cmd, 0xFFFF, 9, 0xFFFF, host.response_at)
        host.poke(host.response_at, bytes(16))
        host.send_short(bytes(body))
        header = HwrmOutput.unpack(host.peek(host.response_at, 8))
        assert (header.req_type, header.seq_id) == (cmd, 9)
        assert host.peek(host.response_at + header.resp_len - 1, 1) == b"\1"


def test_completion_on_the_ring_that_was_named(host: CardHost) -> None:
    host.reserve()
    queue = host.open_queue(vector=3)
    host.call(HwrmRingFreeInput(ring_type=RingType.TX, ring_id=queue.tx), cmpl_ring=queue.tx_cq)
    memory = host.card.resources.cmpl_rings[queue.tx_cq].memory
    done = HwrmCmpl.unpack(memory.read_entry(0))
    assert (done.type, done.v) == (CmplType.HWRM_DONE, 1)
    assert done.sequence_id == host._seq
    assert host.interrupts == [3]
    assert not host.rules


def test_completion_on_an_unknown_ring(host: CardHost) -> None:
    host.call(HwrmVerGetInput(), cmpl_ring=77)
    assert host.rules == {"hwrm_cmpl_ring"}


def test_window_overrun_is_recorded(host: CardHost) -> None:
    host.card.mmio_write(0, 0x80, b"\xff\xff\xff\xff")
    assert host.rules == {"hwrm_window_overrun"}


def test_responses_are_traced() -> None:
    lines: list[str] = []

    class Sink:
        def write(self, text: str) -> None:
            lines.append(text)

    host = CardHost()
    host.trace._sink = Sink()
    host.call(HwrmFuncQcapsInput(fid=0xFFFF))
    assert '"cmd": "FUNC_QCAPS"' in lines[-1]
    assert '"req": {"fid": 65535}' in lines[-1]
    assert '"error": "SUCCESS"' in lines[-1]


def test_doorbell_null_is_ignored(host: CardHost) -> None:
    host.doorbell(DbType.NULL, 5)
    assert not host.rules
