# SPDX-License-Identifier: GPL-2.0-only
"""The HWRM channel: from the window and its trigger to the response in host memory.

A request comes whole in the window (long form) or as a pointer to host memory (short form).
Whatever the guest writes there, the channel answers, or records why it cannot.
"""

from __future__ import annotations

from functools import partial

from devmodel.bnxt.cmd import (
    backing_store,
    board,
    cfa,
    dbg,
    flow,
    func,
    fw,
    nvm,
    phy,
    port,
    ptp,
    queue,
    recovery,
    ring,
    stat,
    vf,
    vnic,
)
from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.faulty.hwrm import answer_faulty, execute_faulty
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import REFUSED, REFUSED_AS_REAL, command_name
from devmodel.bnxt.hsi.header import (
    NO_CMPL_RING,
    SHORT_SIGNATURE,
    Err,
    HwrmErrOutput,
    HwrmInput,
    HwrmOutput,
    HwrmShortInput,
)
from devmodel.bnxt.hsi.ring import HwrmCmpl
from devmodel.clock import Timer, Timing
from devmodel.dma import Who
from devmodel.errors import DmaFault

COMMANDS = CommandTable()
for _group in (
    func, backing_store, fw, recovery, nvm, dbg, phy, port, ptp, board, queue, vnic, ring,
    cfa, flow, stat, vf,
):  # fmt: skip
    COMMANDS.update(_group.COMMANDS)

_HEADER_BYTES = HwrmOutput.SIZE
HWRM = Who("hwrm")


def error_name(code: int) -> str:
    """Name of an error code, or the code in hexadecimal."""
    try:
        return Err(code).name
    except ValueError:
        return f"{code:#06x}"


def begins_short_request(word: bytes | memoryview) -> bool:
    """Whether the first four bytes of the window announce a request in host memory."""
    return len(word) == 4 and int.from_bytes(word, "little") >> 16 == SHORT_SIGNATURE


