# SPDX-License-Identifier: GPL-2.0-only
"""The seam between a transport and a card: config space, BARs, DMA, MSI-X."""

from __future__ import annotations

import enum
from typing import Protocol

from devmodel.clock import Clock
from devmodel.dma import DmaSpace
from devmodel.trace import Trace


class ResetKind(enum.Enum):
    """What reset the function."""

    TRANSPORT = "transport"
    """Conventional reset: plug, machine reset (vfio-user DEVICE_RESET)."""
    FLR = "flr"
    """Function level reset written to Device Control (PCIe Base Spec 7.5.3.4)."""


class Host(Protocol):
    """What a transport gives a function."""

    def msix(self, vector: int) -> bool:
        """Deliver MSI-X ``vector``; False if the host has not connected it (stays pending)."""
        ...


class Function:
    """A PCI Express endpoint function. A card subclasses it; a transport drives it.

    :ivar bar_sizes: BAR index -> size in bytes (powers of two; 64-bit, prefetchable).
    :ivar msix_vectors: size of the MSI-X table.
    """

    def __init__(
        self, *, bar_sizes: dict[int, int], msix_vectors: int, clock: Clock, trace: Trace
    ) -> None:
        self.bar_sizes = bar_sizes
        self.msix_vectors = msix_vectors
        self.clock = clock
        self.trace = trace
        self.dma = DmaSpace()
        self.host: Host | None = None

    def attach(self, host: Host) -> None:
        """Connect the transport."""
        self.host = host

    def config_read(self, offset: int, length: int) -> bytes:
        """Read configuration space."""
        raise IndexError(offset)

    def config_write(self, offset: int, data: bytes) -> None:
        """Write configuration space through the registers' access rules."""
        raise IndexError(offset)

    def bar_read(self, bar: int, offset: int, length: int) -> bytes:
        """MMIO read; must not wait for anything."""
        return b"\xff" * length

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        """MMIO write."""

    def raise_msix(self, vector: int) -> None:
        """Ask for an interrupt on ``vector``, subject to enable and mask bits."""

    def reset(self, kind: ResetKind) -> None:
        """Return to power-on state; no DMA of before the reset happens after it returns."""
