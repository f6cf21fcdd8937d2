# SPDX-License-Identifier: GPL-2.0-only
"""The function's type 0 header: identity and BARs (PCI Express Base Specification 5.0, 7.5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devmodel.pci.config import (
    ConfigSpace,
    Field,
    FieldAccess,
    Register,
    constant,
    read_write,
    register,
)

_NOBODY = 0xFFFF


@dataclass(frozen=True, slots=True)
class PciIdentity:
    """What makes one PCI function different from another.

    :ivar class_code: 24 bits, base class highest.
    :ivar is_virtual: a virtual function (9.3.4.1): both its ids read as all ones, it has neither
        BARs of its own nor a pin, and whoever has its BARs enables them.
    """

    vendor_id: int
    device_id: int
    revision_id: int
    class_code: int
    subsystem_vendor_id: int
    subsystem_id: int
    is_virtual: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A memory BAR of ``size`` bytes, a power of two. A 64-bit one takes two slots."""

    size: int
    is_64bit: bool = True
    is_prefetchable: bool = True

    def register(self, index: int, name: str = "", first: int = 0x10) -> Register:
        """Its register. Raises ValueError if the BAR cannot be.

        :param name: if it is not ``BAR`` and the index.
        :param first: where the register of BAR 0 is.
        """
        if self.size < 16 or self.size & (self.size - 1):
            raise ValueError(f"BAR{index} of {self.size} bytes: sizes are powers of two from 16 on")
        if not 0 <= index <= (4 if self.is_64bit else 5) or (self.is_64bit and index & 1):
            raise ValueError(f"BAR{index}: 64-bit BARs are 0, 2 and 4, others 0 to 5")
        kind = (4 if self.is_64bit else 0) | (8 if self.is_prefetchable else 0)
        bits = 64 if self.is_64bit else 32
        return register(
            name or f"BAR{index}",
            first + 4 * index,
            bits // 8,
            Field("TYPE", 3, 0, FieldAccess.RO, kind),
            Field("ADDRESS", bits - 1, self.size.bit_length() - 1, FieldAccess.RW),
        )


def add_header(
    config: ConfigSpace, ident: PciIdentity, bars: Mapping[int, Bar], *, capabilities: int
) -> None:
    """Place the header. Raises ValueError for a BAR that cannot be.

    :param capabilities: offset of the first capability, 0 without any.
    """
    virtual = ident.is_virtual
    memory = FieldAccess.RO if virtual else FieldAccess.RW
    for reg in (
        constant("VENDOR_ID", 0x00, 2, _NOBODY if virtual else ident.vendor_id),
        constant("DEVICE_ID", 0x02, 2, _NOBODY if virtual else ident.device_id),
        register(
            "COMMAND",
            0x04,
            2,
            Field("MEMORY_SPACE_ENABLE", 1, 1, memory),
            Field("BUS_MASTER_ENABLE", 2, 2, FieldAccess.RW),
            Field("PARITY_ERROR_RESPONSE", 6, 6, FieldAccess.RW),
            Field("SERR_ENABLE", 8, 8, FieldAccess.RW),
            Field("INTERRUPT_DISABLE", 10, 10, FieldAccess.RW),
        ),
        register(
            "STATUS",
            0x06,
            2,
            Field("INTERRUPT_STATUS", 3, 3),
            Field("CAPABILITIES_LIST", 4, 4, FieldAccess.RO, int(bool(capabilities))),
            Field("MASTER_DATA_PARITY_ERROR", 8, 8, FieldAccess.RW1C),
            Field("ABORTS_AND_ERRORS", 15, 11, FieldAccess.RW1C),
        ),
        constant("REVISION_ID", 0x08, 1, ident.revision_id),
        constant("CLASS_CODE", 0x09, 3, ident.class_code),
        read_write("CACHE_LINE_SIZE", 0x0C, 1),
        constant("LATENCY_TIMER", 0x0D, 1, 0),
        constant("HEADER_TYPE", 0x0E, 1, 0),
        constant("SUBSYSTEM_VENDOR_ID", 0x2C, 2, ident.subsystem_vendor_id),
        constant("SUBSYSTEM_ID", 0x2E, 2, ident.subsystem_id),
        constant("CAPABILITIES_POINTER", 0x34, 1, capabilities),
        read_write("INTERRUPT_LINE", 0x3C, 1),
        constant("INTERRUPT_PIN", 0x3D, 1, int(not virtual)),
    ):
        config.add(reg)
    for index, bar in () if virtual else bars.items():
        config.add(bar.register(index))
