# SPDX-License-Identifier: GPL-2.0-only
"""Completions of aggregation buffers: number, order, buffer and length."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work
from testbed.faults.plans import fault, until_event

AGG = {"type": "RX_AGG"}
SPLIT = {"type": "RX_L2", "agg_bufs": {"ge": 1}}
# Out of step, the driver may take the HWRM_DONE of RING_FREE for half a packet and wait for it; in
# real time that takes longer than the work may.
LOST_DONE = ("Resp cmpl intr err msg: 0x51", "hwrm_ring_free type 2")
RESET = Expect(
    reaction=Reaction.RESETS_RING,
    work=Work.EITHER,
    kernel_log=("RX cons .* != expected cons",),
    complaints=LOST_DONE,
    ethtool={"rx_total_resets": (1, 1)},
)

FAULTS = (
    Fault(
        name="rx-agg-count-low",
        fault_class=FaultClass.COMPLETION,
        title="a completion counts one aggregation buffer fewer than follow",
        plan=(
            fault(
                "count", "cqe.write", "set", match=SPLIT, nth=5, fields={"agg_bufs": {"add": -1}}
            ),
        ),
        workload="split-stream",
        expect=RESET,
        source="bnxt.c:2221 bnxt_rx_pkt() takes the aggregation buffer for a packet",
    ),
    Fault(
        name="rx-agg-count-high",
        fault_class=FaultClass.COMPLETION,
        title="a completion counts one aggregation buffer more than follow",
        plan=(
            fault("count", "cqe.write", "set", match=SPLIT, nth=5, fields={"agg_bufs": {"add": 1}}),
        ),
        workload="split-stream",
        expect=RESET,
        source="bnxt.c:2242 bnxt_rx_pkt() takes the next packet for a buffer",
    ),
    Fault(
        name="rx-agg-count-18",
        fault_class=FaultClass.COMPLETION,
        title="a packet has 31 aggregation buffers, more than a packet of the stack has fragments",
        plan=(
            fault("count", "cqe.write", "set", match=SPLIT, nth=5, fields={"agg_bufs": 31}),
            *(
                fault(
                    f"more-{n}",
                    "cqe.write",
                    "duplicate",
                    match=AGG,
                    nth=5,
                    fields={"opaque": {"add": n}},
                )
                for n in (1, 2, 4, 8, 16)
            ),
        ),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RESETS_RING,
            work=Work.EITHER,
            kernel_log=("RX cons .* != expected cons",),
            complaints=LOST_DONE,
            finding="rx-agg-count-unchecked",
        ),
        source="bnxt.c:1345 __bnxt_rx_agg_netmems()",
    ),
    Fault(
        name="rx-agg-opaque-beyond-ring",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion names a buffer number behind the end of the ring",
        plan=(fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": 520}),),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked"
        ),
        source="bnxt.c:1339 __bnxt_rx_agg_netmems()",
    ),
    Fault(
        name="rx-agg-opaque-repeated",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion names the buffer before, which the driver has taken out",
        plan=(
            fault(
                "opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": {"earlier": 1}}
            ),
        ),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked"
        ),
        source="bnxt.c:1339 __bnxt_rx_agg_netmems()",
    ),
    Fault(
        name="rx-agg-opaque-not-posted",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion names a buffer of the ring that is not posted",
        plan=(fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": 511}),),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked"
        ),
        source="bnxt.c:1339 __bnxt_rx_agg_netmems()",
    ),
    Fault(
        name="rx-agg-opaque-later",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion names a buffer that is posted, but not the next",
        plan=(
            fault("opaque", "cqe.write", "set", match=AGG, nth=5, fields={"opaque": {"add": 3}}),
        ),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked"
        ),
        source="bnxt.c:1339 __bnxt_rx_agg_netmems()",
    ),
    Fault(
        name="rx-agg-length-zero",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion says zero bytes",
        plan=(fault("length", "cqe.write", "set", match=AGG, nth=5, fields={"len": 0}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.RECOVERS, ethtool={"rx_total_oom_discards": (1, 1)}),
        source="bnxt.c:1405 bnxt_rx_agg_netmems_skb() takes it for lack of memory",
    ),
    Fault(
        name="rx-agg-length-too-long",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion says more bytes than the page has",
        plan=(fault("length", "cqe.write", "set", match=AGG, nth=5, fields={"len": 0x3000}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, finding="rx-agg-length-unchecked"),
        source="bnxt.c:1345 __bnxt_rx_agg_netmems(); the stack cuts off what follows IP",
    ),
    Fault(
        name="rx-agg-duplicated",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion comes twice",
        plan=(fault("twice", "cqe.write", "duplicate", match=AGG, nth=5),),
        workload="split-stream",
        expect=RESET,
        source="bnxt.c:2221 bnxt_rx_pkt() takes the second for a packet",
    ),
    Fault(
        name="rx-agg-reordered",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion comes before the completion of its packet",
        plan=(
            fault(
                "late",
                "cqe.write",
                "hold",
                match=SPLIT,
                nth=5,
                until=until_event("cqe.write", AGG, same=["ring_id"]),
            ),
        ),
        workload="split-stream",
        expect=RESET,
        source="bnxt.c:2221 bnxt_rx_pkt() takes it for a packet",
    ),
    Fault(
        name="rx-agg-lost",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation completion is never written",
        plan=(fault("lost", "cqe.write", "drop", match=AGG, nth=5),),
        workload="split-stream",
        expect=RESET,
        source="bnxt.c:2242 bnxt_rx_pkt() takes the next packet for the buffer",
    ),
)