class HwrmChannel:
    """The ChiMP mailbox of the function. There is no KONG mailbox.

    :ivar requests: commands answered so far.
    """

    def __init__(self, firmware: Firmware) -> None:
        self.requests = 0
        self._wait: Timer | None = None
        self._fw = firmware
        self._faults = firmware.dma.faults
        self._window = bytearray(firmware.identity.max_req_win_len)

    def write_window(self, offset: int, data: bytes | memoryview) -> None:
        """The host writes part of a request; bytes outside the window are lost."""
        if offset + len(data) > len(self._window):
            self._fw.trace.violation("hwrm_window_overrun", offset=offset, length=len(data))
            data = data[: max(len(self._window) - offset, 0)]
        self._window[offset : offset + len(data)] = data

    def reset(self) -> None:
        """Function reset: the window is empty, and nothing waits."""
        self._stop_waiting()
        self._window[:] = bytes(len(self._window))

    @property
    def waits(self) -> bool:
        """Whether a command has not been answered yet, because the firmware waits in vain."""
        return self._wait is not None and self._wait.active

    def _stop_waiting(self) -> None:
        if self._wait is not None:
            self._wait.cancel()

    def trigger(self) -> None:
        """The host says that a request is complete. One that still waits is never answered."""
        self._stop_waiting()
        request = self._fetch()
        if request is None:
            pass
        elif self._faults.armed and "hwrm.request" in self._faults.points:
            execute_faulty(self._faults, self, request)
        else:
            self.execute(request)
        self._fw.ledger.answered()

    # -- request ------------------------------------------------------------------------------
    def _fetch(self) -> bytes | None:
        """The bytes of the request, or None if there is no way even to refuse it."""
        short = HwrmShortInput.unpack(self._window)
        if short.signature != SHORT_SIGNATURE:
            self._fw.trace.counters["hwrm_long_form"] += 1
            return bytes(self._window)
        if short.size < HwrmInput.SIZE:
            self._fw.trace.violation("hwrm_request_length", length=short.size)
            return None
        limit = self._fw.identity.max_ext_req_len
        length = min(short.size, limit)
        try:
            request = self._fw.dma.read(short.req_addr, length, HWRM)
        except DmaFault as fault:
            self._fw.trace.violation("hwrm_request_address", detail=str(fault))
            return None
        if short.size > limit:
            self._fw.trace.violation("hwrm_request_length", length=short.size)
            self._answer(HwrmInput.unpack(request), HwrmErrOutput(), Err.INVALID_PARAMS)
            return None
        header = HwrmInput.unpack(request)
        if self._was_given_up(short, header):
            self._fw.trace.counters["late_requests"] += 1
            self._fw.trace.emit(
                "late_request", cmd=command_name(short.req_type), found=header.req_type
            )
            return None
        if header.req_type != short.req_type:
            self._fw.trace.violation(
                "hwrm_request_type", short=short.req_type, long=header.req_type
            )
        return request

    def _was_given_up(self, short: HwrmShortInput, header: HwrmInput) -> bool:
        """Whether the memory that the window points to holds the request no more.

        A card in real time may be late: the driver, which waits 20 ms for a restarted firmware
        (SHORT_HWRM_CMD_TIMEOUT), has given the request up, and its memory is in a free list or of
        another request. An answer would go to whatever is there. A free block begins with the
        address of the next one, and has its own where a request has that of the answer (struct
        dma_block, mm/dmapool.c): the type alone would not tell, since VER_GET is 0.
        """
        if self._fw.clock.timing is not Timing.ASYNCHRONOUS:
            return False
        into_itself = short.req_addr <= header.resp_addr < short.req_addr + short.size
        return into_itself or header.req_type != short.req_type

    def decode(self, request: bytes) -> HwrmInput:
        """The request as the structure of its command, or its header if that is not known."""
        header = HwrmInput.unpack(request)
        command = COMMANDS.get(header.req_type)
        return header if command is None else command.request.unpack(request)

    def execute(self, request: bytes, *, refuse: int = 0, skip: bool = False) -> None:
        """Execute and answer; a fault may ``refuse`` with that code, or ``skip`` the execution."""
        code = HwrmInput.unpack(request).req_type
        command = COMMANDS.get(code)
        if refuse or skip:
            self._answer(self.decode(request), HwrmErrOutput(), refuse)
            return
        if command is None:
            self._count_refused(code)
            self._answer(HwrmInput.unpack(request), HwrmErrOutput(), Err.CMD_NOT_SUPPORTED)
            return
        decoded = command.request.unpack(request)
        try:
            output = command.handler(self._fw, decoded)
        except HwrmError as refused:
            if refused.code == Err.CMD_NOT_SUPPORTED:
                self._fw.trace.refused_commands[command_name(code)] += 1
            answer = HwrmErrOutput(cmd_err=refused.cmd_err)
            if refused.after_ns:
                refuse_it = partial(self._answer, decoded, answer, refused.code)
                self._stop_waiting()
                self._wait = self._fw.clock.call_later(refused.after_ns, refuse_it)
            else:
                self._answer(decoded, answer, refused.code)
        else:
            self._answer(decoded, output, Err.SUCCESS)

    def _count_refused(self, code: int) -> None:
        trace = self._fw.trace
        if code in REFUSED_AS_REAL:
            trace.refused_commands[command_name(code)] += 1
        elif code in REFUSED:
            trace.missing_commands[command_name(code)] += 1
        else:
            trace.unknown_commands[code] += 1

    # -- response -----------------------------------------------------------------------------
    def _answer(self, request: HwrmInput, output: HwrmOutput, error: int) -> None:
        """Every answer passes here: trace it, write it, complete it on the ring it names."""
        self.requests += 1
        output.error_code = error
        output.req_type = request.req_type
        output.seq_id = request.seq_id
        output.resp_len = output.SIZE
        self._trace(request, output, error)
        if self._faults.armed and "hwrm.answer" in self._faults.points:
            answer_faulty(self._faults, self, request, output)
        elif self.write_answer(request, output.pack()):
            self.complete(request, request.seq_id)

    def write_answer(self, request: HwrmInput, data: bytes) -> bool:
        """Store the response; False if there is no memory for it."""
        self._fw.ledger.allow(request.resp_addr, len(data))
        try:
            # The driver polls the header, so the body, with its valid byte, comes first. Once it
            # has seen the header, the memory may be the next response's.
            self._fw.dma.write(request.resp_addr + _HEADER_BYTES, data[_HEADER_BYTES:], HWRM)
            self._fw.dma.store(request.resp_addr, data[:_HEADER_BYTES], HWRM)
        except DmaFault as fault:
            self._fw.trace.violation("hwrm_response_address", detail=str(fault))
            return False
        return True

    def complete(self, request: HwrmInput, seq_id: int) -> None:
        """Post HWRM_DONE into the ring the request names, CQ or NQ, if it names one."""
        if request.cmpl_ring == NO_CMPL_RING:
            return
        done = HwrmCmpl(sequence_id=seq_id).pack()
        nq = self._fw.resources.nqs.get(request.cmpl_ring)
        cq = self._fw.resources.cmpl_rings.get(request.cmpl_ring)
        if nq is not None:  # bnxt_test_irq() asks for it there
            nq.post(done)
        elif cq is not None:
            cq.post(done)
            cq.notify()
        else:
            self._fw.trace.violation("hwrm_cmpl_ring", cmpl_ring=request.cmpl_ring)

    def _trace(self, request: HwrmInput, output: HwrmOutput, error: int) -> None:
        sent = request.nonzero()
        answered = output.nonzero()
        for key in ("req_type", "seq_id", "resp_addr", "target_id"):
            sent.pop(key, None)
        for key in ("req_type", "seq_id", "resp_len", "error_code", "valid"):
            answered.pop(key, None)
        if request.cmpl_ring == NO_CMPL_RING:
            del sent["cmpl_ring"]
        self._fw.trace.emit(
            "hwrm",
            cmd=command_name(request.req_type),
            seq=request.seq_id,
            req=sent,
            error=error_name(error),
            resp=answered,
        )
