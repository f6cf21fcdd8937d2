# SPDX-License-Identifier: GPL-2.0-only
"""Every rule a verdict on this card's driver can name, in the words of its firmware commands."""

from __future__ import annotations

from devmodel.oracle.rules import DMA_RULES, Culprit, OracleRule, RuleTable

_ADDRESS = "whether the page still belongs to the driver: only its mapping shows"
_ACCESS = (
    "reads of memory mapped for the device to write: vIOMMU and QEMU report such mappings as "
    "readable"
)

RULES: RuleTable = {
    **DMA_RULES,
    # -- mappings ---------------------------------------------------------------------------------
    "rx_buffer": OracleRule(
        "the driver unmapped a receive buffer without taking it back from the ring, or posted an "
        "address it never mapped",
        unseen=_ACCESS,
    ),
    "tx_buffer": OracleRule(
        "the driver unmapped a transmit buffer before its completion, or posted an address it "
        "never mapped",
        unseen=_ACCESS,
    ),
    "bd_fetch": OracleRule("descriptor memory was unmapped before RING_FREE", unseen=_ADDRESS),
    "completion_write": OracleRule("completion ring memory was unmapped before RING_FREE"),
    "stats_write": OracleRule("the statistics block was unmapped before STAT_CTX_FREE"),
    "hwrm_response_address": OracleRule(
        "the response buffer was unmapped while a request was pending"
    ),
    "hwrm_request_address": OracleRule("the request buffer was unmapped or never mapped"),
    "hwrm_indirect_read": OracleRule("a table named by the request is not mapped", unseen=_ACCESS),
    "hwrm_indirect_write": OracleRule("a buffer named by the request is not mapped for writing"),
    "unmap_while_owned": OracleRule(
        "the driver unmapped a buffer that it had posted and that the card had not completed; "
        "page_pool or the driver let go of it too early, or before RING_FREE",
        unseen="without an IOMMU, every unmap",
    ),
    "unmap_of_ring": OracleRule(
        "ring, statistics or context memory was freed before RING_FREE, STAT_CTX_FREE or "
        "FUNC_RESET was answered",
        unseen="without an IOMMU, every unmap",
    ),
    "context_read": OracleRule("context memory was unmapped before FUNC_RESET", unseen=_ADDRESS),
    "context_write": OracleRule("context memory was unmapped before FUNC_RESET"),
    "context_changed": OracleRule(
        "context memory was written by another: it was freed while the card had it configured, or "
        "it overlaps other memory"
    ),
    "context_not_initialised": OracleRule(
        "the driver did not write the initial value into an entry of context memory, or freed it"
    ),
    # -- posting ----------------------------------------------------------------------------------
    "buffer_length": OracleRule(
        "the descriptor's length is not the buffer size told to RING_ALLOC: the card would write "
        "beyond the buffer, or split packets the driver does not expect split"
    ),
    # -- writes -----------------------------------------------------------------------------------
    "write_after_free": OracleRule(
        "the card wrote to a buffer of a ring after RING_FREE was answered",
        culprit=Culprit.CARD_MODEL,
    ),
    "payload_in_header_buffer": OracleRule(
        "the card put payload behind the header of a packet it reported as split",
        culprit=Culprit.CARD_MODEL,
        points=("rx.place",),
    ),
    "header_in_payload_buffer": OracleRule(
        "the card split a packet before the end of its headers",
        culprit=Culprit.CARD_MODEL,
        points=("rx.place",),
    ),
    # -- completions and doorbells ----------------------------------------------------------------
    "completion_not_of_ring": OracleRule(
        "a completion names a buffer the card had not taken, or names it twice",
        culprit=Culprit.CARD_MODEL,
    ),
    "completion_missing": OracleRule(
        "the card took a buffer and told of no packet in it", culprit=Culprit.CARD_MODEL
    ),
    "doorbell_past_producer": OracleRule(
        "the driver consumed a completion that was not produced: it read the valid bit wrong, or "
        "its consumer index ran ahead"
    ),
    "doorbell_backwards": OracleRule(
        "the driver's producer passed the card's consumer: it posted more than the ring holds, or "
        "its index went backwards"
    ),
    "doorbell_index": OracleRule("an index without mask: the driver forgot to wrap it"),
    "doorbell_unknown_ring": OracleRule("a doorbell of a ring that was freed, or never was"),
    "doorbell_wrong_type": OracleRule("a doorbell key was kept across a change of ring ids"),
    "tx_partial_packet": OracleRule(
        "the doorbell is not at the end of a packet: the producer index ran ahead, or descriptors "
        "of a packet were not filled"
    ),
    "tx_bd_type": OracleRule("a descriptor that was never filled, or left from an earlier round"),
    "tx_packet_end": OracleRule("descriptors of two packets run into each other"),
    "completion_overflow": OracleRule(
        "the completion ring is too small for the rings behind it, or the driver does not consume",
        culprit=Culprit.UNKNOWN,
    ),
    "completion_to_freed_ring": OracleRule(
        "a completion ring was freed before the rings that complete into it",
        culprit=Culprit.UNKNOWN,
    ),
    # -- firmware ledger --------------------------------------------------------------------------
    "fw_left_after_close": OracleRule(
        "the driver closed all rings and left firmware objects behind: the free was skipped "
        "because the interface was already down, or an error path forgot it",
        unseen="whether the driver still knows of the object",
    ),
    "fw_left_after_unregister": OracleRule(
        "the driver unregistered without freeing what it allocated from the firmware"
    ),
    "ring_left_at_restart": OracleRule(
        "queue restart gave the queue a new RX ring without freeing the old aggregation ring: its "
        "buffers go back to the driver while the card owns them"
    ),
    "ring_free_in_use": OracleRule(
        "rings freed in the wrong order: one still completes into this one"
    ),
    "ring_free_in_rss_table": OracleRule(
        "queue restart did not stop every VNIC that spreads packets to this ring"
    ),
    "vnic_names_freed_ring": OracleRule(
        "queue restart did not refresh a VNIC: its default ring or RSS table names a freed ring"
    ),
    "filter_leads_nowhere": OracleRule(
        "an ntuple filter outlived its VNIC, or names a bucket that the VNIC's RSS table has not: "
        "its packets are lost, or go to the VNIC that got the id"
    ),
    "vnic_names_unknown_ring": OracleRule(
        "an RSS table or default ring was written with stale ids"
    ),
    "stat_ctx_free_in_use": OracleRule(
        "a statistics context freed before the rings that count into it"
    ),
    "hwrm_unknown_id": OracleRule(
        "the driver named an object it does not have: freed twice, freed with its parent, or the "
        "allocation failed and its error was ignored"
    ),
    "hwrm_over_reservation": OracleRule("more was allocated than FUNC_CFG reserved"),
}
