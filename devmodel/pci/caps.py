# SPDX-License-Identifier: GPL-2.0-only
"""Capabilities of a function, as objects that a card composes; each is a table of registers.

Sections are of the PCI Express Base Specification 5.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from devmodel.pci.config import (
    ConfigSpace,
    Field,
    FieldAccess,
    Register,
    constant,
    read_write,
    register,
)

EXTENDED = 0x100
"""Where extended capabilities begin: the first of them must lie here."""
MSIX_MAX_VECTORS = 2048


@dataclass(frozen=True, slots=True)
class Capability:
    """Base of all capabilities: one at ``offset``, which makes it an extended one from 0x100 on.

    A subclass has an ``ID``, a ``VERSION`` if it is extended, and :meth:`registers`.
    """

    ID: ClassVar[int]
    VERSION: ClassVar[int] = 0

    offset: int

    def registers(self) -> Sequence[Register]:
        """Its registers behind the header, offsets relative to the capability."""
        raise NotImplementedError

    def header(self, following: int) -> Register:
        """Its id and a pointer to the next one."""
        if self.offset < EXTENDED:
            return constant(f"CAP_{self.offset:02X}", self.offset, 2, self.ID | following << 8)
        value = self.ID | self.VERSION << 16 | following << 20
        return constant(f"EXT_{self.offset:03X}", self.offset, 4, value)


def add_capabilities(config: ConfigSpace, capabilities: Sequence[Capability]) -> None:
    """Place the capabilities, linked in the order given.

    Raises ValueError if two overlap, or the first extended one is not at 0x100.
    """
    extended = [capability for capability in capabilities if capability.offset >= EXTENDED]
    if extended and extended[0].offset != EXTENDED:
        raise ValueError(f"the first extended capability is at {extended[0].offset:#x}")
    for chain in ([c for c in capabilities if c.offset < EXTENDED], extended):
        following = [capability.offset for capability in chain[1:]] + [0]
        for capability, pointer in zip(chain, following, strict=False):
            config.add(capability.header(pointer))
            for reg in capability.registers():
                config.add(reg.moved(capability.offset))


class PowerManagement(Capability):
    """Power Management (7.5.2), version 3, PME from D0, D3hot and D3cold."""

    ID = 0x01

    def registers(self) -> Sequence[Register]:
        """Capabilities, control and status."""
        return (
            register(
                "PMC",
                2,
                2,
                Field("VERSION", 2, 0, FieldAccess.RO, 3),
                Field("PME_SUPPORT", 15, 11, FieldAccess.RO, 25),
            ),
            register(
                "PMCSR",
                4,
                2,
                Field("POWER_STATE", 1, 0, FieldAccess.RW),
                Field("NO_SOFT_RESET", 3, 3, FieldAccess.RO, 1),
                Field("PME_ENABLE", 8, 8, FieldAccess.RW),
                Field("DATA_SCALE", 14, 13, FieldAccess.RO, 1),
                Field("PME_STATUS", 15, 15, FieldAccess.RW1C),
            ),
        )


@dataclass(frozen=True, slots=True)
class VitalProductData(Capability):
    """Vital Product Data (7.9.18): serves ``image``, raw data (:func:`vpd_image`)."""

    ID = 0x03

    image: bytes

    def registers(self) -> Sequence[Register]:
        """Address and data."""
        return (
            register(
                "VPD_ADDRESS",
                2,
                2,
                Field("ADDRESS", 14, 0, FieldAccess.RW),
                Field("F", 15, 15, FieldAccess.RW),
            ),
            read_write("VPD_DATA", 4, 4),
        )

    def word(self, address: int) -> int:
        """Four bytes of the image, zeros behind its end."""
        return int.from_bytes(self.image[address : address + 4].ljust(4, b"\0"), "little")


@dataclass(frozen=True, slots=True)
class Msix(Capability):
    """MSI-X (7.7.2): ``vectors`` vectors, whose table and pending bits lie in BAR ``bar``.

    Raises ValueError for an invalid number of vectors.
    """

    ID = 0x11

    vectors: int
    bar: int
    table_offset: int
    pba_offset: int

    def __post_init__(self) -> None:
        if not 1 <= self.vectors <= MSIX_MAX_VECTORS:
            raise ValueError(f"{self.vectors} MSI-X vectors")

    def registers(self) -> Sequence[Register]:
        """Control, and where table and pending bits are."""
        return (
            register(
                "MSIX_CONTROL",
                2,
                2,
                Field("TABLE_SIZE", 10, 0, FieldAccess.RO, self.vectors - 1),
                Field("FUNCTION_MASK", 14, 14, FieldAccess.RW),
                Field("ENABLE", 15, 15, FieldAccess.RW),
            ),
            constant("MSIX_TABLE", 4, 4, self.table_offset | self.bar),
            constant("MSIX_PBA", 8, 4, self.pba_offset | self.bar),
        )


@dataclass(frozen=True, slots=True)
class Express(Capability):
    """PCI Express (7.5.3), version 2, an endpoint that can be reset by itself.

    :ivar speed: of the trained link, which is the best it can (1: 2.5 GT/s ... 4: 16 GT/s).
    :ivar width: lanes of the same.
    """

    ID = 0x10

    speed: int
    width: int

    def registers(self) -> Sequence[Register]:
        """Device, link and their second registers."""
        return (
            register("PCIE_CAPABILITIES", 2, 2, Field("VERSION", 3, 0, FieldAccess.RO, 2)),
            register(
                "DEVICE_CAPABILITIES",
                4,
                4,
                Field("MAX_PAYLOAD_SIZE", 2, 0, FieldAccess.RO, 2),
                Field("EXTENDED_TAG", 5, 5, FieldAccess.RO, 1),
                Field("L0S_LATENCY", 8, 6, FieldAccess.RO, 6),
                Field("L1_LATENCY", 11, 9, FieldAccess.RO, 6),
                Field("ROLE_BASED_ERROR_REPORTING", 15, 15, FieldAccess.RO, 1),
                Field("FUNCTION_LEVEL_RESET", 28, 28, FieldAccess.RO, 1),
            ),
            register(
                "DEVICE_CONTROL",
                8,
                2,
                Field("ERROR_REPORTING_ENABLES", 3, 0, FieldAccess.RW),
                Field("RELAXED_ORDERING", 4, 4, FieldAccess.RW, 1),
                Field("MAX_PAYLOAD_SIZE", 7, 5, FieldAccess.RW),
                Field("EXTENDED_TAG_ENABLE", 8, 8, FieldAccess.RW, 1),
                Field("NO_SNOOP", 11, 11, FieldAccess.RW, 1),
                Field("MAX_READ_REQUEST_SIZE", 14, 12, FieldAccess.RW, 2),
                Field("INITIATE_FLR", 15, 15, FieldAccess.RW),
            ),
            register(
                "DEVICE_STATUS",
                10,
                2,
                Field("ERRORS_DETECTED", 3, 0, FieldAccess.RW1C),
                Field("TRANSACTIONS_PENDING", 5, 5),
            ),
            register(
                "LINK_CAPABILITIES",
                12,
                4,
                Field("MAX_LINK_SPEED", 3, 0, FieldAccess.RO, self.speed),
                Field("MAX_LINK_WIDTH", 9, 4, FieldAccess.RO, self.width),
                Field("CLOCK_PM", 18, 18, FieldAccess.RO, 1),
                Field("ASPM_OPTIONALITY", 22, 22, FieldAccess.RO, 1),
            ),
            register(
                "LINK_CONTROL",
                16,
                2,
                Field("ASPM", 1, 0, FieldAccess.RW),
                Field("RCB", 3, 3, FieldAccess.RW),
                Field("COMMON_CLOCK", 6, 6, FieldAccess.RW),
                Field("EXTENDED_SYNC", 7, 7, FieldAccess.RW),
                Field("ENABLE_CLOCK_PM", 8, 8, FieldAccess.RW),
            ),
            register(
                "LINK_STATUS",
                18,
                2,
                Field("CURRENT_LINK_SPEED", 3, 0, FieldAccess.RO, self.speed),
                Field("NEGOTIATED_LINK_WIDTH", 9, 4, FieldAccess.RO, self.width),
                Field("SLOT_CLOCK", 12, 12, FieldAccess.RO, 1),
            ),
            register(
                "DEVICE_CAPABILITIES_2",
                36,
                4,
                Field("COMPLETION_TIMEOUT_RANGES", 3, 0, FieldAccess.RO, 15),
                Field("COMPLETION_TIMEOUT_DISABLE", 4, 4, FieldAccess.RO, 1),
            ),
            register(
                "DEVICE_CONTROL_2",
                40,
                2,
                Field("COMPLETION_TIMEOUT", 3, 0, FieldAccess.RW),
                Field("COMPLETION_TIMEOUT_DISABLE", 4, 4, FieldAccess.RW),
            ),
            register(
                "LINK_CAPABILITIES_2",
                44,
                4,
                Field("SUPPORTED_SPEEDS", 7, 1, FieldAccess.RO, (1 << self.speed) - 1),
            ),
            register(
                "LINK_CONTROL_2",
                48,
                2,
                Field("TARGET_LINK_SPEED", 3, 0, FieldAccess.RW, self.speed),
            ),
            constant("LINK_STATUS_2", 50, 2, 0),
        )


class AdvancedErrorReporting(Capability):
    """Advanced Error Reporting (7.8.4), version 2."""

    ID = 0x0001
    VERSION = 2

    def registers(self) -> Sequence[Register]:
        """Status, masks, severity, control and an empty header log."""
        uncorrectable = 0x007FF030
        correctable = 0x000031C1
        made = []
        for name, offset, mask, access, reset in (
            ("AER_UNCORRECTABLE_STATUS", 4, uncorrectable, FieldAccess.RW1C, 0),
            ("AER_UNCORRECTABLE_MASK", 8, uncorrectable, FieldAccess.RW, 0x00400000),
            ("AER_UNCORRECTABLE_SEVERITY", 12, uncorrectable, FieldAccess.RW, 0x00462030),
            ("AER_CORRECTABLE_STATUS", 16, correctable, FieldAccess.RW1C, 0),
            ("AER_CORRECTABLE_MASK", 20, correctable, FieldAccess.RW, 0x00002000),
        ):
            bits = (b for b in range(32) if mask >> b & 1)
            fields = [Field(f"BIT_{b}", b, b, access, reset >> b & 1) for b in bits]
            made.append(register(name, offset, 4, *fields))
        control = register(
            "AER_CONTROL",
            24,
            4,
            Field("FIRST_ERROR_POINTER", 4, 0),
            Field("ECRC_GENERATION_CAPABLE", 5, 5, FieldAccess.RO, 1),
            Field("ECRC_GENERATION_ENABLE", 6, 6, FieldAccess.RW),
            Field("ECRC_CHECK_CAPABLE", 7, 7, FieldAccess.RO, 1),
            Field("ECRC_CHECK_ENABLE", 8, 8, FieldAccess.RW),
        )
        return (*made, control, constant("AER_HEADER_LOG", 28, 16, 0))


@dataclass(frozen=True, slots=True)
class SerialNumber(Capability):
    """Device Serial Number (7.9.3): ``number`` is an EUI-64, most significant byte first."""

    ID = 0x0003
    VERSION = 1

    number: int

    def registers(self) -> Sequence[Register]:
        """The number."""
        return (constant("SERIAL_NUMBER", 4, 8, self.number),)


def eui64(mac: bytes) -> int:
    """EUI-64 of a 6-byte MAC address, as network cards put it in their Device Serial Number."""
    return int.from_bytes(mac[:3] + b"\xff\xfe" + mac[3:], "big")


def vpd_image(name: str, read_only: dict[str, str]) -> bytes:
    """Vital product data (PCI Local Bus Spec 3.0, appendix I).

    :param name: identifier string.
    :param read_only: two-letter keyword -> text; the checksum keyword RV is added.
    """
    text = name.encode("ascii")
    head = b"\x82" + len(text).to_bytes(2, "little") + text
    fields = b"".join(
        key.encode("ascii") + bytes([len(value)]) + value.encode("ascii")
        for key, value in read_only.items()
    )
    start = head + b"\x90" + (len(fields) + 4).to_bytes(2, "little") + fields + b"RV\x01"
    return start + bytes([-sum(start) & 0xFF]) + b"\x78"
