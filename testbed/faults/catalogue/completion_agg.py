# SPDX-License-Identifier: GPL-2.0-only
"""Completions of aggregation buffers: number, order, buffer and length."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.faults.catalogue.completion_rx import UNMERGED
from testbed.faults.entry import SURVIVES, Expect, FaultClass, Reaction, Work, entry
from testbed.faults.plans import fault, until_event

AGG = {"type": "RX_AGG"}
SPLIT = {"type": "RX_L2", "agg_bufs": {"ge": 1}}
# Out of step, the driver may take the HWRM_DONE of RING_FREE for half a packet and wait for it; in
# real time that takes longer than the work may.
LOST_DONE = (r"Resp cmpl intr err msg: 0x51\b", r"hwrm_ring_free type 2\b")
RESET = Expect(
    Reaction.RESETS_RING,
    work=Work.EITHER,
    kernel_log=("RX cons .* != expected cons",),
    complaints=LOST_DONE,
    ethtool={"rx_total_resets": (1, 1)},
)
agg = partial(entry, fault_class=FaultClass.COMPLETION, workload="split-stream", expect=RESET)
wrong_buffer = partial(
    entry,
    fault_class=FaultClass.COMPLETION,
    workload="split-stream",
    expect=Expect(
        Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked", fixed=SURVIVES
    ),
    source="bnxt.c:1339 __bnxt_rx_agg_netmems()",
)

FAULTS = (
    agg("rx-agg-count-low", "a completion counts one aggregation buffer fewer than follow",
        fault("count", "cqe.write", "set", match=SPLIT, nth=5, fields={"agg_bufs": {"add": -1}}),
        source="bnxt.c:2221 bnxt_rx_pkt() takes the aggregation buffer for a packet"),
    agg("rx-agg-count-high", "a completion counts one aggregation buffer more than follow",
        fault("count", "cqe.write", "set", match=SPLIT, nth=5, fields={"agg_bufs": {"add": 1}}),
        source="bnxt.c:2242 bnxt_rx_pkt() takes the next packet for a buffer"),
    agg("rx-agg-count-18",
        "a packet has 31 aggregation buffers, more than a packet of the stack has fragments",
        fault("count", "cqe.write", "set", match=SPLIT, nth=5, fields={"agg_bufs": 31}),
        *(fault(f"more-{n}", "cqe.write", "duplicate", match=AGG, nth=5,
            fields={"opaque": {"add": n}}) for n in (1, 2, 4, 8, 16)),
        expect=Expect(Reaction.RESETS_RING, work=Work.EITHER,
            kernel_log=("RX cons .* != expected cons",), complaints=LOST_DONE,
            finding="rx-agg-count-unchecked", fixed=SURVIVES),
        source="bnxt.c:1345 __bnxt_rx_agg_netmems()"),
    wrong_buffer("rx-agg-opaque-beyond-ring",
        "an aggregation completion names a buffer number behind the end of the ring",
        fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": 520})),
    wrong_buffer("rx-agg-opaque-repeated",
        "an aggregation completion names the buffer before, which the driver has taken out",
        fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": {"earlier": 1}})),
    wrong_buffer("rx-agg-opaque-not-posted",
        "an aggregation completion names a buffer of the ring that is not posted",
        fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": 511})),
    wrong_buffer("rx-agg-opaque-later",
        "an aggregation completion names a buffer that is posted, but not the next",
        fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": {"add": 3}}),
        # the buffers may come in any order: what is in this one is taken, and found to be twice
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked",
            fixed=replace(SURVIVES, corrupts=True))),
    wrong_buffer("rx-agg-count-without-ring",
        "a completion counts an aggregation buffer, and there are no rings for them",
        fault("count", "cqe.write", "set", match={"type": "RX_L2"}, nth=5, fields={"agg_bufs": 1}),
        workload="stream"),
    agg("rx-agg-length-zero", "an aggregation completion says zero bytes",
        fault("length", "cqe.write", "set", match=AGG, nth=5, fields={"len": 0}),
        expect=Expect(Reaction.RECOVERS, ethtool={"rx_total_oom_discards": (1, 1)}),
        source="bnxt.c:1405 bnxt_rx_agg_netmems_skb() takes it for lack of memory"),
    agg("rx-agg-length-too-long", "aggregation completions say more bytes than the page has",
        fault("length", "cqe.write", "set", match=AGG, nth=5, fields={"len": 0x3000}, times=0),
        expect=Expect(Reaction.UNAFFECTED, nstat=UNMERGED, finding="rx-agg-length-unchecked",
            fixed=SURVIVES),
        source="bnxt.c:1345 __bnxt_rx_agg_netmems(); af_inet.c inet_gro_receive() does not merge"
        " what is longer than IP says, ip_input.c ip_rcv_core() cuts it"),
    agg("rx-agg-duplicated", "an aggregation completion comes twice",
        fault("twice", "cqe.write", "duplicate", match=AGG, nth=5),
        source="bnxt.c:2221 bnxt_rx_pkt() takes the second for a packet"),
    agg("rx-agg-reordered", "an aggregation completion comes before the completion of its packet",
        fault("late", "cqe.write", "hold", match=SPLIT, nth=5,
            until=until_event("cqe.write", AGG, same=["ring_id"])),
        source="bnxt.c:2221 bnxt_rx_pkt() takes it for a packet"),
    agg("rx-agg-lost", "an aggregation completion is never written",
        fault("lost", "cqe.write", "drop", match=AGG, nth=5),
        source="bnxt.c:2242 bnxt_rx_pkt() takes the next packet for the buffer"),
)  # fmt: skip
