# SPDX-License-Identifier: GPL-2.0-only
"""Variables of the NVM: numbered options, each an array of small integers, kept in an item.

Numbers and sizes are those that bnxt_devlink.h asks for. How a real card codes them is not
published: here the item is a list of (option, index, value). The defaults are guesses, except that
the card says of itself what it can do.
"""

from __future__ import annotations

from dataclasses import dataclass

from devmodel.bnxt.identity import Identity
from devmodel.bnxt.nvm.image import DirType
from devmodel.layout import Layout, layout, le16, le32


@dataclass(frozen=True, slots=True)
class Variable:
    """One option.

    :ivar item: type of the item that keeps it.
    :ivar bits: size of a value.
    :ivar defaults: the values that a card has from its factory, one for each index.
    :ivar read_only: NVM_SET_VARIABLE is refused.
    """

    item: DirType
    bits: int
    defaults: tuple[int, ...]
    read_only: bool = False


@layout(size=8, c_name="")
class VariableRecord(Layout):
    """A value that is not the default."""

    option: le16 = 0
    index: le16 = 0
    value: le32 = 0


def variables(nic: Identity) -> dict[int, Variable]:
    """Option number -> variable (NVM_OFF_* of bnxt_devlink.h).

    Those of FUNC_CFG have a value for each function, by its id less 1: here up to the card's own.
    """
    return {
        108: Variable(DirType.SHARED_CFG, 10, (nic.limits.msix & 0x3FF,)),  # MSIX_VEC_PER_PF_MAX
        114: Variable(DirType.SHARED_CFG, 7, (0,)),  # MSIX_VEC_PER_PF_MIN
        161: Variable(DirType.SHARED_CFG, 1, (0,), read_only=True),  # RDMA_CAPABLE
        164: Variable(DirType.SHARED_CFG, 1, (0,)),  # IGNORE_ARI
        171: Variable(DirType.SHARED_CFG, 1, (0,)),  # DIS_GRE_VER_CHECK
        401: Variable(DirType.SHARED_CFG, 1, (0,)),  # ENABLE_SRIOV
        506: Variable(DirType.FUNC_CFG, 1, (0,) * max(nic.fid, 1)),  # SUPPORT_RDMA
        602: Variable(DirType.SHARED_CFG, 8, nic.nvm_config[::-1], read_only=True),  # NVM_CFG_VER
    }


def read_records(data: bytes) -> dict[tuple[int, int], int]:
    """(option, index) -> value."""
    count = len(data) // VariableRecord.SIZE
    records = (VariableRecord.unpack(data, i * VariableRecord.SIZE) for i in range(count))
    return {(record.option, record.index): record.value for record in records}


def write_records(values: dict[tuple[int, int], int]) -> bytes:
    """The item's data."""
    return b"".join(
        VariableRecord(option, index, value).pack()
        for (option, index), value in sorted(values.items())
    )
