# SPDX-License-Identifier: GPL-2.0-only
"""Faults that no driver can survive where no IOMMU stands between card and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNMAPPED = 0xDEAD_0000_0000
"""An address that no guest has."""
_ADDRESSES = ("addr", "req.length", "page_size", "page_tbl_depth", "fbo", "rx_buf_size")


def is_wild(fault: Mapping[str, Any]) -> bool:
    """Whether the card writes where no driver has told it to, or long after it was told to.

    Without an IOMMU that damages any memory of the guest, and nobody is to blame but the card.
    """
    where, what = str(fault["where"]), fault["what"]
    match, fields = fault.get("when", {}).get("match", {}), what.get("fields", {})
    if what.get("do") == "dma_write":
        return bool(what.get("params", {}).get("iova", 0) != UNMAPPED)
    if where == "dma.write":
        late = bool({"after_ns", "until"} & set(what)) and what["action"] != "card"
        in_a_ring = match.get("purpose") in ("cqe", "nqe")
        return (late and not in_a_ring) or not _stays(fields)
    if where == "dma.read":
        harmless = match.get("purpose") == "payload" or match.get("ring") == "TX"
        return not harmless and bool(fields) and fields != {"iova": UNMAPPED}
    if where == "doorbell.write":
        return bool(fields) and match.get("type") not in ("SQ", "CQ", "CQ_ARMALL", "NQ", "NQ_ARM")
    if where == "hwrm.request":
        return any(part in name for name in fields for part in _ADDRESSES)
    return False


def _stays(fields: Mapping[str, Any]) -> bool:
    """Whether a write with these fields stays within the bytes that it was to write."""
    length = fields.get("length", 0)
    shorter = bool(length.get("add", 1) < 0 if isinstance(length, Mapping) else length <= 8)
    return shorter and fields.get("iova", UNMAPPED) == UNMAPPED
