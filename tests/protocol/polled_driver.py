# SPDX-License-Identifier: GPL-2.0-only
"""A small polled driver of our own: what boot code asks of a BCM57508, over vfio-user.

One ring of each kind, no interrupt, no context memory, statistics by query. What is asked, in which
order and with which sizes was read in the sources of iPXE's driver (github.com/ipxe/ipxe,
src/drivers/net/bnxt) and DPDK's. The offsets are written out here a second time, so that a wrong
declaration of the card cannot agree with itself.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field

from tests.protocol.client import Client

IOVA = 0x1_0000_0000
REGISTERS, DOORBELLS = 0, 2
WINDOW_BYTES, TRIGGER, DOORBELL = 128, 0x100, 0x10000
SHORT_SIGNATURE, NONE = 0x4321, 0xFFFF

VER_GET, FUNC_RESET, FUNC_QCAPS, FUNC_QCFG, FUNC_CFG = 0x00, 0x11, 0x15, 0x16, 0x17
FUNC_QSTATS, DRV_UNRGTR, DRV_RGTR, PHY_QCAPS, PHY_QCFG = 0x18, 0x1A, 0x1D, 0x2A, 0x27
PORT_MAC_CFG, QPORTCFG, VNIC_ALLOC, VNIC_FREE, VNIC_CFG = 0x21, 0x30, 0x40, 0x41, 0x42
RING_ALLOC, RING_FREE, L2_FILTER_ALLOC, L2_FILTER_FREE, SET_RX_MASK = 0x50, 0x51, 0x90, 0x91, 0x93
STAT_CTX_ALLOC, STAT_CTX_FREE, STAT_CTX_QUERY = 0xB0, 0xB1, 0xB2
RESOURCE_QCAPS, BACKING_STORE_CFG, BACKING_STORE_QCFG = 0x190, 0x193, 0x194
CQ_RING, TX_RING, RX_RING, NQ_RING = 0, 1, 2, 5
SQ, SRQ, CQ, NQ_ARM = 0, 2, 4, 11
INT_MODE_POLL, PAGE_OF_256, PAGE_OF_4K = 3, 8, 12
TX_ENTRIES, RX_ENTRIES, CQ_ENTRIES, NQ_ENTRIES = 64, 16, 128, 64
BUFFER_BYTES = 1536
TX_L2, RX_L2 = 0, 17
REQUEST_AT, RESPONSE_AT = 0x1100, 0x2100
RINGS_AT = {"nq": 0x4000, "cq": 0x5100, "tx": 0x6100, "rx": 0x6900}
TX_BUFFER_AT, RX_BUFFERS_AT = 0x8002, 0x10002

Fields = dict[int, tuple[str, int]]
"""Offset in the request -> (format, value)."""


@dataclass
class PolledDriver:
    """The driver. ``memory_fd`` is the host's memory, mapped at IOVA."""

    client: Client
    memory_fd: int
    rings: dict[str, int] = field(default_factory=dict)
    produced: int = 0
    consumed: int = 0
    posted: int = 0
    stat_ctx: int = 0
    vnic: int = 0
    l2_filter: int = 0
    _seq: int = 0

    # -- requests -----------------------------------------------------------------------------
    def ask(
        self, code: int, size: int, fields: Fields | None = None, *, long: bool = False
    ) -> bytes:
        """Send a request of ``size`` bytes, poll for its answer, which must be a success."""
        self._seq += 1
        request = bytearray(size)
        struct.pack_into("<HHHHQ", request, 0, code, NONE, self._seq, NONE, IOVA + RESPONSE_AT)
        for offset, (kind, value) in (fields or {}).items():
            struct.pack_into(f"<{kind}", request, offset, value)
        self.poke(RESPONSE_AT, bytes(1024))
        if long:
            window = bytes(request).ljust(WINDOW_BYTES, b"\0")
        else:
            self.poke(REQUEST_AT, bytes(request))
            window = struct.pack("<HHHHQ", code, SHORT_SIGNATURE, 0, size, IOVA + REQUEST_AT)
        for at in range(0, len(window), 4):
            self.client.write(REGISTERS, at, window[at : at + 4])
        self.client.write_int(REGISTERS, TRIGGER, 1)
        error, kind_of, seq, length = struct.unpack("<HHHH", self.peek(RESPONSE_AT, 8))
        answer = self.peek(RESPONSE_AT, length)
        assert (kind_of, seq, answer[-1:]) == (code, self._seq, b"\1"), f"{code:#x}: no answer"
        assert error == 0, f"{code:#x}: error {error:#x}"
        return answer

    def peek(self, at: int, size: int) -> bytes:
        """Read memory."""
        return os.pread(self.memory_fd, size, at)

    def poke(self, at: int, data: bytes) -> None:
        """Write memory."""
        os.pwrite(self.memory_fd, data, at)

    def ring_doorbell(self, kind: int, ring: str, index: int) -> None:
        """One 64-bit write."""
        value = kind << 60 | 1 << 56 | self.rings[ring] << 32 | index
        self.client.write(DOORBELLS, DOORBELL, struct.pack("<Q", value))

    # -- up and down --------------------------------------------------------------------------
    def up_chip(self) -> None:
        """Versions, capabilities, registration; the card keeps its contexts itself."""
        self.ask(VER_GET, 24, long=True)
        self.ask(FUNC_RESET, 24)
        self.ask(FUNC_QCAPS, 24, {16: ("H", NONE)})
        self.ask(DRV_RGTR, 112, {20: ("I", 0x13), 72: ("I", 0xC5)})
        self.ask(BACKING_STORE_CFG, 336, {16: ("I", 1)})
        self.ask(BACKING_STORE_QCFG, 16)
        self.ask(RESOURCE_QCAPS, 24, {16: ("H", NONE)})
        self.ask(PHY_QCAPS, 24, long=True)
        self.ask(FUNC_QCFG, 24, {16: ("H", NONE)})
        self.ask(PORT_MAC_CFG, 56)
        one: Fields = dict.fromkeys((18, 34, 36, 38, 42, 44), ("H", 1))
        enables = 0x200000 | 0x8 | 0x10 | 0x20 | 0x80 | 0x100 | 0x20000
        self.ask(FUNC_CFG, 160, {16: ("H", NONE), 24: ("I", enables), 84: ("B", 1), **one})
        self.ask(PHY_QCFG, 24)

    def up_nic(self, mac: bytes, *, cq_table_at: int = 0) -> None:
        """Rings, a VNIC, buffers, a filter. ``cq_table_at``: the CQ behind a page table there."""
        answer = self.ask(STAT_CTX_ALLOC, 48)
        (self.stat_ctx,) = struct.unpack_from("<I", answer, 8)
        self.ask(QPORTCFG, 24)
        poll: Fields = {76: ("B", INT_MODE_POLL)}
        self._ring("nq", NQ_RING, NQ_ENTRIES, {**poll, 36: ("B", PAGE_OF_4K), 44: ("H", NONE)})
        nq = self.rings["nq"]
        cq: Fields = {**poll, 16: ("I", 0x80), 54: ("H", nq), 80: ("Q", nq)}
        if cq_table_at:
            self.poke(cq_table_at, struct.pack("<Q", IOVA + 0x5000 | 3))
            cq |= {36: ("B", PAGE_OF_4K), 37: ("B", 1), 24: ("Q", IOVA + cq_table_at)}
            RINGS_AT["cq"] = 0x5000
        self._ring("cq", CQ_RING, CQ_ENTRIES, cq)
        shared: Fields = {**poll, 46: ("H", self.rings["cq"]), 64: ("I", self.stat_ctx)}
        self._ring("tx", TX_RING, TX_ENTRIES, shared)
        rx: Fields = {**shared, 16: ("I", 0x100), 50: ("H", BUFFER_BYTES)}
        self._ring("rx", RX_RING, RX_ENTRIES, rx)
        (self.vnic,) = struct.unpack_from("<I", self.ask(VNIC_ALLOC, 24, {16: ("I", 1)}), 8)
        for _ in range(RX_ENTRIES // 2):
            self.post()
        self.ask(FUNC_CFG, 160, {16: ("H", NONE), 24: ("I", 0x4000), 80: ("H", nq)})
        self.ask(VNIC_CFG, 48, {
            20: ("I", 0x70), 24: ("H", self.vnic), 34: ("H", BUFFER_BYTES),
            36: ("H", self.rings["rx"]), 38: ("H", self.rings["cq"]),
        })  # fmt: skip
        address = {24 + i: ("B", byte) for i, byte in enumerate(mac)}
        mask = {32 + i: ("B", 0xFF) for i in range(6)}
        answer = self.ask(L2_FILTER_ALLOC, 96, {
            16: ("I", 1), 20: ("I", 0x8003), 78: ("H", self.vnic), **address, **mask,
        })  # fmt: skip
        (self.l2_filter,) = struct.unpack_from("<Q", answer, 8)
        self.ask(SET_RX_MASK, 56, {16: ("I", self.vnic), 20: ("I", 0x8)})

    def down(self) -> None:
        """Everything given back, in the order of iPXE."""
        self.ask(L2_FILTER_FREE, 24, {16: ("Q", self.l2_filter)})
        self.ask(SET_RX_MASK, 56, {16: ("I", self.vnic)})
        self.ask(VNIC_FREE, 24, {16: ("I", self.vnic)})
        for name, kind in (("rx", RX_RING), ("tx", TX_RING)):
            self._free(name, kind)
        self.ask(STAT_CTX_FREE, 24, {16: ("I", self.stat_ctx)})
        for name, kind in (("cq", CQ_RING), ("nq", NQ_RING)):
            self._free(name, kind)
        self.ask(DRV_UNRGTR, 24)

    def _ring(self, name: str, kind: int, entries: int, fields: Fields) -> None:
        at: Fields = {24: ("Q", IOVA + RINGS_AT[name]), 36: ("B", PAGE_OF_256)}
        answer = self.ask(RING_ALLOC, 96, {20: ("B", kind), 40: ("I", entries), **at, **fields})
        (self.rings[name],) = struct.unpack_from("<H", answer, 8)

    def _free(self, name: str, kind: int) -> None:
        self.ask(RING_FREE, 24, {16: ("B", kind), 18: ("H", self.rings[name])})

    # -- traffic ------------------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        """One short descriptor, and poll for its completion."""
        self.poke(TX_BUFFER_AT, frame)
        slot = self.produced % TX_ENTRIES
        flags = 1 << 6 | 1 << 8 | 1 << 15 | len(frame) << 16
        entry = struct.pack("<IIQ", flags, slot, IOVA + TX_BUFFER_AT)
        self.poke(RINGS_AT["tx"] + slot * 16, entry)
        self.produced += 1
        self.ring_doorbell(SQ, "tx", self.produced % TX_ENTRIES)
        kind, _, opaque = self._next()
        assert (kind, opaque) == (TX_L2, slot)

    def post(self) -> None:
        """One receive buffer, not aligned to a word."""
        slot = self.posted % RX_ENTRIES
        address = IOVA + RX_BUFFERS_AT + slot * 2048
        entry = struct.pack("<IIQ", 4 | BUFFER_BYTES << 16, slot, address)
        self.poke(RINGS_AT["rx"] + slot * 16, entry)
        self.posted += 1
        self.ring_doorbell(SRQ, "rx", self.posted % RX_ENTRIES)

    def receive(self) -> bytes:
        """Poll for a packet; its buffer is posted again."""
        kind, length, opaque = self._next()
        assert kind == RX_L2
        flags, valid = struct.unpack_from("<II", self._entry(self.consumed), 0)[0], self._is_new()
        assert valid, f"second half of a completion is not there: {flags:#x}"
        self._take()
        frame = self.peek(RX_BUFFERS_AT + opaque * 2048, length)
        self.post()
        return frame

    def _entry(self, index: int) -> bytes:
        return self.peek(RINGS_AT["cq"] + index % CQ_ENTRIES * 16, 16)

    def _is_new(self) -> bool:
        return self._entry(self.consumed)[8] & 1 == 1 - self.consumed // CQ_ENTRIES % 2

    def _next(self) -> tuple[int, int, int]:
        """(type, length, opaque) of the next completion."""
        assert self._is_new(), f"no completion at {self.consumed}"
        flags, opaque = struct.unpack_from("<II", self._entry(self.consumed))
        self._take()
        return flags & 0x3F, flags >> 16, opaque

    def _take(self) -> None:
        self.consumed += 1
        self.ring_doorbell(CQ, "cq", self.consumed % CQ_ENTRIES)
