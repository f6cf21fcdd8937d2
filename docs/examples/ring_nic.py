# SPDX-License-Identifier: GPL-2.0-only
"""A second card: a transmit ring, a receive ring, two interrupts; see docs/writing-a-device.md.

BAR0, little-endian: 0x00 magic (read-only), 0x08 scratch, and from 0x200 (transmit) and 0x240
(receive) on, for each ring: +0 bus address, +8 entries (a power of two starts the ring, 0
stops it), +12 producer index (doorbell), +16 consumer index (read-only). BAR4 holds the MSI-X
table; vector 0 is for transmit, 1 for receive.

A descriptor is 16 bytes: le32 length << 16 | flags, le32 cookie, le64 buffer address. Receive
buffers are BUFFER_BYTES long; the card writes length and DONE back into the descriptor.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from devmodel.clock import Clock
from devmodel.config import ConfigError
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DmaFault
from devmodel.faults.points import CHANGE, FaultRegistry, Field, Point
from devmodel.faults.rule import Event
from devmodel.net.port import Frame
from devmodel.net.wire import Wire
from devmodel.oracle.buffers import BufferLedger
from devmodel.oracle.oracle import Oracle
from devmodel.oracle.rules import DMA_RULES, OracleRule
from devmodel.pci import caps
from devmodel.pci.fault_actions import FUNCTION_ACTIONS, FunctionActions
from devmodel.pci.fault_points import CONFIG_READ, IRQ_RAISE, dma_points
from devmodel.pci.function import ResetKind
from devmodel.pci.header import Bar, PciIdentity
from devmodel.pci.network import NetworkFunction
from devmodel.trace import Trace

MAGIC = 0x0BAD_CAFE
REG_MAGIC, REG_SCRATCH, TX, RX = 0x00, 0x08, 0x200, 0x240
BASE, ENTRIES, PRODUCER, CONSUMER = 0, 8, 12, 16
MSIX_BAR, MSIX_PBA_OFFSET, VECTORS = 4, 0x4000, 16
PM_OFFSET, VPD_OFFSET, MSIX_OFFSET, EXPRESS_OFFSET = 0x40, 0x48, 0x50, 0x60
AER_OFFSET, DSN_OFFSET = 0x100, 0x140

DESCRIPTOR = struct.Struct("<IIQ")
DONE = 1
BUFFER_BYTES = 2048
MTU_BYTES = 1514
MAX_ENTRIES = 4096

IDENTITY = PciIdentity(0x1234, 0x4E49, 1, 0x020000, 0x1234, 1)
MAC = bytes.fromhex("02005e000001")

# What fault plans can name: what every function has, and one point of its own.
FAULTS = FaultRegistry(
    points=(
        *dma_points(purposes=("descriptor", "payload"), rings=("TX", "RX")),
        IRQ_RAISE,
        CONFIG_READ,
        Point(
            "frame.receive",
            "A frame goes into a receive buffer.",
            (Field("length", "int", "bytes; less truncates", settable=True),),
            CHANGE,
        ),
    ),
    actions=FUNCTION_ACTIONS,
)

# What the oracle can say: the rules of DMA, and one of its own.
RULES = {**DMA_RULES, "transmit_length": OracleRule("the driver sent a frame beyond the MTU")}


class Ring:
    """A ring of descriptors in host memory, in the form in which the oracle reads rings."""

    def __init__(self, dma: DmaSpace, kind: str, base: int, entries: int) -> None:
        self.id = 0
        self.base, self.entries = base, entries
        self.prod = self.cons = 0
        self.ledger: BufferLedger | None = None
        self.payload = Who("payload", kind, self.id)
        self._dma, self._who = dma, Who("descriptor", kind, self.id)

    @property
    def memory(self) -> Ring:
        """Its descriptors."""
        return self

    def peek_entries(self, index: int, count: int) -> bytes:
        """Descriptors as the oracle looks at them. Raises DmaFault."""
        return self._dma.peek(self.base + index * DESCRIPTOR.size, count * DESCRIPTOR.size)

    def post(self, prod: int) -> None:
        """The driver's producer index is ``prod`` now."""
        if self.ledger is not None:
            self.ledger.posted(self.prod, prod - self.prod & self.entries - 1)
        self.prod = prod

    def take(self) -> tuple[int, int, int, int] | None:
        """(index, bytes, cookie, address) of the next one, None without one. Raises DmaFault."""
        if self.cons == self.prod:
            return None
        index = self.cons
        data = self._dma.read(self.base + index * DESCRIPTOR.size, DESCRIPTOR.size, self._who)
        if self.ledger is not None:
            self.ledger.fetched(index, data)
        self.cons = index + 1 & self.entries - 1
        word, cookie, address = DESCRIPTOR.unpack(data)
        return index, word >> 16, cookie, address

    def complete(self, index: int, length: int, cookie: int, address: int) -> None:
        """Write length and DONE back. Raises DmaFault."""
        data = DESCRIPTOR.pack(length << 16 | DONE, cookie, address)
        self._dma.write(self.base + index * DESCRIPTOR.size, data, self._who)


