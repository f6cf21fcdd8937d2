# SPDX-License-Identifier: GPL-2.0-only
"""Virtual functions: what they get, and what the driver of the physical one says to their requests.

Only a physical function that has virtual ones is answered; FUNC_VF_CFG is of a virtual one.
"""

from __future__ import annotations

import struct

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err, HwrmInput
from devmodel.bnxt.hsi.ring import AsyncEvent, HwrmAsyncEventCmpl
from devmodel.bnxt.hsi.vf import (
    FuncVfCfgEnables,
    FuncVfCfgFlags,
    HwrmExecFwdRespInput,
    HwrmExecFwdRespOutput,
    HwrmFuncBufRgtrInput,
    HwrmFuncBufRgtrOutput,
    HwrmFuncVfCfgInput,
    HwrmFuncVfCfgOutput,
    HwrmFuncVfRescFreeInput,
    HwrmFuncVfRescFreeOutput,
    HwrmFuncVfResourceCfgInput,
    HwrmFuncVfResourceCfgOutput,
    HwrmFwdAsyncEventCmplInput,
    HwrmFwdAsyncEventCmplOutput,
    HwrmFwdRespInput,
    HwrmFwdRespOutput,
    HwrmRejectFwdRespInput,
    HwrmRejectFwdRespOutput,
)
from devmodel.bnxt.iov import REQUEST_MEMORY, SHARED, Iov, RequestBuffers, VirtualFunction
from devmodel.bnxt.resources import INVALID_ID

COMMANDS = CommandTable()
_ANY_TEST = sum(FuncVfCfgFlags)
_ASSETS = (
    (FuncVfCfgEnables.NUM_RSSCOS_CTXS, "num_rsscos_ctxs", "rsscos_ctx"),
    (FuncVfCfgEnables.NUM_CMPL_RINGS, "num_cmpl_rings", "cmpl_rings"),
    (FuncVfCfgEnables.NUM_TX_RINGS, "num_tx_rings", "tx_rings"),
    (FuncVfCfgEnables.NUM_RX_RINGS, "num_rx_rings", "rx_rings"),
    (FuncVfCfgEnables.NUM_L2_CTXS, "num_l2_ctxs", "l2_ctxs"),
    (FuncVfCfgEnables.NUM_VNICS, "num_vnics", "vnics"),
    (FuncVfCfgEnables.NUM_STAT_CTXS, "num_stat_ctxs", "stat_ctx"),
    (FuncVfCfgEnables.NUM_HW_RING_GRPS, "num_hw_ring_grps", "hw_ring_grps"),
)
_MIN_REQUEST_BYTES = 16
_PAGE_EXPONENTS = range(12, 31)


def _iov(fw: Firmware) -> Iov[Firmware]:
    if fw.iov is None:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)
    return fw.iov


def _function(fw: Firmware, fid: int) -> VirtualFunction[Firmware]:
    vf = _iov(fw).get(fid)
    if vf is None:
        raise fw.refuse("hwrm_unknown_function", Err.RESOURCE_ACCESS_DENIED, fid=fid)
    return vf


@COMMANDS.handles(Cmd.FUNC_VF_CFG, HwrmFuncVfCfgInput)
def func_vf_cfg(fw: Firmware, req: HwrmFuncVfCfgInput) -> HwrmFuncVfCfgOutput:
    """A virtual function reserves of what it was granted, or tests whether that would do."""
    if fw.member_of is None:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)
    limits = fw.identity.limits
    wanted = {
        name: getattr(req, member) for enable, member, name in _ASSETS if req.enables & enable
    }
    if any(count > getattr(limits, name) for name, count in wanted.items()):
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    if req.flags & _ANY_TEST:
        return HwrmFuncVfCfgOutput()
    if req.enables & FuncVfCfgEnables.DFLT_MAC_ADDR:
        fw.member_of.check_address(fw, req.dflt_mac_addr)
        fw.mac = req.dflt_mac_addr
    for name, count in wanted.items():
        setattr(fw.reservation, name, count)
    fw.reservation.msix = limits.msix
    if req.enables & FuncVfCfgEnables.ASYNC_EVENT_CR:
        fw.name_async_nq(None if req.async_event_cr == INVALID_ID else req.async_event_cr)
    return HwrmFuncVfCfgOutput()


@COMMANDS.handles(Cmd.FUNC_VF_RESOURCE_CFG, HwrmFuncVfResourceCfgInput)
def func_vf_resource_cfg(
    fw: Firmware, req: HwrmFuncVfResourceCfgInput
) -> HwrmFuncVfResourceCfgOutput:
    """A virtual function gets so much at most, and so much for sure."""
    vf = _function(fw, req.vf_id)
    most = {name: getattr(req, f"max_{name}") for name in SHARED}
    least = {name: getattr(req, f"min_{name}") for name in SHARED}
    if any(least[name] > most[name] for name in SHARED):
        raise HwrmError(Err.INVALID_PARAMS)
    least["msix"] = most["msix"]
    if not _iov(fw).grant(vf, most, least):
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    kept = {f"reserved_{name}": least[name] for name in SHARED if name != "msix"}
    return HwrmFuncVfResourceCfgOutput(**kept)


