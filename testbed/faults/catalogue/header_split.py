# SPDX-License-Identifier: GPL-2.0-only
"""Header-data split at the wrong place, or not at all; packets on the wrong queue."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction

FAULTS = (
    Fault(
        name="split-inside-header",
        fault_class=FaultClass.HEADER_SPLIT,
        title="the packet is split in the middle of its TCP header",
        plan=(
            {
                "id": "early",
                "where": "rx.place",
                "when": {"match": {"placement": 2, "length": {"gt": 500}}, "nth": 4},
                "what": {"action": "set", "fields": {"first": 40}},
            },
        ),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:1390 bnxt_rx_agg_pages_skb(), tcp_v4_rcv() pulls the header",
    ),
)
