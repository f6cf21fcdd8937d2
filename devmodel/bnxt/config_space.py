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
BARS = {REGISTER_BAR: Bar(64 << 10), DOORBELL_BAR: Bar(16 << 20), MSIX_BAR: Bar(32 << 10)}
MSIX_PBA_OFFSET = 0x4000

PM_OFFSET = 0x48
VPD_OFFSET = 0x50
MSIX_OFFSET = 0xA0
EXPRESS_OFFSET = 0xAC
AER_OFFSET = 0x100
DSN_OFFSET = 0x13C

_BROADCOM = 0x14E4
_CLASS_ETHERNET = 0x020000
_REVISION = 0x12
_SPEED_16GT = 4
_LANES = 16


def pci_identity(nic: Identity) -> PciIdentity:
    """Header of a board with that identity."""
    return PciIdentity(
        vendor_id=_BROADCOM,
        device_id=nic.chip_num,
        revision_id=_REVISION,
        class_code=_CLASS_ETHERNET,
        subsystem_vendor_id=_BROADCOM,
        subsystem_id=nic.subsystem_id,
    )


def capabilities(nic: Identity) -> tuple[Capability, ...]:
    """Everything the board can, in the order in which it is linked."""
    vpd = vpd_image(
        "Broadcom NetXtreme-E Ethernet (emulated)",
        {"PN": nic.board, "SN": nic.serial, "MN": "14E4"},
    )
    return (
        PowerManagement(PM_OFFSET),
        VitalProductData(VPD_OFFSET, vpd),
        Msix(MSIX_OFFSET, nic.limits.msix, MSIX_BAR, table_offset=0, pba_offset=MSIX_PBA_OFFSET),
        Express(EXPRESS_OFFSET, speed=_SPEED_16GT, width=_LANES),
        AdvancedErrorReporting(AER_OFFSET),
        SerialNumber(DSN_OFFSET, eui64(nic.mac)),
    )
