# SPDX-License-Identifier: GPL-2.0-only
"""A whole card and the least of a host: memory, MSI-X, HWRM through the window, doorbells."""

from __future__ import annotations

import dataclasses
import struct
import sys
from collections.abc import Sequence
from typing import Any

from devmodel.bnxt.card import DOORBELL_BAR, REGISTER_BAR, BnxtCard
from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import FuncCfgEnables, HwrmFuncCfgInput
from devmodel.bnxt.hsi.header import HwrmErrOutput, HwrmInput, HwrmOutput, HwrmShortInput
from devmodel.bnxt.hsi.regs import (
    CHIMP_TRIGGER,
    CHIMP_WINDOW,
    DB_TYPE_SHIFT,
    DB_XID_SHIFT,
    DOORBELL_PF_OFFSET,
    DbType,
)
from devmodel.bnxt.hsi.ring_alloc import HwrmRingAllocInput, HwrmRingFreeInput, RingType
from devmodel.bnxt.hsi.stat import HwrmStatCtxAllocInput
from devmodel.bnxt.hsi.vnic import (
    HwrmVnicAllocInput,
    HwrmVnicCfgInput,
    HwrmVnicUpdateInput,
    VnicCfgEnables,
    VnicUpdateEnables,
)
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.nvm.media import Medium
from devmodel.bnxt.resources import IdPolicy
from devmodel.bnxt.sriov import PfCard
from devmodel.clock import Clock, Timing
from devmodel.dma import Access, Mapping
from devmodel.faults.engine import FaultEngine
from devmodel.faults.plan import parse_plan
from devmodel.net.port import ScriptedWire
from devmodel.trace import Trace

BASE = 0x2_0000_0000
MEMORY_BYTES = 8 << 20
READ_ONLY = BASE + MEMORY_BYTES
UNMAPPED = 0x7_0000_0000


def arm(engine: FaultEngine, where: str, what: dict[str, Any], **more: Any) -> None:
    """Arm a plan of one fault, ``a``; ``match`` stands for a condition of this only."""
    if "match" in more:
        more["when"] = {"match": more.pop("match")}
    fault = {"id": "a", "where": where, "what": what, **more}
    engine.arm(parse_plan({"version": 1, "fault": [fault]}, FAULTS))


def command_of(request: HwrmInput) -> Cmd:
    """The command whose structure this is: RING_ALLOC of struct hwrm_ring_alloc_input."""
    return Cmd[request.C_NAME.removeprefix("hwrm_").removesuffix("_input").upper()]


def output_of(request: HwrmInput) -> type[HwrmOutput]:
    """What answers it: the structure declared beside it, HwrmRingAllocOutput."""
    kind = type(request)
    name = kind.__name__.removesuffix("Input") + "Output"
    output: type[HwrmOutput] = getattr(sys.modules[kind.__module__], name)
    return output