@COMMANDS.handles(Cmd.FUNC_VF_RESC_FREE, HwrmFuncVfRescFreeInput)
def func_vf_resc_free(fw: Firmware, req: HwrmFuncVfRescFreeInput) -> HwrmFuncVfRescFreeOutput:
    """What a virtual function was granted is the physical one's again."""
    _iov(fw).take_back(_function(fw, req.vf_id))
    return HwrmFuncVfRescFreeOutput()


@COMMANDS.handles(Cmd.FUNC_BUF_RGTR, HwrmFuncBufRgtrInput)
def func_buf_rgtr(fw: Firmware, req: HwrmFuncBufRgtrInput) -> HwrmFuncBufRgtrOutput:
    """Memory for requests of virtual functions."""
    iov = _iov(fw)
    pages = [getattr(req, f"req_buf_page_addr{i}") for i in range(10)]
    if (
        not 0 < req.req_buf_num_pages <= len(pages)
        or req.req_buf_page_size not in _PAGE_EXPONENTS
        or not _MIN_REQUEST_BYTES <= req.req_buf_len <= 1 << req.req_buf_page_size
    ):
        raise fw.refuse(
            "vf_request_buffer",
            pages=req.req_buf_num_pages,
            page_size=req.req_buf_page_size,
            length=req.req_buf_len,
        )
    page_bytes = 1 << req.req_buf_page_size
    given = tuple(pages[: req.req_buf_num_pages])
    iov.buffers = RequestBuffers(given, page_bytes, req.req_buf_len)
    fw.ledger.memory_returned(REQUEST_MEMORY)
    fw.ledger.memory_given(REQUEST_MEMORY, iov.buffers.ranges(iov.count))
    return HwrmFuncBufRgtrOutput()


def _waiting(fw: Firmware, fid: int, encapsulated: bytes | None) -> VirtualFunction[Firmware]:
    """A virtual function with a request that waits, and it is the one that came back."""
    vf = _function(fw, fid)
    waiting = vf.mailbox.waiting
    if waiting is None:
        raise fw.refuse("vf_no_request", fid=fid)
    if encapsulated is not None:
        sent, given = HwrmInput.unpack(waiting), HwrmInput.unpack(encapsulated)
        if sent != given:
            raise fw.refuse("vf_other_request", fid=fid, sent=sent.req_type, given=given.req_type)
    return vf


def _bytes(words: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


@COMMANDS.handles(Cmd.EXEC_FWD_RESP, HwrmExecFwdRespInput)
def exec_fwd_resp(fw: Firmware, req: HwrmExecFwdRespInput) -> HwrmExecFwdRespOutput:
    """The request of a virtual function is carried out, as it came back."""
    request = _bytes(req.encap_request)
    vf = _waiting(fw, req.encap_resp_target_id, request)
    waiting = vf.mailbox.waiting or b""
    vf.mailbox.approved(request + waiting[len(request) :])
    return HwrmExecFwdRespOutput()


@COMMANDS.handles(Cmd.REJECT_FWD_RESP, HwrmRejectFwdRespInput)
def reject_fwd_resp(fw: Firmware, req: HwrmRejectFwdRespInput) -> HwrmRejectFwdRespOutput:
    """It is refused."""
    _waiting(fw, req.encap_resp_target_id, _bytes(req.encap_request)).mailbox.rejected()
    return HwrmRejectFwdRespOutput()


@COMMANDS.handles(Cmd.FWD_RESP, HwrmFwdRespInput)
def fwd_resp(fw: Firmware, req: HwrmFwdRespInput) -> HwrmFwdRespOutput:
    """It is answered with what the driver of the physical function says."""
    vf = _waiting(fw, req.encap_resp_target_id, None)
    response = _bytes(req.encap_resp)[: req.encap_resp_len]
    if HwrmInput.unpack(vf.mailbox.waiting or b"").resp_addr != req.encap_resp_addr:
        raise fw.refuse("vf_response_address", fid=vf.fid, address=req.encap_resp_addr)
    if len(response) < _MIN_REQUEST_BYTES:
        raise fw.refuse("vf_response_length", fid=vf.fid, length=req.encap_resp_len)
    vf.mailbox.answered(response)
    return HwrmFwdRespOutput()


@COMMANDS.handles(Cmd.FWD_ASYNC_EVENT_CMPL, HwrmFwdAsyncEventCmplInput)
def fwd_async_event_cmpl(
    fw: Firmware, req: HwrmFwdAsyncEventCmplInput
) -> HwrmFwdAsyncEventCmplOutput:
    """An event for one virtual function, or for all of them."""
    iov = _iov(fw)
    event = HwrmAsyncEventCmpl.unpack(_bytes(req.encap_async_event_cmpl))
    if event.event_id not in set(AsyncEvent):
        raise fw.refuse("vf_unknown_event", event=event.event_id)
    fid = req.encap_async_event_target_id
    for vf in iov if fid == INVALID_ID else [_function(fw, fid)]:
        vf.firmware.post_event(
            AsyncEvent(event.event_id), data1=event.event_data1, data2=event.event_data2
        )
    return HwrmFwdAsyncEventCmplOutput()
