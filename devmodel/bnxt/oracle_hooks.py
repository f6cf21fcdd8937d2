# SPDX-License-Identifier: GPL-2.0-only
"""What the oracle has to know of VNICs to judge a completion ring."""

from __future__ import annotations

from devmodel.bnxt.placement import PLACEMENT_HDS_IPV4, PLACEMENT_HDS_IPV6
from devmodel.bnxt.resources import Resources, RxRing
from devmodel.oracle.completions import CompletionCheck
from devmodel.oracle.oracle import Oracle

_SPLIT = PLACEMENT_HDS_IPV4 | PLACEMENT_HDS_IPV6


def completion_check(
    oracle: Oracle, resources: Resources, ring: RxRing, cq_id: int
) -> CompletionCheck | None:
    """For a completion ring that serves ``ring`` and no other, as those of bnxt_en do; or None."""
    vnics = list(resources.vnics.values())
    pairs = {pair for vnic in vnics for pair in vnic.rss_tables}
    pairs |= {(vnic.default_rx_ring, vnic.default_cmpl_ring) for vnic in vnics}
    if ring.ledger is None or {rx for rx, cq in pairs if cq == cq_id} != {ring.id}:
        return None
    agg = None if ring.agg is None else ring.agg.ledger
    check = CompletionCheck(oracle, ring.ledger, agg, ring.usable)
    check.is_split = all(
        vnic.plcmodes.flags & _SPLIT == _SPLIT and not vnic.plcmodes.hds_threshold
        for vnic in vnics
        if ring.id in vnic.rx_ring_ids()
    )
    return check
