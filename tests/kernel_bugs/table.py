# SPDX-License-Identifier: GPL-2.0-only
"""What the card's oracle says to each seeded bug, and what else sees it.

The table of docs/oracle-bugs.md is made of this one: ``python -m tests.kernel_bugs.table``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_SUBJECT = re.compile(r"^Subject: \[PATCH\] Seeded bug: (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One seeded bug.

    :ivar rules: each of these must be among the verdicts, the driver the culprit; empty for a bug
        that no device can see, about which the oracle must say nothing.
    :ivar consequences: verdicts on what follows from the bug, which may come as well.
    :ivar others: what else was seen in the same run: traffic, kernel log, DMA_API_DEBUG (on QEMU).
    :ivar in_sample: one of the few that every CI run builds and boots.
    """

    name: str
    rules: tuple[str, ...]
    consequences: tuple[str, ...] = ()
    others: str
    phases: Sequence[str] = ("stream", "zcrx", "restart")
    engine: str = "uml"
    in_sample: bool = False

    @property
    def patch(self) -> Path:
        """The bug itself; its head says which promise it breaks."""
        return HERE / f"{self.name}.patch"

    @property
    def title(self) -> str:
        """The patch's subject. Raises ValueError if it has none of the agreed form."""
        found = _SUBJECT.search(self.patch.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{self.patch} has no 'Subject: [PATCH] Seeded bug: ...'")
        return found[1]


_NOTHING = "nothing"
_CANNOT_OPEN = "the interface cannot be opened again"
_LEFT = ("hwrm_over_reservation", "fw_left_after_unregister")

BUGS: Sequence[Bug] = (
    # -- what is posted ---------------------------------------------------------------------
    Bug(
        name="agg_page_posted_twice",
        rules=("posted_twice",),
        others="data received by sockets and by zcrx is wrong",
        in_sample=True,
    ),
    Bug(
        name="page_handed_out_twice",
        rules=("posted_twice",),
        others="WARN and panic as the queue is restarted",
    ),
    Bug(
        name="niov_handed_out_twice",
        rules=("posted_twice",),
        others="data received by zcrx is wrong; WARN in zcrx as the area goes",
    ),
    Bug(
        name="niov_recycled_early",
        rules=("posted_twice",),
        others="WARN in zcrx and page_pool as the area goes",
        in_sample=True,
    ),
    Bug(
        name="agg_address_zero",
        rules=("posted_unmapped", "rx_buffer"),
        others="retransmissions",
    ),
    Bug(
        name="restart_posts_empty_ring",
        rules=("posted_unmapped",),
        consequences=("descriptor_changed", "doorbell_backwards", "posted_twice", "rx_buffer"),
        others=_NOTHING,
    ),
    Bug(name="agg_bd_too_long", rules=("buffer_length",), others=_NOTHING),
    Bug(name="rx_buffers_overlap", rules=("buffers_overlap",), others=_NOTHING),
    # -- doorbells --------------------------------------------------------------------------
    Bug(
        name="agg_doorbell_ahead",
        rules=("posted_unmapped", "descriptor_changed"),
        consequences=("posted_twice",),
        others=_NOTHING,
    ),
    Bug(name="rx_doorbell_backwards", rules=("doorbell_backwards",), others=_NOTHING),
    Bug(name="cq_doorbell_ahead", rules=("doorbell_past_producer",), others=_NOTHING),
    Bug(name="tx_doorbell_ahead", rules=("tx_partial_packet",), others=_NOTHING),
    # -- firmware objects -------------------------------------------------------------------
    Bug(
        name="rx_ring_left",
        rules=("fw_left_after_close",),
        consequences=(*_LEFT, "ring_free_in_use", "stat_ctx_free_in_use", "posted_twice"),
        others=_CANNOT_OPEN,
    ),
    Bug(
        name="agg_ring_left_at_restart",
        rules=("ring_left_at_restart",),
        consequences=("hwrm_over_reservation",),
        others="panic in bnxt_queue_start()",
    ),
    Bug(name="restart_under_traffic", rules=("ring_free_in_rss_table",), others=_NOTHING),
    Bug(
        name="vnic_left",
        rules=("fw_left_after_close",),
        consequences=(*_LEFT, "ring_free_in_rss_table", "vnic_names_freed_ring"),
        others=_CANNOT_OPEN,
    ),
    Bug(
        name="stat_ctx_left",
        rules=("fw_left_after_unregister", "hwrm_over_reservation"),
        others=_CANNOT_OPEN,
    ),
    Bug(
        name="l2_filter_left",
        rules=("fw_left_after_close", "fw_left_after_unregister"),
        others=_NOTHING,
    ),
    Bug(
        name="rss_context_left",
        rules=("fw_left_after_close",),
        consequences=_LEFT,
        others=_CANNOT_OPEN,
    ),
    Bug(
        name="agg_ring_freed_twice",
        rules=("hwrm_unknown_id",),
        others="the driver logs the refused request",
    ),
    Bug(
        name="rss_table_stale",
        rules=("vnic_names_freed_ring",),
        others=_NOTHING,
        in_sample=True,
    ),
    Bug(name="default_ring_stale", rules=("vnic_names_freed_ring",), others=_NOTHING),
    Bug(name="cq_freed_first", rules=("ring_free_in_use",), others=_NOTHING),
    Bug(name="nq_freed_first", rules=("ring_free_in_use",), others=_NOTHING, in_sample=True),
    # -- mappings: only an IOMMU shows them -------------------------------------------------
    Bug(
        name="page_pool_unmap_missing",
        rules=("mapping_leaked",),
        consequences=("two_owners",),
        others="DMA_API_DEBUG at unbind",
        phases=("stream",),
        engine="qemu",
    ),
    Bug(
        name="page_pool_maps_read_only",
        rules=("posted_not_writable", "rx_buffer"),
        others="DMA_API_DEBUG at each sync",
        phases=("stream",),
        engine="qemu",
    ),
    Bug(
        name="tx_head_not_unmapped",
        rules=("mapping_leaked",),
        others="DMA_API_DEBUG at unbind",
        phases=("stream",),
        engine="qemu",
    ),
    Bug(
        name="tx_unmapped_early",
        rules=("tx_buffer",),
        others="no packet leaves",
        phases=("stream",),
        engine="qemu",
    ),
    Bug(
        name="tx_fragment_unmapped_short",
        rules=("mapping_leaked",),
        others="DMA_API_DEBUG; streams break",
        phases=("stream",),
        engine="qemu",
    ),
    Bug(
        name="zcrx_area_not_unmapped",
        rules=("mapping_leaked",),
        others="DMA_API_DEBUG at unbind",
        phases=("zcrx",),
        engine="qemu",
    ),
    Bug(
        name="zcrx_area_unmapped_early",
        rules=("unmap_while_owned",),
        others="DMA_API_DEBUG (a sync of address 0)",
        phases=("zcrx",),
        engine="qemu",
    ),
    Bug(
        name="niov_leaked",
        rules=("mapping_leaked",),
        others="zcrx starves; DMA_API_DEBUG at unbind",
        phases=("zcrx",),
        engine="qemu",
    ),
    Bug(
        name="ring_memory_freed_early",
        rules=("unmap_of_ring",),
        others=_NOTHING,
        phases=("stream",),
        engine="qemu",
    ),
    # -- what no device can see -------------------------------------------------------------
    Bug(
        name="header_split_off",
        rules=(),
        others="zcrx does not get its data: copying falls short of buffers (ENOMEM)",
    ),
    Bug(name="rx_sync_missing", rules=(), others=_NOTHING),
)


def rows() -> Iterator[str]:
    """Lines of the table in docs/oracle-bugs.md."""
    yield "| bug | what it does | verdict | may follow | engine | what else sees it |"
    yield "|---|---|---|---|---|---|"
    for bug in BUGS:
        cells = [
            f"[{bug.name}](../tests/kernel_bugs/{bug.patch.name})",
            bug.title,
            ", ".join(f"`{rule}`" for rule in bug.rules) or "none: no device can see it",
            ", ".join(f"`{rule}`" for rule in bug.consequences),
            bug.engine,
            bug.others,
        ]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(rows()))