class CardHost:
    """Plays the transport and the driver.

    :param card: one that is there, instead of a new one; ``wire`` is then nobody's.
    :ivar doorbell_offset: where its doorbells are.
    :ivar interrupts: MSI-X vectors raised, in order.
    """

    keeps_msix_table = True

    def __init__(
        self,
        nic: Identity | None = None,
        *,
        timing: Timing = Timing.SYNCHRONOUS,
        medium: Medium | None = None,
        card: BnxtCard | None = None,
    ) -> None:
        self.memory = memoryview(bytearray(MEMORY_BYTES + 4096))
        self.wire = ScriptedWire()
        nic = nic or Identity()
        make = PfCard if nic.virtual_functions else BnxtCard
        self.card = card or make(
            nic=nic, id_policy=IdPolicy.REUSE,
            clock=Clock(1, timing), trace=Trace(), wire=self.wire, medium=medium,
        )  # fmt: skip
        self.trace = self.card.trace
        self.clock = self.card.clock
        self.doorbell_offset = DOORBELL_PF_OFFSET
        self.interrupts: list[int] = []
        self.card.attach(self)
        dma = self.card.dma
        both = Access.READ | Access.WRITE
        dma.map(Mapping(BASE, MEMORY_BYTES, both, self.memory, 0))
        dma.map(Mapping(READ_ONLY, 4096, Access.READ, self.memory, MEMORY_BYTES))
        self.card.config_write(0x04, struct.pack("<H", 0x6))
        self.card.config_write(0xA2, struct.pack("<H", 0x8000))
        self._next = 8192
        self._seq = 0
        self.request_at = BASE
        self.response_at = BASE + 4096

    def msix(self, vector: int) -> bool:
        """Transport side: deliver."""
        self.interrupts.append(vector)
        return True

    # -- memory -------------------------------------------------------------------------------
    def allocate(self, size: int) -> int:
        """Bus address of fresh zeroed memory, page aligned."""
        at = -(-self._next // 4096) * 4096
        self._next = at + size
        assert self._next <= MEMORY_BYTES
        return BASE + at

    def peek(self, address: int, size: int) -> bytes:
        """What the host reads."""
        return bytes(self.memory[address - BASE : address - BASE + size])

    def poke(self, address: int, data: bytes) -> None:
        """The host writes."""
        self.memory[address - BASE : address - BASE + len(data)] = data

    # -- HWRM ---------------------------------------------------------------------------------
    def write_window(self, data: bytes) -> None:
        """Copy a request to the window in 32-bit writes."""
        for at in range(0, len(data), 4):
            self.card.mmio_write(REGISTER_BAR, CHIMP_WINDOW + at, data[at : at + 4])

    def trigger(self) -> None:
        """Ring the mailbox."""
        self.card.mmio_write(REGISTER_BAR, CHIMP_TRIGGER, b"\1\0\0\0")

    def send_short(self, data: bytes, *, size: int | None = None, address: int = 0) -> None:
        """Send a request in short form, whatever it contains."""
        self.poke(self.request_at, data.ljust(1024, b"\0"))
        code = int.from_bytes(data[:2], "little")
        length = len(data) if size is None else size
        self.write_window(
            HwrmShortInput(code, 0x4321, 0, length, address or self.request_at).pack()
        )
        self.trigger()

    def submit(
        self, request: HwrmInput, *, cmd: int | None = None, cmpl_ring: int = 0xFFFF
    ) -> bytes:
        """Send a request in short form. Returns the response, empty if there was none.

        :param cmd: another command than the one its structure is for.
        """
        self._seq = (self._seq + 1) & 0xFFFF
        request.req_type = command_of(request) if cmd is None else cmd
        request.seq_id = self._seq
        request.target_id = 0xFFFF
        request.cmpl_ring = cmpl_ring
        request.resp_addr = request.resp_addr or self.response_at
        self.poke(self.response_at, bytes(4096))
        self.send_short(request.pack())
        return self.answer()

    def answer(self) -> bytes:
        """The response to the last request, empty if there is none yet."""
        header = HwrmOutput.unpack(self.peek(self.response_at, HwrmOutput.SIZE))
        return self.peek(self.response_at, header.resp_len)

    def call(self, request: HwrmInput, **how: Any) -> Any:
        """A request that must succeed. Returns the output structure of its command."""
        data = self.submit(request, **how)
        assert data, f"no answer: {self.trace.violations}"
        assert data[-1] == 1, "valid byte"
        output = output_of(request)
        out = output.unpack(data)
        assert out.error_code == 0, (out.error_code, self.trace.violations)
        command = command_of(request)
        assert (out.req_type, out.seq_id, out.resp_len) == (command, self._seq, output.SIZE)
        return out

    def error(self, request: HwrmInput, *, cmd: int | None = None) -> int:
        """A request that must be refused. Returns the error code."""
        out = HwrmErrOutput.unpack(self.submit(request, cmd=cmd))
        assert out.error_code != 0
        assert out.valid == 1
        return out.error_code

    # -- objects ------------------------------------------------------------------------------
    def reserve(self, **counts: int) -> None:
        """FUNC_CFG: enough of everything, or what is asked for."""
        rings = {"num_cmpl_rings": 16, "num_tx_rings": 8, "num_rx_rings": 16, "num_stat_ctxs": 8}
        others = {"num_msix": 8, "num_rsscos_ctxs": 16, "num_vnics": 4}
        wanted: dict[str, Any] = {**rings, **others, **counts}
        enables = sum(FuncCfgEnables[name.upper()] for name in wanted)
        self.call(HwrmFuncCfgInput(fid=0xFFFF, enables=enables, **wanted))

    def ring_request(self, ring_type: RingType, entries: int = 256, **more: Any) -> Any:
        """A RING_ALLOC request for contiguous memory."""
        return HwrmRingAllocInput(
            ring_type=ring_type, page_tbl_addr=self.allocate(entries * 16), length=entries,
            stat_ctx_id=more.pop("stat_ctx_id", 0xFFFFFFFF), int_mode=2, **more,
        )  # fmt: skip

    def ring(self, ring_type: RingType, entries: int = 256, **more: int) -> int:
        """A new ring's id."""
        request = self.ring_request(ring_type, entries, **more)
        return self.call(request).ring_id

    def stat_ctx(self, period_ms: int = 1000) -> tuple[int, int]:
        """(id, address of the block)."""
        address = self.allocate(168)
        out = self.call(
            HwrmStatCtxAllocInput(
                stats_dma_addr=address, stats_dma_length=168, update_period_ms=period_ms
            )
        )
        return out.stat_ctx_id, address

    def register(self, offset: int) -> int:
        """A 32-bit register."""
        (value,) = struct.unpack("<I", self.card.mmio_read(REGISTER_BAR, offset, 4))
        return int(value)

    def counter(self, address: int) -> int:
        """A 64-bit statistics counter in memory."""
        return int.from_bytes(self.peek(address, 8), "little")

    def arm(self, where: str, what: dict[str, Any], **more: Any) -> None:
        """Arm a plan of one fault."""
        arm(self.card.faults, where, what, **more)

    def open_queue(self, vector: int = 0) -> OpenQueue:
        """NQ, TX with its CQ, RX with its CQ and aggregation ring, in the driver's order."""
        stat, _ = self.stat_ctx()
        nq = self.ring(RingType.NQ, logical_id=vector)
        tx_cq = self.ring(RingType.L2_CMPL, nq_ring_id=nq, cq_handle=0x1000001)
        tx = self.ring(RingType.TX, cmpl_ring_id=tx_cq, stat_ctx_id=stat)
        rx = self.ring(RingType.RX, nq_ring_id=nq, stat_ctx_id=stat, rx_buf_size=640)
        rx_cq = self.ring(RingType.L2_CMPL, nq_ring_id=nq, cq_handle=0)
        agg = self.ring(
            RingType.RX_AGG, nq_ring_id=nq, rx_ring_id=rx, stat_ctx_id=stat, rx_buf_size=4096
        )
        self.doorbell(DbType.CQ_ARMALL, tx_cq)
        self.doorbell(DbType.CQ_ARMALL, rx_cq)
        self.doorbell(DbType.NQ_ARM, nq)
        return OpenQueue(nq, rx_cq, tx_cq, tx, rx, agg, stat)

    def free_ring(self, ring_type: RingType, ring_id: int) -> None:
        """RING_FREE."""
        self.call(HwrmRingFreeInput(ring_type=ring_type, ring_id=ring_id))

    def close_queue(self, queue: OpenQueue, *, leave_agg: bool = False) -> None:
        """RING_FREE of all rings in the driver's order; the aggregation ring may be forgotten."""
        self.free_ring(RingType.TX, queue.tx)
        self.free_ring(RingType.RX, queue.rx)
        if not leave_agg:
            self.free_ring(RingType.RX_AGG, queue.agg)
        self.free_ring(RingType.L2_CMPL, queue.tx_cq)
        self.free_ring(RingType.L2_CMPL, queue.rx_cq)
        self.free_ring(RingType.NQ, queue.nq)

    def vnic_of(self, queue: OpenQueue) -> int:
        """A VNIC with MRU 1518 and the queue as default."""
        vnic_id: int = self.call(HwrmVnicAllocInput(flags=1)).vnic_id
        self.set_default_ring(vnic_id, queue, mru=1518)
        return vnic_id

    def set_default_ring(self, vnic_id: int, queue: OpenQueue, **more: int) -> None:
        """VNIC_CFG."""
        enables = VnicCfgEnables.DEFAULT_RX_RING_ID | VnicCfgEnables.DEFAULT_CMPL_RING_ID
        rings = {"default_rx_ring_id": queue.rx, "default_cmpl_ring_id": queue.rx_cq}
        self.call(HwrmVnicCfgInput(vnic_id=vnic_id, enables=enables, **rings, **more))

    def set_mru(self, vnic_id: int, mru: int) -> None:
        """VNIC_UPDATE."""
        self.call(
            HwrmVnicUpdateInput(vnic_id=vnic_id, enables=VnicUpdateEnables.MRU_VALID, mru=mru)
        )

    def rss_table(self, pairs: Sequence[tuple[int, int]]) -> int:
        """Address of an indirection table of 64 (RX ring, completion ring), as many as it takes."""
        table = self.allocate(256)
        self.poke(table, b"".join(struct.pack("<HH", *pairs[i % len(pairs)]) for i in range(64)))
        return table

    def doorbell(self, kind: DbType | int, xid: int, index: int = 0) -> None:
        """One 64-bit doorbell write."""
        value = kind << DB_TYPE_SHIFT | 1 << 56 | xid << DB_XID_SHIFT | index
        self.card.mmio_write(DOORBELL_BAR, self.doorbell_offset, struct.pack("<Q", value))

    @property
    def rules(self) -> set[str]:
        """Rules broken so far."""
        return set(self.trace.violation_counts)


@dataclasses.dataclass
class OpenQueue:
    """Ids of one queue pair as the driver opens it."""

    nq: int
    rx_cq: int
    tx_cq: int
    tx: int
    rx: int
    agg: int
    stat: int
