# SPDX-License-Identifier: GPL-2.0-only
"""Single Root I/O Virtualization: what makes a physical function show virtual ones.

Sections are of the PCI Express Base Specification 5.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devmodel.pci.caps import Capability
from devmodel.pci.config import Field, FieldAccess, Register, constant, read_write, register
from devmodel.pci.header import Bar

_PAGE_SIZES = 0x553
"""4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB, which every device has to support (9.3.3.12)."""
_4_KIB = 1
_FIRST_BAR = 0x24


@dataclass(frozen=True, slots=True)
class SingleRootIov(Capability):
    """SR-IOV (9.3.3) of a function with ``total`` virtual ones.

    :ivar first_offset: routing id of the first virtual function less that of the physical one.
    :ivar stride: the same, between two virtual functions.
    :ivar device_id: of each of them.
    :ivar bars: BARs of one of them; the host gives all of them memory in one piece.
    """

    ID = 0x0010
    VERSION = 1

    total: int
    first_offset: int
    stride: int
    device_id: int
    bars: Mapping[int, Bar]

    def registers(self) -> Sequence[Register]:
        """Control, counts, where the functions are, and their BARs."""
        return (
            constant("SRIOV_CAPABILITIES", 4, 4, 0),
            register(
                "SRIOV_CONTROL",
                8,
                2,
                Field("VF_ENABLE", 0, 0, FieldAccess.RW),
                Field("VF_MEMORY_SPACE_ENABLE", 3, 3, FieldAccess.RW),
            ),
            constant("SRIOV_STATUS", 10, 2, 0),
            constant("SRIOV_INITIAL_VFS", 12, 2, self.total),
            constant("SRIOV_TOTAL_VFS", 14, 2, self.total),
            read_write("SRIOV_NUM_VFS", 16, 2),
            constant("SRIOV_FUNCTION_LINK", 18, 2, 0),
            constant("SRIOV_FIRST_OFFSET", 20, 2, self.first_offset),
            constant("SRIOV_STRIDE", 22, 2, self.stride),
            constant("SRIOV_DEVICE_ID", 26, 2, self.device_id),
            constant("SRIOV_PAGE_SIZES", 28, 4, _PAGE_SIZES),
            read_write("SRIOV_PAGE_SIZE", 32, 4, _4_KIB),
            *(
                bar.register(index, f"VF_BAR{index}", _FIRST_BAR)
                for index, bar in self.bars.items()
            ),
        )
