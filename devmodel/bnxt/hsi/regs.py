# SPDX-License-Identifier: GPL-2.0-only
"""Registers of BAR0, doorbells of BAR2, and the health block (struct hcomm_status).

Source: BNXT_GRCPF_REG_*, BNXT_FW_HEALTH_*, DBR_* of bnxt.h; HCOMM_STATUS_* of linux/bnxt/hsi.h.
"""

from __future__ import annotations

import enum
from typing import Final

from devmodel.layout import Layout, layout, le32

CHIMP_WINDOW: Final = 0x0
CHIMP_TRIGGER: Final = 0x100
GRC_WINDOW_BASES: Final = range(0x400, 0x424, 4)
"""Window base registers; window ``n`` (from 1) is at 0x400 + 4 * (n - 1)."""
FW_STATUS: Final = 0x520
FW_HEARTBEAT: Final = 0x528
FW_RESET_COUNT: Final = 0x52C
FW_RESET: Final = 0x530
"""Where this card has them; a driver asks ERROR_RECOVERY_QCFG."""
GRC_APERTURE_BYTES: Final = 0x1000
"""The aperture of window ``n`` is at ``n`` times this."""
HCOMM_GRC_ADDRESS: Final = 0x31001F0
"""struct hcomm_status; the card keeps the status word right behind it."""

REGISTER_VIEW: Final = 0x8000_0000
"""Where the firmware sees the registers (CHIMP_REG_VIEW_ADDR); that they are BAR0's is a guess."""
REGISTER_VIEW_BYTES: Final = 0x1_0000

FW_STATUS_HEALTHY: Final = 0x8000

DOORBELL_PF_OFFSET: Final = 0x10000
"""BAR2: the PF's doorbell, one 64-bit register."""
DOORBELL_VF_OFFSET: Final = 0x4000
"""BAR2: a VF's."""


@layout(size=8, c_name="hcomm_status")
class HcommStatus(Layout):
    """Where the firmware status word is; bits 1..0 of the location are the address space."""

    sig_ver: le32 = 0x48435301
    fw_status_loc: le32 = 0


class DbType(enum.IntEnum):
    """Bits 63..60 of a doorbell."""

    SQ = 0x0
    RQ = 0x1
    SRQ = 0x2
    SRQ_ARM = 0x3
    CQ = 0x4
    CQ_ARMSE = 0x5
    CQ_ARMALL = 0x6
    CQ_ARMENA = 0x7
    SRQ_ARMENA = 0x8
    CQ_CUTOFF_ACK = 0x9
    NQ = 0xA
    NQ_ARM = 0xB
    NQ_MASK = 0xE
    NULL = 0xF


DB_PATH_L2: Final = 1 << 56
DB_INDEX_MASK: Final = 0xFF_FFFF
DB_XID_SHIFT: Final = 32
DB_XID_MASK: Final = 0xF_FFFF
DB_TYPE_SHIFT: Final = 60
