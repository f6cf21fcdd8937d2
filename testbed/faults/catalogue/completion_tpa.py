# SPDX-License-Identifier: GPL-2.0-only
"""Completions of aggregations (TPA): their order, numbers and header information."""

from __future__ import annotations

from dataclasses import replace

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work
from testbed.faults.plans import fault, until_event

START, AGG, END = {"type": "RX_TPA_START"}, {"type": "RX_TPA_AGG"}, {"type": "RX_TPA_END"}
FULL_END = {"type": "RX_TPA_END", "agg_bufs": {"ge": 2}}
RESET = Expect(
    reaction=Reaction.RESETS_RING,
    kernel_log=("TPA cons .*, expected cons",),
    ethtool={"rx_total_resets": (1, 1)},
)
CONS = "bnxt.c:1627 bnxt_tpa_start(): cons != rx_next_cons"

FAULTS = (
    Fault(
        name="tpa-start-lost",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation is never reported",
        plan=(fault("lost", "cqe.write", "drop", match=START, nth=3),),
        workload="gro-stream",
        expect=replace(RESET, complaints=("RX cons .* != expected cons",)),  # a packet between
        source=CONS,
    ),
    Fault(
        name="tpa-start-repeated",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation is reported twice",
        plan=(fault("twice", "cqe.write", "duplicate", match=START, nth=3),),
        workload="gro-stream",
        expect=RESET,
        source=CONS,
    ),
    Fault(
        name="tpa-start-opaque-wrong",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation names another buffer than the next one",
        plan=(
            fault("opaque", "cqe.write", "set", match=START, nth=3, fields={"opaque": {"add": 1}}),
        ),
        workload="gro-stream",
        expect=RESET,
        source=CONS,
    ),
    Fault(
        name="tpa-start-error",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation has its error bit set",
        plan=(
            fault(
                "error",
                "cqe.write",
                "set",
                match=START,
                nth=3,
                fields={"rx_tpa_start_cmp_len_flags_type": {"or": 0x40}},
            ),
        ),
        workload="gro-stream",
        expect=RESET,
        source="bnxt.c:1627 bnxt_tpa_start(): TPA_START_ERROR",
    ),
    Fault(
        name="tpa-start-late",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation is reported after its end",
        plan=(
            fault(
                "late",
                "cqe.write",
                "hold",
                match=START,
                nth=3,
                until=until_event("cqe.write", END, same=["ring_id"]),
            ),
        ),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:1960 bnxt_tpa_end() delivers the buffer before; tcp sends again",
    ),
    Fault(
        name="tpa-start-id-beyond-table",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation has a number beyond the driver's table of 1024",
        plan=(fault("number", "cqe.write", "set", match=START, nth=3, fields={"agg_id": 1100}),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS, finding="tpa-agg-id-unchecked"),
        source="bnxt.c:1549 bnxt_alloc_agg_idx()",
    ),
    Fault(
        name="tpa-start-without-hash",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation has no valid hash",
        plan=(fault("hash", "cqe.write", "set", match=START, nth=3, fields={"rss_valid": 0}),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:1667 bnxt_tpa_start(): gso_type 0, told with rx_err messages on",
    ),
    Fault(
        name="tpa-header-info-zero",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation says that its headers begin before the packet",
        plan=(
            fault(
                "info",
                "cqe.write",
                "set",
                match=START,
                nth=3,
                fields={"rx_tpa_start_cmp_hdr_info": 0},
            ),
        ),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:1798 bnxt_gro_func_5750x()",
    ),
    Fault(
        name="tpa-header-info-wild",
        fault_class=FaultClass.COMPLETION,
        title="the start of an aggregation says that its headers begin far behind the packet",
        plan=(
            fault(
                "info",
                "cqe.write",
                "set",
                match=START,
                nth=3,
                fields={"rx_tpa_start_cmp_hdr_info": 0xFFFF_FFFF},
            ),
        ),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:1798 bnxt_gro_func_5750x()",
    ),
    Fault(
        name="tpa-agg-lost",
        fault_class=FaultClass.COMPLETION,
        title="a buffer of an aggregation is never reported",
        plan=(fault("lost", "cqe.write", "drop", match=AGG, nth=3),),
        workload="gro-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS,
            kernel_log=("TPA end agg_buf .* != expected agg_bufs",),
        ),
        source="bnxt.c:1936 bnxt_tpa_end()",
    ),
    Fault(
        name="tpa-agg-duplicated",
        fault_class=FaultClass.COMPLETION,
        title="a buffer of an aggregation is reported twice",
        plan=(fault("twice", "cqe.write", "duplicate", match=AGG, nth=3),),
        workload="gro-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked"
        ),
        source="bnxt.c:1339 __bnxt_rx_agg_netmems()",
    ),
    Fault(
        name="tpa-agg-18",
        fault_class=FaultClass.COMPLETION,
        title="an aggregation has more buffers than a packet of the stack has fragments",
        plan=(fault("many", "cqe.write", "duplicate", match=AGG, nth=3, count=20),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS, work=Work.EITHER, finding="tpa-agg-bug-on"),
        source="bnxt.c:2065 bnxt_tpa_agg(): BUG_ON",
    ),
    Fault(
        name="tpa-agg-id-beyond-table",
        fault_class=FaultClass.COMPLETION,
        title="a buffer belongs to an aggregation beyond the driver's table of 1024",
        plan=(fault("number", "cqe.write", "set", match=AGG, nth=3, fields={"agg_id": 1100}),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS, finding="tpa-agg-id-unchecked"),
        source="bnxt.c:1564 bnxt_lookup_agg_idx()",
    ),
    Fault(
        name="tpa-agg-id-not-started",
        fault_class=FaultClass.COMPLETION,
        title="a buffer belongs to an aggregation that was never started",
        plan=(fault("number", "cqe.write", "set", match=AGG, nth=3, fields={"agg_id": 5}),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:2063 bnxt_tpa_agg()",
    ),
    Fault(
        name="tpa-agg-after-end",
        fault_class=FaultClass.COMPLETION,
        title="a buffer of an aggregation is reported after its end",
        plan=(
            fault(
                "late",
                "cqe.write",
                "hold",
                match=AGG,
                nth=3,
                until=until_event("cqe.write", END, same=["ring_id"]),
            ),
        ),
        workload="gro-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS,
            kernel_log=("TPA end agg_buf .* != expected agg_bufs",),
        ),
        source="bnxt.c:1936 bnxt_tpa_end()",
    ),
    Fault(
        name="tpa-end-lost",
        fault_class=FaultClass.COMPLETION,
        title="the end of an aggregation is never reported",
        plan=(fault("lost", "cqe.write", "drop", match=FULL_END, nth=2),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:1543 bnxt_alloc_agg_idx() takes another index; tcp sends again",
    ),
    Fault(
        name="tpa-end-duplicated",
        fault_class=FaultClass.COMPLETION,
        title="the end of an aggregation is reported twice",
        plan=(fault("twice", "cqe.write", "duplicate", match=FULL_END, nth=2),),
        workload="gro-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS,
            kernel_log=("TPA end agg_buf .* != expected agg_bufs 0",),
        ),
        source="bnxt.c:1936 bnxt_tpa_end()",
    ),
    Fault(
        name="tpa-end-id-beyond-table",
        fault_class=FaultClass.COMPLETION,
        title="the end is that of an aggregation beyond the driver's table of 1024",
        plan=(fault("number", "cqe.write", "set", match=FULL_END, nth=2, fields={"agg_id": 1100}),),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS, finding="tpa-agg-id-unchecked"),
        source="bnxt.c:1564 bnxt_lookup_agg_idx()",
    ),
    Fault(
        name="tpa-end-count-high",
        fault_class=FaultClass.COMPLETION,
        title="the end of an aggregation counts one buffer too many",
        plan=(
            fault(
                "count", "cqe.write", "set", match=FULL_END, nth=2, fields={"agg_bufs": {"add": 1}}
            ),
        ),
        workload="gro-stream",
        expect=Expect(
            reaction=Reaction.UNAFFECTED,
            kernel_log=("TPA end agg_buf .* != expected agg_bufs",),
        ),
        source="bnxt.c:1936 bnxt_tpa_end() takes its own count",
    ),
    Fault(
        name="tpa-end-error",
        fault_class=FaultClass.COMPLETION,
        title="the end of an aggregation reports a bad buffer",
        plan=(
            fault(
                "error",
                "cqe.write",
                "set",
                match=FULL_END,
                nth=2,
                fields={"rx_tpa_end_cmp_errors_v2": {"or": 6}},
            ),
        ),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:1966 bnxt_tpa_end(): bnxt_abort_tpa() posts the buffers again",
    ),
    Fault(
        name="tpa-end-segments-zero",
        fault_class=FaultClass.COMPLETION,
        title="the end of an aggregation counts no segments of no length",
        plan=(
            fault(
                "segments",
                "cqe.write",
                "set",
                match=FULL_END,
                nth=2,
                fields={"tpa_segs": 0, "seg_len": 0},
            ),
        ),
        workload="gro-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:1878 bnxt_gro_skb()",
    ),
    Fault(
        name="tpa-end-type-l2",
        fault_class=FaultClass.COMPLETION,
        title="the end of an aggregation says it is an ordinary packet",
        plan=(fault("type", "cqe.write", "set", match=FULL_END, nth=2, fields={"type": "RX_L2"}),),
        workload="gro-stream",
        expect=Expect(
            reaction=Reaction.RESETS_RING,
            kernel_log=("RX cons .* != expected cons",),
            complaints=("TPA cons .*, expected cons ffff",),
            ethtool={"rx_total_resets": (1, 1)},
        ),
        source="bnxt.c:2221 bnxt_rx_pkt(): cons != rx_next_cons",
    ),
)
