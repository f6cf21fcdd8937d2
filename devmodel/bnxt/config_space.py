# SPDX-License-Identifier: GPL-2.0-only
"""The board in configuration space: identity, BARs and capabilities.

Offsets and values follow public ``lspci -vvv`` dumps of Broadcom NetXtreme-E boards, except that
the link says what a Gen4 x16 board says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from devmodel.bnxt.hsi.regs import DOORBELL_PF_OFFSET, DOORBELL_VF_OFFSET
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
from devmodel.pci.sriov import SingleRootIov

REGISTER_BAR, DOORBELL_BAR, MSIX_BAR = 0, 2, 4
MSIX_PBA_OFFSET = 0x4000

PM_OFFSET = 0x48
VPD_OFFSET = 0x50
MSIX_OFFSET = 0xA0
EXPRESS_OFFSET = 0xAC
AER_OFFSET = 0x100
DSN_OFFSET = 0x13C
SRIOV_OFFSET = 0x230

_BROADCOM = 0x14E4
_CLASS_ETHERNET = 0x020000
_SPEED_16GT = 4
_LANES = 16
_VF_DEVICE_ID = 0x1806
_VF_STRIDE = 8
"""A slot apart: User Mode Linux has a device behind function 0 of a slot only."""
VF_MSIX_VECTORS = 16
_VF_MSIX_PBA_OFFSET = 0x2000
_VF_BARS = {
    REGISTER_BAR: Bar(0x4000),
    DOORBELL_BAR: Bar(0x8000),
    MSIX_BAR: Bar(0x4000),
}
"""Sizes are guesses: bnxt_en rings at 0x4000 of the second (DB_VF_OFFSET_P5)."""


@dataclass(frozen=True, slots=True)
class Face:
    """A function as the bus sees it.

    :ivar doorbell_offset: where in their BAR the doorbells are.
    """

    identity: PciIdentity
    bars: dict[int, Bar]
    capabilities: tuple[Capability, ...]
    doorbell_offset: int


def physical_face(nic: Identity) -> Face:
    """That of the board, which names its virtual functions if it has any."""
    shown = capabilities(nic)
    if nic.virtual_functions:
        shown += (
            SingleRootIov(
                SRIOV_OFFSET,
                total=nic.virtual_functions,
                first_offset=_VF_STRIDE,
                stride=_VF_STRIDE,
                device_id=_VF_DEVICE_ID,
                bars=_VF_BARS,
            ),
        )
    return Face(pci_identity(nic), bars(nic), shown, DOORBELL_PF_OFFSET)


def virtual_face(nic: Identity) -> Face:
    """That of one of its virtual functions."""
    shown = (
        Msix(MSIX_OFFSET, VF_MSIX_VECTORS, MSIX_BAR, 0, _VF_MSIX_PBA_OFFSET),
        Express(EXPRESS_OFFSET, speed=_SPEED_16GT, width=_LANES),
        AdvancedErrorReporting(AER_OFFSET),
    )
    identity = replace(pci_identity(nic), is_virtual=True)
    return Face(identity, _VF_BARS, shown, DOORBELL_VF_OFFSET)


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