class RingNic(NetworkFunction):
    """The card; everything it does is one of the methods that a card overrides."""

    BARS = {0: Bar(64 << 10), MSIX_BAR: Bar(32 << 10)}  # noqa: RUF012 - read-only
    CAPABILITIES = (
        caps.PowerManagement(PM_OFFSET),
        caps.VitalProductData(VPD_OFFSET, caps.vpd_image("Ring", {"PN": "RING-1", "SN": "1"})),
        caps.Msix(MSIX_OFFSET, VECTORS, MSIX_BAR, table_offset=0, pba_offset=MSIX_PBA_OFFSET),
        caps.Express(EXPRESS_OFFSET, speed=3, width=4),
        caps.AdvancedErrorReporting(AER_OFFSET),
        caps.SerialNumber(DSN_OFFSET, caps.eui64(MAC)),
    )

    def __init__(self, clock: Clock, trace: Trace, wire: Wire) -> None:
        super().__init__(
            identity=IDENTITY,
            bars=self.BARS,
            capabilities=self.CAPABILITIES,
            faults=FAULTS,
            clock=clock,
            trace=trace,
        )
        self.faults.card_actor = FunctionActions(self)
        self.oracle = Oracle(self.dma, trace, RULES)
        self.link_up = True
        self._wire = wire
        self._clear()

    def _clear(self) -> None:
        self.registers = bytearray(self.BARS[0].size)
        self._set(REG_MAGIC, MAGIC)
        self._rings: dict[int, Ring] = {}

    def word(self, offset: int, size: int = 4) -> int:
        """Value of a register."""
        return int.from_bytes(self.registers[offset : offset + size], "little")

    def _set(self, offset: int, value: int) -> None:
        self.registers[offset : offset + 4] = value.to_bytes(4, "little")

    # -- called by the transport --------------------------------------------------------------
    def reset(self, kind: ResetKind) -> None:
        """Registers and rings as at power-on."""
        super().reset(kind)
        self.oracle.reset()
        self._clear()

    def flush(self) -> None:
        """A batch is over: the oracle judges what was written."""
        self.oracle.settle()

    def bar_read(self, bar: int, offset: int, length: int) -> bytes:
        """Registers."""
        return bytes(self.registers[offset : offset + length]) if bar == 0 else bytes(length)

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        """Registers; what the driver may not write is a violation, and nothing happens."""
        if bar != 0:
            return
        ring, register = (offset & ~0x3F, offset & 0x3F) if offset >= TX else (0, 0)
        if offset < REG_SCRATCH or (ring in (TX, RX) and register >= CONSUMER):
            self.trace.violation("write_to_read_only", bar=bar, offset=offset)
            return
        self.registers[offset : offset + len(data)] = data
        if ring in (TX, RX) and register == ENTRIES:
            self._start(ring)
        elif ring in (TX, RX) and register == PRODUCER:
            self._doorbell(ring)

    # -- called by the loop -------------------------------------------------------------------
    def receive(self, frames: Sequence[Frame]) -> None:
        """Frames from the wire: into buffers while there are some, then one interrupt."""
        ring = self._rings.get(RX)
        if ring is None or not self.link_up:
            self.trace.counters["rx_drop_down"] += len(frames)
            return
        with self._guest_memory(RX, ring):
            for frame in frames:
                self._place(ring, frame)
        self.raise_msix(1)

    def set_link(self, up: bool) -> None:
        """Plug or pull the cable."""
        self.link_up = up

    def state(self) -> dict[str, Any]:
        """What tests look at."""
        return {"link_up": self.link_up, "rings": len(self._rings), "oracle": self.oracle.state()}

    # -- inside -------------------------------------------------------------------------------
    def _start(self, at: int) -> None:
        entries = self.word(at + ENTRIES)
        old = self._rings.pop(at, None)
        if old is not None:
            self.oracle.forget_memory(f"ring {at:#x}")
            if old.ledger is not None:
                self.oracle.forget_buffers(old.ledger)
        if not entries:
            return
        if not 2 <= entries <= MAX_ENTRIES or entries & entries - 1:
            self.trace.violation("ring_entries", ring=at, entries=entries)
            return
        base = self.word(at + BASE, 8)
        ring = self._rings[at] = Ring(self.dma, "TX" if at == TX else "RX", base, entries)
        self._set(at + PRODUCER, 0)
        self._set(at + CONSUMER, 0)
        self.oracle.watch_memory(f"ring {at:#x}", [(base, entries * DESCRIPTOR.size)])
        if at == RX:
            ring.ledger = self.oracle.watch_buffers(ring, "RX", length=BUFFER_BYTES)

    def _doorbell(self, at: int) -> None:
        ring, index = self._rings.get(at), self.word(at + PRODUCER)
        if ring is None or index >= ring.entries:
            self.trace.violation("doorbell_index", ring=at, index=index)
            return
        ring.post(index)
        if at == TX:
            with self._guest_memory(TX, ring):
                self._transmit(ring)
            self.raise_msix(0)

    @contextmanager
    def _guest_memory(self, at: int, ring: Ring) -> Iterator[None]:
        """Memory that the driver may not name is its violation, never an exception."""
        reason = ""
        try:
            yield
        except DmaFault as fault:
            reason, where = "dma_" + fault.reason, {"address": fault.iova, "length": fault.length}
        if self._rings.get(at) is not ring:  # a fault plan has reset the card meanwhile
            return
        if reason:
            self.trace.violation(reason, **where)
        self._set(at + CONSUMER, ring.cons)

    def _place(self, ring: Ring, frame: Frame) -> None:
        event: Event | None = {"length": len(frame)}
        if self.faults.armed and "frame.receive" in self.faults.points:
            event = self.faults.consult("frame.receive", {"length": len(frame)})
        taken = None if event is None else ring.take()
        if event is None or taken is None:
            self.trace.counters["rx_drop"] += 1
            return
        index, size, cookie, address = taken
        frame = frame[: max(min(event["length"], size, BUFFER_BYTES), 0)]
        self.dma.write(address, frame, ring.payload)
        ring.complete(index, len(frame), cookie, address)

    def _transmit(self, ring: Ring) -> None:
        while (taken := ring.take()) is not None:
            index, size, cookie, address = taken
            if size > MTU_BYTES:
                self.oracle.verdict("transmit_length", ring="TX", index=index, length=size)
            elif self.link_up:
                self._wire.send([bytes(self.dma.read(address, size, ring.payload))])
            ring.complete(index, size, cookie, address)


def make_card(clock: Clock, trace: Trace, wire: Wire, options: dict[str, Any]) -> NetworkFunction:
    """What ``--card docs.examples.ring_nic:make_card`` calls. Raises ConfigError."""
    if options:
        raise ConfigError(f"option {next(iter(options))} is unknown; this card has none")
    return RingNic(clock, trace, wire)
