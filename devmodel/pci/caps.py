# SPDX-License-Identifier: GPL-2.0-only
"""The function's type 0 header and its capabilities, as field tables.

Offsets and values follow public ``lspci -vvv`` dumps of Broadcom NetXtreme-E boards, except that
the link says what a Gen4 x16 board says. Sections are of the PCI Express Base Specification 5.0.
"""

from __future__ import annotations

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

PM_OFFSET = 0x48
VPD_OFFSET = 0x50
MSIX_OFFSET = 0xA0
EXPRESS_OFFSET = 0xAC
AER_OFFSET = 0x100
DSN_OFFSET = 0x13C

_CAP_PM, _CAP_VPD, _CAP_EXPRESS, _CAP_MSIX = 0x01, 0x03, 0x10, 0x11
_EXT_AER, _EXT_DSN = 0x0001, 0x0003

_SPEED_16GT = 4
_WIDTH_X16 = 16
MSIX_MAX_VECTORS = 2048


@dataclass(frozen=True, slots=True)
class PciIdentity:
    """What makes one PCI function different from another.

    :ivar class_code: 24 bits, base class highest.
    :ivar serial_number: EUI-64 as an integer, most significant byte first.
    :ivar vpd: raw vital product data (:func:`vpd_image`), served through the VPD capability.
    """

    vendor_id: int
    device_id: int
    revision_id: int
    class_code: int
    subsystem_vendor_id: int
    subsystem_id: int
    serial_number: int
    vpd: bytes


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


