# SPDX-License-Identifier: GPL-2.0-only
"""The example card with a log of what it is told, and a register that makes it do one thing."""

from __future__ import annotations

from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.net.port import ScriptedWire
from devmodel.pci.function import ResetKind
from devmodel.pci.header import Bar
from devmodel.trace import Trace
from docs.examples.ring_nic import IDENTITY, MAGIC, REG_MAGIC, REG_SCRATCH, RingNic

__all__ = ["MAGIC", "REG_MAGIC", "REG_SCRATCH"]

DEVICE_AND_VENDOR = IDENTITY.device_id << 16 | IDENTITY.vendor_id
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


class Toy(RingNic):
    """``bar_log`` collects every BAR write as (bar, offset, data)."""

    BARS = {**RingNic.BARS, 2: Bar(16 << 20)}  # noqa: RUF012 - read-only

    def __init__(self, clock: Clock, trace: Trace) -> None:
        super().__init__(clock, trace, ScriptedWire())
        self.bar_log: list[tuple[int, int, bytes]] = []
        self.keep_log = True
        self.resets: list[ResetKind] = []
        self.flushes = 0

    def reset(self, kind: ResetKind) -> None:
        self.resets.append(kind)
        super().reset(kind)

    def flush(self) -> None:
        self.flushes += 1
        super().flush()

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        if self.keep_log:
            self.bar_log.append((bar, offset, bytes(data)))
        super().bar_write(bar, offset, data)
        if bar == 0 and offset >= REG_SCRATCH:
            writes = self.word(REG_WRITES) + 1
            self.registers[REG_WRITES : REG_WRITES + 4] = writes.to_bytes(4, "little")
            if offset == REG_COMMAND:
                self._run(self.word(REG_COMMAND))

    def _run(self, command: int) -> None:
        address, length = self.word(REG_DMA_ADDRESS, 8), self.word(REG_DMA_LENGTH)
        self.registers[REG_FAULT] = 0
        try:
            if command == COMMAND_DMA_READ:
                self.registers[BUFFER : BUFFER + length] = self.dma.read(address, length)
            elif command == COMMAND_DMA_WRITE:
                self.oracle.allow(address, length)
                self.dma.write(address, self.registers[BUFFER : BUFFER + length])
            elif command >= COMMAND_LATER:
                vector = command - COMMAND_LATER
                self.clock.call_later(1_000_000, lambda: self.raise_msix(vector))
            elif command >= COMMAND_INTERRUPT:
                self.raise_msix(command - COMMAND_INTERRUPT)
        except DmaFault as e:
            self.registers[REG_FAULT] = FAULTS.index(e.reason)
            self.trace.violation("dma_" + e.reason, iova=e.iova, length=e.length)
