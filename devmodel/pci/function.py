# SPDX-License-Identifier: GPL-2.0-only
"""The interface between a transport and a card: config space, BARs, DMA, MSI-X.

A transport calls ``config_*``, ``mmio_*``, ``flush`` and ``reset``; a card overrides ``bar_*``,
``flush`` and ``reset`` and calls ``raise_msix`` and ``dma``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from devmodel.clock import Clock
from devmodel.dma import DmaSpace
from devmodel.faults.engine import FaultEngine
from devmodel.faults.points import FaultRegistry
from devmodel.faults.rule import Event
from devmodel.noted_dma import NotedDma
from devmodel.pci.caps import EXTENDED, Capability, Msix, VitalProductData, add_capabilities
from devmodel.pci.config import ConfigSpace
from devmodel.pci.header import Bar, PciIdentity, add_header
from devmodel.pci.msix import MsixTable
from devmodel.trace import Trace

_D3HOT = 3
_MAX_SETTLE_ROUNDS = 100
_MAX_SETTLE_TIMERS = 10_000


class ResetKind(enum.Enum):
    """What reset the function."""

    TRANSPORT = "transport"
    """Conventional reset: plug, machine reset (vfio-user DEVICE_RESET)."""
    FLR = "flr"
    """Function level reset written to Device Control (PCIe Base Spec 7.5.3.4)."""


class Host(Protocol):
    """What a transport gives a function.

    :ivar keeps_msix_table: True if the transport's peer emulates the MSI-X table, so that vector
        masks are applied there.
    """

    keeps_msix_table: bool

    def msix(self, vector: int) -> bool:
        """Deliver MSI-X ``vector``; False if the host has not connected it (stays pending)."""
        ...


@dataclass(frozen=True, slots=True)
class SharedBar:
    """A BAR that the guest may map instead of trapping.

    :ivar fd: memory file of the size of the BAR.
    :ivar areas: (offset, size) in bytes, page aligned; the whole BAR if empty.
    """

    fd: int
    areas: tuple[tuple[int, int], ...] = ()


class Function:
    """A PCI Express endpoint function. A card subclasses it; a transport drives it.

    Power management, vital product data and function level reset work if the function has the
    capability for it.

    :param capabilities: in the order in which they are linked; one of them is MSI-X.
    :param faults: what fault plans can name.
    :ivar bar_sizes: BAR index -> size in bytes.
    :ivar msix_vectors: size of the MSI-X table.
    :ivar shared_bars: BARs that a transport may let the guest map.
    """

    def __init__(
        self,
        *,
        identity: PciIdentity,
        bars: Mapping[int, Bar],
        capabilities: Sequence[Capability],
        faults: FaultRegistry,
        clock: Clock,
        trace: Trace,
    ) -> None:
        """Raises ValueError for invalid BARs or capabilities."""
        self.bar_sizes = {index: bar.size for index, bar in bars.items()}
        self.clock = clock
        self.trace = trace
        self.faults = FaultEngine(clock, trace, faults)
        self.dma = (
            DmaSpace(self.faults, clock.budget)
            if trace.activity is None
            else NotedDma(trace.activity, self.faults, clock.budget)
        )
        self.shared_bars: dict[int, SharedBar] = {}
        self.host: Host | None = None
        self.config = ConfigSpace()
        first = next((c.offset for c in capabilities if c.offset < EXTENDED), 0)
        add_header(self.config, identity, bars, capabilities=first)
        add_capabilities(self.config, capabilities)
        self._vpd = next((c for c in capabilities if isinstance(c, VitalProductData)), None)
        self.msix = self._msix_table(capabilities)
        self.msix_vectors = self.msix.vectors
        self._has_power_management = self.config.has("PMCSR")
        for name, call in (
            ("COMMAND", self._apply_power),
            ("PMCSR", self._apply_power),
            ("MSIX_CONTROL", self._apply_msix_control),
            ("VPD_ADDRESS", self._vpd_access),
            ("DEVICE_CONTROL", self._device_control),
        ):
            if self.config.has(name):
                self.config.watch(name, call)
        self._mmio_enabled = False
        self._is_gone = False
        self._msix_deliverable = False

    def _msix_table(self, capabilities: Sequence[Capability]) -> MsixTable:
        msix = next((c for c in capabilities if isinstance(c, Msix)), None)
        if msix is None:
            raise ValueError("a function interrupts by MSI-X: the capability is missing")
        table = MsixTable(msix.vectors, msix.table_offset, msix.pba_offset)
        table.unmasked = self._deliver
        self._msix_bar = msix.bar
        end = max(table.table_offset + table.table_size, table.pba_offset + table.pba_size)
        if end > self.bar_sizes.get(msix.bar, 0):
            raise ValueError(f"table and pending bits of MSI-X do not fit BAR{msix.bar}")
        return table

    def attach(self, host: Host) -> None:
        """Connect the transport."""
        self.host = host

    # -- called by the transport --------------------------------------------------------------
    def config_read(self, offset: int, length: int) -> bytes:
        """Read configuration space."""
        if self._is_gone:
            return b"\xff" * length
        data = self.config.read(offset, length)
        if self.faults.armed and "config.read" in self.faults.points:
            return self.read_faulty("config.read", offset, data)
        return data

    def read_faulty(self, point: str, offset: int, data: bytes) -> bytes:
        """What is read of a register with faults armed."""
        event = {
            "offset": offset,
            "length": len(data),
            "value": int.from_bytes(data, "little"),
        }
        changed = self.faults.consult(point, event)
        value = event["value"] if changed is None else changed["value"]
        return int(value & (1 << 8 * len(data)) - 1).to_bytes(len(data), "little")

    def config_write(self, offset: int, data: bytes | memoryview) -> None:
        """Write configuration space through the registers' access rules."""
        if self._is_gone:
            return
        self.trace.emit("config_write", offset=offset, data=bytes(data).hex())
        self.config.write(offset, data)

    def mmio_read(self, bar: int, offset: int, length: int) -> bytes:
        """Memory read of 1 to 8 bytes; all ones if memory space is off or in D3hot."""
        if self._is_gone:
            return b"\xff" * length
        if not self._mmio_enabled:
            self.trace.violation("mmio_while_disabled", bar=bar, offset=offset, write=False)
            return b"\xff" * length
        if bar == self._msix_bar and self.msix.holds(offset):
            return self.msix.read(offset, length)
        return self.bar_read(bar, offset, length)

    def mmio_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        """Memory write of 1 to 8 bytes; dropped if memory space is off or in D3hot."""
        if self._is_gone:
            return
        if not self._mmio_enabled:
            self.trace.violation("mmio_while_disabled", bar=bar, offset=offset, write=True)
        elif bar == self._msix_bar and self.msix.holds(offset):
            if not self.msix.write(offset, data):
                self.trace.violation("write_to_read_only", bar=bar, offset=offset)
        else:
            self.bar_write(bar, offset, data)

    def set_present(self, present: bool) -> None:
        """Surprise removal without a hot-plug slot: reads are all ones, all else is lost.

        A function that comes back is as after a reset.
        """
        self.trace.emit("present", present=present)
        self.reset(ResetKind.TRANSPORT)
        self._is_gone = not present

    def set_power_state(self, state: int) -> None:
        """Change the power state to D0 ... D3hot (0 ... 3) without a request of the host."""
        self.trace.emit("power_state", state=state)
        self.config.set("PMCSR", state, "POWER_STATE")
        self._apply_power()

    def mask_function(self, masked: bool) -> None:
        """MSI-X function mask, set or cleared behind the host's back; what was pending is sent."""
        self.trace.emit("function_mask", masked=masked)
        self.config.set("MSIX_CONTROL", int(masked), "FUNCTION_MASK")
        self._apply_msix_control()

    def settle(self) -> None:
        """Synchronous timing: let every effect happen before the access is answered."""
        self.flush()
        for _ in range(_MAX_SETTLE_ROUNDS):
            fired = self.clock.settle(_MAX_SETTLE_TIMERS)
            if not fired:
                return
            self.flush()
            if fired == _MAX_SETTLE_TIMERS:
                break
        self.trace.emit("unsettled")

    def msix_connected(self, vector: int) -> None:
        """The transport can now deliver ``vector``; sends it if it was pending."""
        if self.msix.is_pending(vector):
            self._deliver(vector)

    def reset(self, kind: ResetKind) -> None:
        """Return to power-on state; no DMA of before the reset happens after it returns.

        Mappings belong to the host and stay. A card extends it and calls this one.
        """
        self.trace.emit("reset", kind=kind.value)
        self.config.reset()
        self.msix.reset()
        self._apply_power()

    @property
    def memory_space_enabled(self) -> bool:
        """The host lets the function decode its BARs."""
        return bool(self.config.get("COMMAND", "MEMORY_SPACE_ENABLE"))

    @property
    def is_present(self) -> bool:
        """The function is there: it has not been taken out."""
        return not self._is_gone

    @property
    def is_awake(self) -> bool:
        """The function is not in D3hot."""
        return not self._has_power_management or self.config.get("PMCSR", "POWER_STATE") != _D3HOT

    # -- overridden by the card ---------------------------------------------------------------
    def bar_read(self, bar: int, offset: int, length: int) -> bytes:
        """MMIO read; must not wait for anything."""
        return b"\xff" * length

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        """MMIO write. ``data`` is valid only during the call."""

    def writes_to_follow(self, bar: int, offset: int, data: bytes | memoryview) -> int:
        """How many more writes surely follow this one, with no read between them."""
        return 0

    def flush(self) -> None:
        """End of a batch of accesses or frames: write deferred completions."""

    # -- called by the card -------------------------------------------------------------------
    def raise_msix(self, vector: int) -> None:
        """Ask for an interrupt on ``vector``, subject to enable and mask bits.

        A vector outside the table is a violation (the guest named it); a masked one stays pending.
        """
        if not 0 <= vector < self.msix_vectors:
            self.trace.violation("msix_vector_out_of_range", vector=vector)
        elif self.faults.armed and "irq.raise" in self.faults.points:
            self.faults.pass_on("irq.raise", {"vector": vector}, self._deliver_faulty, None)
        else:
            self._deliver(vector)

    def _deliver_faulty(self, event: Event) -> None:
        if 0 <= event["vector"] < self.msix_vectors:
            self._deliver(event["vector"])

    # -- inside -------------------------------------------------------------------------------
    def _deliver(self, vector: int) -> None:
        host = self.host
        sent = (
            self._msix_deliverable
            and host is not None
            and (host.keeps_msix_table or not self.msix.is_masked(vector))
            and host.msix(vector)
        )
        self.msix.set_pending(vector, not sent)
        if sent and self.trace.activity is not None:
            self.trace.activity.note("interrupt", vector)

    def _apply_power(self) -> None:
        """Memory space, bus mastering and power state decide what the function may do."""
        awake = self.is_awake
        self._mmio_enabled = awake and self.memory_space_enabled
        self.dma.bus_master_enabled = awake and bool(
            self.config.get("COMMAND", "BUS_MASTER_ENABLE")
        )
        self._apply_msix_control()

    def _apply_msix_control(self) -> None:
        enabled = bool(self.config.get("MSIX_CONTROL", "ENABLE"))
        masked = bool(self.config.get("MSIX_CONTROL", "FUNCTION_MASK"))
        self._msix_deliverable = enabled and not masked and self.dma.bus_master_enabled
        if self._msix_deliverable:
            for vector in self.msix.pending_vectors():
                self._deliver(vector)

    def _device_control(self) -> None:
        if self.config.get("DEVICE_CONTROL", "INITIATE_FLR"):
            self.reset(ResetKind.FLR)

    def _vpd_access(self) -> None:
        """VPD (7.9.18.2): F = 0 asks for a read, answered by F = 1; a write is ignored."""
        if self.config.get("VPD_ADDRESS", "F"):
            self.trace.violation("vpd_write", address=self.config.get("VPD_ADDRESS", "ADDRESS"))
            self.config.set("VPD_ADDRESS", 0, "F")
            return
        assert self._vpd is not None
        self.config.set("VPD_DATA", self._vpd.word(self.config.get("VPD_ADDRESS", "ADDRESS")))
        self.config.set("VPD_ADDRESS", 1, "F")
