# SPDX-License-Identifier: GPL-2.0-only
"""What the oracle says to each bug of the driver."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import FROM_SOCKETS, Oracle, Seeded

_bug = partial(Seeded, "driver")
_on_qemu = partial(Seeded, "driver", engine="qemu")
_CANNOT_OPEN = "the interface cannot be opened again"
_LEFT = ("hwrm_over_reservation", "fw_left_after_unregister")

DRIVER: Sequence[Seeded] = (
    # -- what is posted ------------------------------------------------------------------------
    _bug(
        "agg_page_posted_twice",
        Oracle(rules=("posted_twice",), others="data received by sockets and by zcrx is wrong"),
        in_sample=True,
    ),
    _bug(
        "agg_address_zero", Oracle(rules=("posted_unmapped", "rx_buffer"), others="retransmissions")
    ),
    _bug(
        "restart_posts_empty_ring",
        Oracle(
            rules=("posted_unmapped",),
            consequences=("descriptor_changed", "doorbell_backwards", "posted_twice", "rx_buffer"),
        ),
    ),
    _bug("agg_bd_too_long", Oracle(rules=("buffer_length",))),
    _bug("rx_buffers_overlap", Oracle(rules=("buffers_overlap",))),
    # -- doorbells -----------------------------------------------------------------------------
    _bug(
        "agg_doorbell_ahead",
        Oracle(rules=("posted_unmapped", "descriptor_changed"), consequences=("posted_twice",)),
    ),
    _bug("rx_doorbell_backwards", Oracle(rules=("doorbell_backwards",))),
    _bug("cq_doorbell_ahead", Oracle(rules=("doorbell_past_producer",))),
    _bug("tx_doorbell_ahead", Oracle(rules=("tx_partial_packet",))),
    # -- firmware objects ----------------------------------------------------------------------
    _bug(
        "rx_ring_left",
        Oracle(
            rules=("fw_left_after_close",),
            consequences=(*_LEFT, "ring_free_in_use", "stat_ctx_free_in_use", "posted_twice"),
            others=_CANNOT_OPEN,
        ),
    ),
    _bug(
        "agg_ring_left_at_restart",
        Oracle(
            rules=("ring_left_at_restart",),
            consequences=("hwrm_over_reservation",),
            others="panic in bnxt_queue_start()",
        ),
    ),
    _bug("restart_under_traffic", Oracle(rules=("ring_free_in_rss_table",))),
    _bug(
        "rss_context_forgotten",
        Oracle(rules=("ring_free_in_rss_table",), workloads=("restart-context", "unbind")),
    ),
    _bug(
        "vnic_left",
        Oracle(
            rules=("fw_left_after_close",),
            consequences=(*_LEFT, "ring_free_in_rss_table", "vnic_names_freed_ring"),
            others=_CANNOT_OPEN,
        ),
    ),
    _bug(
        "stat_ctx_left",
        Oracle(
            rules=("fw_left_after_unregister", "hwrm_over_reservation"),
            consequences=("stats_write",),
            others=_CANNOT_OPEN,
        ),
    ),
    _bug("l2_filter_left", Oracle(rules=("fw_left_after_close", "fw_left_after_unregister"))),
    _bug(
        "rss_context_left",
        Oracle(rules=("fw_left_after_close",), consequences=_LEFT, others=_CANNOT_OPEN),
    ),
    _bug(
        "agg_ring_freed_twice",
        Oracle(rules=("hwrm_unknown_id",), others="the driver logs the refused request"),
    ),
    _bug("rss_table_stale", Oracle(rules=("vnic_names_freed_ring",)), in_sample=True),
    _bug("default_ring_stale", Oracle(rules=("vnic_names_freed_ring",))),
    _bug("cq_freed_first", Oracle(rules=("ring_free_in_use",))),
    _bug("nq_freed_first", Oracle(rules=("ring_free_in_use",)), in_sample=True),
    # -- mappings: only an IOMMU shows them ----------------------------------------------------
    _on_qemu(
        "tx_head_not_unmapped",
        Oracle(rules=("mapping_leaked",), others="DMA_API_DEBUG at unbind", workloads=FROM_SOCKETS),
    ),
    _on_qemu(
        "tx_unmapped_early",
        Oracle(rules=("tx_buffer",), others="no packet leaves", workloads=FROM_SOCKETS),
        in_sample=True,
    ),
    _on_qemu(
        "tx_fragment_unmapped_short",
        Oracle(
            rules=("unmap_length", "mapping_leaked"),
            others="DMA_API_DEBUG",
            workloads=FROM_SOCKETS,
        ),
    ),
    _on_qemu("ring_memory_freed_early", Oracle(rules=("unmap_of_ring",), workloads=FROM_SOCKETS)),
    # -- what no device can see ----------------------------------------------------------------
    _bug(
        "header_split_off",
        Oracle(
            rules=(), others="zcrx does not get its data: copying falls short of buffers (ENOMEM)"
        ),
    ),
    _bug("rx_sync_missing", Oracle(rules=())),
)
