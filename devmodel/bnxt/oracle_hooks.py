# SPDX-License-Identifier: GPL-2.0-only
"""What the oracle has to know of this card: rules, how commands read, VNICs behind a ring."""

from __future__ import annotations

from typing import Any

from devmodel.bnxt.completion_check import CompletionCheck
from devmodel.bnxt.oracle_rules import RULES
from devmodel.bnxt.placement import PLACEMENT_HDS_IPV4, PLACEMENT_HDS_IPV6
from devmodel.bnxt.resources import Resources, RxRing
from devmodel.budget import Budget
from devmodel.dma import DmaSpace
from devmodel.oracle.oracle import Oracle
from devmodel.trace import Trace

_SPLIT = PLACEMENT_HDS_IPV4 | PLACEMENT_HDS_IPV6


def make_oracle(dma: DmaSpace, trace: Trace, budget: Budget | None = None) -> Oracle:
    """The judge of one card."""
    return Oracle(dma, trace, RULES, {"hwrm": _describe_command}, budget)


def _describe_command(fields: dict[str, Any]) -> str:
    """A command of the trace in one line: addresses in hexadecimal, all else as it is."""
    words = " ".join(
        f"{key}={hex(value) if isinstance(value, int) and 'addr' in key else value}"
        for key, value in {**fields["req"], **fields["resp"]}.items()
    )
    return f"{fields['cmd']} {words} -> {fields['error']}"


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
    check = CompletionCheck(oracle, ring.ledger, agg, room=ring.usable, queue=ring.logical_id)
    check.is_split = all(
        vnic.plcmodes.flags & _SPLIT == _SPLIT and not vnic.plcmodes.hds_threshold
        for vnic in vnics
        if ring.id in vnic.rx_ring_ids()
    )
    return check
