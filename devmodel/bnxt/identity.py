# SPDX-License-Identifier: GPL-2.0-only
"""What the card says it is: versions, limits and capabilities, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources of the function, in the units of FUNC_RESOURCE_QCAPS."""

    msix: int = 32
    rsscos_ctx: int = 128
    cmpl_rings: int = 192
    tx_rings: int = 64
    rx_rings: int = 128
    l2_ctxs: int = 16
    vnics: int = 16
    stat_ctx: int = 64
    hw_ring_grps: int = 64
    l2_filters: int = 64
    ntuple_filters: int = 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """The card as firmware and NVM describe it (struct hwrm_ver_get_output and friends)."""

    mac: bytes = bytes.fromhex("00101820aa01")
    limits: Limits = field(default_factory=Limits)