def add_header(config: ConfigSpace, ident: PciIdentity, bar_sizes: dict[int, int]) -> None:
    """Type 0 header (7.5.1): every BAR is 64-bit prefetchable and takes two slots."""
    for reg in (
        constant("VENDOR_ID", 0x00, 2, ident.vendor_id),
        constant("DEVICE_ID", 0x02, 2, ident.device_id),
        register(
            "COMMAND",
            0x04,
            2,
            Field("MEMORY_SPACE_ENABLE", 1, 1, FieldAccess.RW),
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
            Field("CAPABILITIES_LIST", 4, 4, FieldAccess.RO, 1),
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
        constant("CAPABILITIES_POINTER", 0x34, 1, PM_OFFSET),
        read_write("INTERRUPT_LINE", 0x3C, 1),
        constant("INTERRUPT_PIN", 0x3D, 1, 1),
    ):
        config.add(reg)
    for bar, size in bar_sizes.items():
        config.add(_bar(bar, size))


def _bar(bar: int, size: int) -> Register:
    if size < 16 or size & (size - 1) or bar & 1:
        raise ValueError(f"BAR{bar} of {size} bytes: 64-bit BARs are even, sizes powers of two")
    return register(
        f"BAR{bar}",
        0x10 + 4 * bar,
        8,
        Field("TYPE", 3, 0, FieldAccess.RO, 0xC),
        Field("ADDRESS", 63, size.bit_length() - 1, FieldAccess.RW),
    )


def _capability(
    config: ConfigSpace, cap_id: int, base: int, following: int, *regs: Register
) -> None:
    config.add(constant(f"CAP_{base:02X}", base, 2, cap_id | following << 8))
    for reg in regs:
        config.add(reg.moved(base))


def _extended(config: ConfigSpace, ext_id: int, version: int, base: int, following: int) -> None:
    config.add(constant(f"EXT_{base:03X}", base, 4, ext_id | version << 16 | following << 20))


def add_capabilities(
    config: ConfigSpace,
    ident: PciIdentity,
    *,
    msix_vectors: int,
    msix_bar: int,
    msix_table_offset: int,
    msix_pba_offset: int,
) -> None:
    """PM, VPD, MSI-X, PCI Express, then AER and Device Serial Number in extended space."""
    if not 1 <= msix_vectors <= MSIX_MAX_VECTORS:
        raise ValueError(f"{msix_vectors} MSI-X vectors")
    _add_power_management(config)
    _capability(
        config,
        _CAP_VPD,
        VPD_OFFSET,
        MSIX_OFFSET,
        register(
            "VPD_ADDRESS",
            2,
            2,
            Field("ADDRESS", 14, 0, FieldAccess.RW),
            Field("F", 15, 15, FieldAccess.RW),
        ),
        read_write("VPD_DATA", 4, 4),
    )
    _capability(
        config,
        _CAP_MSIX,
        MSIX_OFFSET,
        EXPRESS_OFFSET,
        register(
            "MSIX_CONTROL",
            2,
            2,
            Field("TABLE_SIZE", 10, 0, FieldAccess.RO, msix_vectors - 1),
            Field("FUNCTION_MASK", 14, 14, FieldAccess.RW),
            Field("ENABLE", 15, 15, FieldAccess.RW),
        ),
        constant("MSIX_TABLE", 4, 4, msix_table_offset | msix_bar),
        constant("MSIX_PBA", 8, 4, msix_pba_offset | msix_bar),
    )
    _add_express(config)
    _add_aer(config)
    _extended(config, _EXT_DSN, 1, DSN_OFFSET, 0)
    config.add(constant("SERIAL_NUMBER", DSN_OFFSET + 4, 8, ident.serial_number))


def _add_power_management(config: ConfigSpace) -> None:
    """Power Management Capability (7.5.2), version 3, PME from D0, D3hot and D3cold."""
    _capability(
        config,
        _CAP_PM,
        PM_OFFSET,
        VPD_OFFSET,
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


def _add_express(config: ConfigSpace) -> None:
    """PCI Express Capability (7.5.3), version 2, endpoint, link trained at 16 GT/s x16."""
    _capability(
        config,
        _CAP_EXPRESS,
        EXPRESS_OFFSET,
        0,
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
            Field("MAX_LINK_SPEED", 3, 0, FieldAccess.RO, _SPEED_16GT),
            Field("MAX_LINK_WIDTH", 9, 4, FieldAccess.RO, _WIDTH_X16),
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
            Field("CURRENT_LINK_SPEED", 3, 0, FieldAccess.RO, _SPEED_16GT),
            Field("NEGOTIATED_LINK_WIDTH", 9, 4, FieldAccess.RO, _WIDTH_X16),
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
            "LINK_CAPABILITIES_2", 44, 4, Field("SUPPORTED_SPEEDS", 7, 1, FieldAccess.RO, 0b1111)
        ),
        register(
            "LINK_CONTROL_2", 48, 2, Field("TARGET_LINK_SPEED", 3, 0, FieldAccess.RW, _SPEED_16GT)
        ),
        constant("LINK_STATUS_2", 50, 2, 0),
    )


def _add_aer(config: ConfigSpace) -> None:
    """Advanced Error Reporting (7.8.4), version 2."""
    _extended(config, _EXT_AER, 2, AER_OFFSET, DSN_OFFSET)
    uncorrectable = 0x007FF030
    correctable = 0x000031C1
    for name, offset, mask, rule, reset in (
        ("AER_UNCORRECTABLE_STATUS", 4, uncorrectable, FieldAccess.RW1C, 0),
        ("AER_UNCORRECTABLE_MASK", 8, uncorrectable, FieldAccess.RW, 0x00400000),
        ("AER_UNCORRECTABLE_SEVERITY", 12, uncorrectable, FieldAccess.RW, 0x00462030),
        ("AER_CORRECTABLE_STATUS", 16, correctable, FieldAccess.RW1C, 0),
        ("AER_CORRECTABLE_MASK", 20, correctable, FieldAccess.RW, 0x00002000),
    ):
        bits = (b for b in range(32) if mask >> b & 1)
        fields = [Field(f"BIT_{b}", b, b, rule, reset >> b & 1) for b in bits]
        config.add(register(name, AER_OFFSET + offset, 4, *fields))
    config.add(
        register(
            "AER_CONTROL",
            AER_OFFSET + 24,
            4,
            Field("FIRST_ERROR_POINTER", 4, 0),
            Field("ECRC_GENERATION_CAPABLE", 5, 5, FieldAccess.RO, 1),
            Field("ECRC_GENERATION_ENABLE", 6, 6, FieldAccess.RW),
            Field("ECRC_CHECK_CAPABLE", 7, 7, FieldAccess.RO, 1),
            Field("ECRC_CHECK_ENABLE", 8, 8, FieldAccess.RW),
        )
    )
    config.add(constant("AER_HEADER_LOG", AER_OFFSET + 28, 16, 0))
