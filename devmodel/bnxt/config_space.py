# SPDX-License-Identifier: GPL-2.0-only
"""The board in configuration space: identity, BARs and capabilities.

Offsets and values follow public ``lspci -vvv`` dumps of Broadcom NetXtreme-E boards, except that
the link says what a Gen4 x16 board says.
"""

from __future__ import annotations

from devmodel.bnxt.identity import Identity
from devmodel.pci.caps import (
    AdvancedErrorReporting,
    Capability,
    Express,
    Msix,
    PowerManagement,
    SerialNumber,
    VitalProductData,
    eui64,
    vpd_image,
)
from devmodel.pci.header import Bar, PciIdentity

REGISTER_BAR, DOORBELL_BAR, MSIX_BAR = 0, 2, 4
MSIX_PBA_OFFSET = 0x4000

PM_OFFSET = 0x48
VPD_OFFSET = 0x50
MSIX_OFFSET = 0xA0
EXPRESS_OFFSET = 0xAC
AER_OFFSET = 0x100
DSN_OFFSET = 0x13C

_BROADCOM = 0x14E4
_CLASS_ETHERNET = 0x020000
_SPEED_16GT = 4
_LANES = 16


def pci_identity(nic: Identity) -> PciIdentity:
    """Header of a board with that identity."""
    return PciIdentity(
        vendor_id=_BROADCOM,
        device_id=nic.pci_device_id or nic.chip_num,
        revision_id=nic.pci_revision,
        class_code=_CLASS_ETHERNET,
        subsystem_vendor_id=_BROADCOM,
        subsystem_id=nic.subsystem_id,
    )


def bars(nic: Identity) -> dict[int, Bar]:
    """The memory it shows: registers, doorbells, MSI-X."""
    return {
        REGISTER_BAR: Bar(nic.register_bar_kib << 10),
        DOORBELL_BAR: Bar(nic.doorbell_bar_mib << 20),
        MSIX_BAR: Bar(nic.msix_bar_kib << 10),
    }


def vital_product_data(nic: Identity) -> bytes:
    """What the board says of itself, from its NVM."""
    return vpd_image(
        "Broadcom NetXtreme-E Ethernet (emulated)",
        {"PN": nic.board, "SN": nic.serial, "MN": "14E4"},
    )


def capabilities(nic: Identity) -> tuple[Capability, ...]:
    """Everything the board can, in the order in which it is linked."""
    return (
        PowerManagement(PM_OFFSET),
        VitalProductData(VPD_OFFSET, vital_product_data(nic)),
        Msix(MSIX_OFFSET, nic.limits.msix, MSIX_BAR, table_offset=0, pba_offset=MSIX_PBA_OFFSET),
        Express(EXPRESS_OFFSET, speed=_SPEED_16GT, width=_LANES),
        AdvancedErrorReporting(AER_OFFSET),
        SerialNumber(DSN_OFFSET, eui64(nic.mac)),
    )
