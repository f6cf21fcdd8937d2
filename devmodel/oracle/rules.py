# SPDX-License-Identifier: GPL-2.0-only
"""What a rule of the oracle is, and those of DMA that hold for every card.

A verdict is a violation record with what :class:`OracleRule` and the oracle's memory add. A card
gives the oracle a table of rules: these, and its own.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Culprit(enum.StrEnum):
    """Whose fault it is."""

    DRIVER = "driver"
    CARD_MODEL = "card model"
    INJECTED_FAULT = "injected fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OracleRule:
    """What is known about a rule without looking at the case.

    :ivar cause: the mistake that most likely leads to it.
    :ivar unseen: what the card cannot tell about it; empty if nothing is missing.
    :ivar points: injection points at which a fault makes the card itself break the rule, when it
        acts on the ring that the verdict names. What a fault does at once it is blamed for anyway.
    """

    cause: str
    culprit: Culprit = Culprit.DRIVER
    unseen: str = ""
    points: tuple[str, ...] = ()


RuleTable = Mapping[str, OracleRule]
"""By name. A violation that is not listed is the driver's, without a suggestion."""

UNLISTED = OracleRule("")

_ACCESS = (
    "reads of memory mapped for the device to write: vIOMMU and QEMU report such mappings as "
    "readable"
)

DMA_RULES: RuleTable = {
    # -- mappings ---------------------------------------------------------------------------------
    "unmap_while_owned": OracleRule(
        "the driver unmapped a buffer that it had posted and that the card had not completed; "
        "page_pool or the driver let go of it too early, or before the ring was freed",
        unseen="without an IOMMU, every unmap",
    ),
    "unmap_of_ring": OracleRule(
        "memory the card writes to was freed before the card was done with it",
        unseen="without an IOMMU, every unmap",
    ),
    "unmap_length": OracleRule(
        "the driver unmapped less than it had mapped: dma_unmap was told another length than "
        "dma_map",
        unseen="buffers that are not sent, or lie in one page; an unmap that is too long, unless "
        "it hits what the card owns; the direction, which no IOMMU is told of",
    ),
    "mapping_leaked": OracleRule(
        "a missing dma_unmap: pages, niovs or ring memory still mapped after the driver let go "
        "of the function",
        unseen="who holds the pages: a socket, a user of zcrx, or nobody",
    ),
    "mapped_after_reset": OracleRule(
        "a buffer that was posted when a reset took its ring is still mapped, though the driver is "
        "through with it: it forgot the buffers of a ring that was gone",
        unseen="buffers smaller or larger than a page, or of memory mapped in one piece",
    ),
    # -- posting ----------------------------------------------------------------------------------
    "posted_unmapped": OracleRule(
        "a descriptor names an address that is not mapped: an allocation failure was ignored, or "
        "the buffer was unmapped before it was posted"
    ),
    "posted_not_writable": OracleRule(
        "the buffer was mapped DMA_TO_DEVICE and posted for receiving: wrong DMA direction",
        unseen=_ACCESS,
    ),
    "posted_twice": OracleRule(
        "one buffer has two descriptors: it was recycled while the ring still owned it, or "
        "recycled twice",
        unseen="a buffer recycled early but posted only once: its reader sees changing data",
    ),
    "buffers_overlap": OracleRule(
        "buffers are longer than the share of the page each was given: headroom or alignment "
        "counted twice"
    ),
    "two_owners": OracleRule(
        "one page is posted in a ring and mapped again: it was freed to the page allocator while "
        "the card may still write to it",
        unseen="the other owner, unless it maps the page for this device; memory of a single page "
        "that is bound a second time is taken for it",
    ),
    "buffer_length": OracleRule(
        "the descriptor's length is not the buffer size of the ring: the card would write "
        "beyond the buffer, or split packets the driver does not expect split"
    ),
    "descriptor_changed": OracleRule(
        "the driver rewrote a descriptor the card already owned: its producer index is wrong",
        unseen="a change and back between doorbell and fetch",
    ),
    # -- writes -----------------------------------------------------------------------------------
    "write_never_posted": OracleRule(
        "the card wrote to memory that nobody gave it", culprit=Culprit.CARD_MODEL
    ),
    "write_after_completion": OracleRule(
        "the card wrote to a buffer after it had completed it", culprit=Culprit.CARD_MODEL
    ),
    "write_after_free": OracleRule(
        "the card wrote to a buffer of a ring after the ring was freed",
        culprit=Culprit.CARD_MODEL,
    ),
    "write_outside_buffer": OracleRule(
        "the card wrote beyond the end of a descriptor's buffer", culprit=Culprit.CARD_MODEL
    ),
}
