# SPDX-License-Identifier: GPL-2.0-only
"""Requests of virtual functions that the driver of the physical one decides."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncDrvRgtrEnables,
    HwrmFuncCfgInput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncDrvUnrgtrInput,
    HwrmFuncQcapsInput,
)
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput, HwrmOutput
from devmodel.bnxt.hsi.vf import (
    FuncVfCfgEnables,
    HwrmExecFwdRespInput,
    HwrmFuncBufRgtrInput,
    HwrmFuncVfCfgInput,
    HwrmFwdReqCmpl,
    HwrmFwdRespInput,
    HwrmRejectFwdRespInput,
)
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import BASE, UNMAPPED
from tests.unit.devmodel.bnxt.sriov_bench import (
    FIRST,
    Family,
    mac,
)

FORWARDED = (Cmd.FUNC_VF_CFG, Cmd.CFA_L2_FILTER_ALLOC, Cmd.PORT_PHY_QCFG)


class Judged(Family):
    """Requests of virtual functions go to the physical one's driver."""

    def __init__(self) -> None:
        super().__init__()
        words = [0] * 8
        for cmd in FORWARDED:
            words[cmd // 32] |= 1 << cmd % 32
        self.pf.reserve()
        self.queue = self.pf.open_queue()
        enables = FuncDrvRgtrEnables.VF_REQ_FWD
        self.pf.call(HwrmFuncDrvRgtrInput(enables=enables, vf_req_fwd=tuple(words)))
        self.pf.call(
            HwrmFuncCfgInput(
                fid=0xFFFF,
                enables=FuncCfgEnables.ASYNC_EVENT_CR,
                async_event_cr=self.queue.nq,
            )
        )
        self.buffer = self.pf.allocate(4096)
        self.pf.call(
            HwrmFuncBufRgtrInput(
                req_buf_num_pages=1, req_buf_page_size=12, req_buf_len=128,
                req_buf_page_addr0=self.buffer,
            )
        )  # fmt: skip
        self.enable()

    def note(self) -> HwrmFwdReqCmpl:
        """The last entry of the PF's NQ."""
        nq = self.card.resources.nqs[self.queue.nq]
        at = nq.memory.ranges()[0][0] + (nq.prod - 1) * 16
        return HwrmFwdReqCmpl.unpack(self.pf.peek(at, 16))

    def ask(self, index: int = 0) -> bytes:
        """A VF asks for an address; returns the request as the PF's driver finds it."""
        request = HwrmFuncVfCfgInput(
            enables=FuncVfCfgEnables.DFLT_MAC_ADDR, dflt_mac_addr=mac(index)
        )
        assert not self.vfs[index].submit(request), "it waits"
        note = self.note()
        assert (note.source_id, note.req_len) == (FIRST + index, len(request.pack()))
        place = note.req_buf_addr_v[0] & ~1 | note.req_buf_addr_v[1] << 32
        assert place == self.buffer + 128 * index
        return self.pf.peek(place, note.req_len)

    def answer(self, index: int = 0) -> HwrmErrOutput:
        """What the VF finds."""
        return HwrmErrOutput.unpack(self.vfs[index].peek(self.vfs[index].response_at, 16))


@pytest.fixture
def judged() -> Judged:
    return Judged()


def words(request: bytes) -> tuple[int, ...]:
    return struct.unpack("<26I", request.ljust(104, b"\0"))


def test_a_request_is_carried_out_when_it_was_approved(judged: Judged) -> None:
    request = judged.ask(1)
    judged.pf.call(HwrmExecFwdRespInput(encap_request=words(request), encap_resp_target_id=129))
    assert judged.answer(1).error_code == 0
    assert judged.answer(1).req_type == Cmd.FUNC_VF_CFG
    assert judged.card.functions[1].firmware.mac == mac(1)


def test_a_request_is_refused_when_it_was_rejected(judged: Judged) -> None:
    request = judged.ask()
    judged.pf.call(HwrmRejectFwdRespInput(encap_request=words(request), encap_resp_target_id=128))
    assert judged.answer().error_code == Err.RESOURCE_ACCESS_DENIED
    assert judged.card.functions[0].firmware.mac == bytes(6)


def test_a_request_is_answered_by_the_driver(judged: Judged) -> None:
    judged.ask()
    response = HwrmOutput(error_code=0, req_type=Cmd.FUNC_VF_CFG, seq_id=1, resp_len=16).pack()
    answer = (response + bytes(7) + b"\1").ljust(96, b"\0")
    fields = {"encap_resp": struct.unpack("<24I", answer), "encap_resp_target_id": 128}
    elsewhere = HwrmFwdRespInput(encap_resp_addr=BASE, encap_resp_len=16, **fields)
    assert judged.pf.error(elsewhere) == Err.INVALID_PARAMS
    place = judged.vfs[0].response_at
    short = HwrmFwdRespInput(encap_resp_addr=place, encap_resp_len=15, **fields)
    assert judged.pf.error(short) == Err.INVALID_PARAMS
    judged.pf.call(HwrmFwdRespInput(encap_resp_addr=place, encap_resp_len=16, **fields))
    assert judged.answer().resp_len == 16
    assert judged.pf.rules == {"vf_response_address", "vf_response_length"}


def test_only_the_request_that_waits_can_be_answered(judged: Judged) -> None:
    request = judged.ask()
    other = bytes([request[0], request[1], *request[2:8], *bytes(8)]) + request[16:]
    execute = HwrmExecFwdRespInput(encap_request=words(other), encap_resp_target_id=128)
    assert judged.pf.error(execute) == Err.INVALID_PARAMS
    execute = HwrmExecFwdRespInput(encap_request=words(request), encap_resp_target_id=130)
    assert judged.pf.error(execute) == Err.INVALID_PARAMS
    assert judged.pf.rules == {"vf_other_request", "vf_no_request"}
    busy = judged.vfs[0].error(HwrmFuncQcapsInput(fid=0xFFFF))
    assert busy == Err.BUSY
    assert "vf_request_while_waiting" in judged.pf.rules


def test_without_a_driver_nothing_is_judged(judged: Judged) -> None:
    judged.ask()
    judged.pf.call(HwrmFuncDrvUnrgtrInput())
    assert judged.answer().error_code == Err.RESOURCE_ACCESS_DENIED
    wanted = HwrmFuncVfCfgInput(enables=FuncVfCfgEnables.DFLT_MAC_ADDR, dflt_mac_addr=mac(0))
    assert judged.vfs[0].error(wanted) == Err.PF_UNAVAILABLE


def test_buffers_that_the_card_cannot_write(judged: Judged) -> None:
    assert judged.pf.error(HwrmFuncBufRgtrInput(req_buf_num_pages=11)) == Err.INVALID_PARAMS
    judged.pf.call(
        HwrmFuncBufRgtrInput(
            req_buf_num_pages=1, req_buf_page_size=12, req_buf_len=128, req_buf_page_addr0=UNMAPPED
        )
    )
    assert judged.vfs[0].error(HwrmFuncVfCfgInput()) == Err.PF_UNAVAILABLE
    assert "vf_request_buffer" in judged.pf.rules


def test_a_function_reset_forgets_who_waits(judged: Judged) -> None:
    request = judged.ask()
    judged.card.functions[0].reset(ResetKind.FLR)
    execute = HwrmExecFwdRespInput(encap_request=words(request), encap_resp_target_id=128)
    assert judged.pf.error(execute) == Err.INVALID_PARAMS
