# SPDX-License-Identifier: GPL-2.0-only
"""A toy PCI function for the transport's tests: registers, a DMA engine, interrupts."""

from __future__ import annotations

from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.pci.caps import PciIdentity, eui64, vpd_image
from devmodel.pci.function import Function, ResetKind
from devmodel.trace import Trace

MAGIC = 0x0BAD_CAFE
REG_MAGIC = 0x00
REG_SCRATCH = 0x08
REG_DMA_ADDRESS = 0x10
REG_DMA_LENGTH = 0x18
REG_COMMAND = 0x1C
REG_WRITES = 0x20
REG_FAULT = 0x28
BUFFER = 0x1000
BUFFER_SIZE = 0xF000

COMMAND_DMA_READ = 1
COMMAND_DMA_WRITE = 2
COMMAND_INTERRUPT = 0x100
"""Plus the vector."""
COMMAND_LATER = 0x1000
"""Plus the vector: interrupt after 1 ms of virtual time."""

FAULTS = ("", "unmapped", "permission", "bus_master_off", "no_memory")

IDENTITY = PciIdentity(
    vendor_id=0x14E4,
    device_id=0x1750,
    revision_id=0x12,
    class_code=0x020000,
    subsystem_vendor_id=0x14E4,
    subsystem_id=0x2100,
    serial_number=eui64(bytes.fromhex("00101820aa01")),
    vpd=vpd_image("Toy", {"PN": "TOY-1", "SN": "EMULATED0001"}),
)


class Toy(Function):
    """``bar_log`` collects every BAR write as (bar, offset, data)."""

    def __init__(self, clock: Clock, trace: Trace) -> None:
        super().__init__(
            identity=IDENTITY,
            bar_sizes={0: 64 << 10, 2: 16 << 20, 4: 32 << 10},
            msix_vectors=16,
            clock=clock,
            trace=trace,
        )
        self.bar_log: list[tuple[int, int, bytes]] = []
        self.keep_log = True
        self.resets: list[ResetKind] = []
        self.flushes = 0
        self._clear()

    def _clear(self) -> None:
        self.registers = bytearray(64 << 10)
        self.registers[0:4] = MAGIC.to_bytes(4, "little")

    def reset(self, kind: ResetKind) -> None:
        self.resets.append(kind)
        self._clear()
        super().reset(kind)

    def flush(self) -> None:
        self.flushes += 1

    def bar_read(self, bar: int, offset: int, length: int) -> bytes:
        if bar != 0:
            return bytes(length)
        return bytes(self.registers[offset : offset + length])

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        if self.keep_log:
            self.bar_log.append((bar, offset, bytes(data)))
        if bar != 0:
            return
        if offset < 8:
            self.trace.violation("write_to_read_only", bar=bar, offset=offset)
            return
        self.registers[offset : offset + len(data)] = data
        writes = self._word(REG_WRITES) + 1
        self.registers[REG_WRITES : REG_WRITES + 4] = writes.to_bytes(4, "little")
        if offset == REG_COMMAND:
            self._run(self._word(REG_COMMAND))

    def _word(self, offset: int, size: int = 4) -> int:
        return int.from_bytes(self.registers[offset : offset + size], "little")

    def _run(self, command: int) -> None:
        address, length = self._word(REG_DMA_ADDRESS, 8), self._word(REG_DMA_LENGTH)
        self.registers[REG_FAULT] = 0
        try:
            if command == COMMAND_DMA_READ:
                self.registers[BUFFER : BUFFER + length] = self.dma.read(address, length)
            elif command == COMMAND_DMA_WRITE:
                self.dma.write(address, self.registers[BUFFER : BUFFER + length])
            elif command >= COMMAND_LATER:
                vector = command - COMMAND_LATER
                self.clock.call_later(1_000_000, lambda: self.raise_msix(vector))
            elif command >= COMMAND_INTERRUPT:
                self.raise_msix(command - COMMAND_INTERRUPT)
        except DmaFault as e:
            self.registers[REG_FAULT] = FAULTS.index(e.reason)
            self.trace.violation("dma_" + e.reason, iova=e.iova, length=e.length)
