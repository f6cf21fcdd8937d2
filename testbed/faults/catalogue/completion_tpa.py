# SPDX-License-Identifier: GPL-2.0-only
"""Completions of aggregations (TPA): their order, numbers and header information."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.faults.catalogue.completion_rx import LOST
from testbed.faults.entry import SURVIVES, UNAFFECTED, Expect, FaultClass, Reaction, Work, entry
from testbed.faults.plans import fault, until_event

START, AGG, END = {"type": "RX_TPA_START"}, {"type": "RX_TPA_AGG"}, {"type": "RX_TPA_END"}
FULL_END = {"type": "RX_TPA_END", "agg_bufs": {"ge": 2}}
RESET = Expect(
    Reaction.RESETS_RING,
    kernel_log=("TPA cons .*, expected cons",),
    ethtool={"rx_total_resets": (1, 1)},
)
WRONG_COUNT = Expect(Reaction.RECOVERS, kernel_log=("TPA end agg_buf .* != expected agg_bufs",))
# What is read beyond the table, and where nothing was ever started, is 0: it has to be wrong, too.
BEYOND_TABLE = replace(WRONG_COUNT, finding="tpa-agg-id-unchecked", fixed=SURVIVES)
NUMBER = 7
RENUMBERED = tuple(
    fault(f"renumber-{kind.lower()}", "cqe.write", "set", match={"type": f"RX_TPA_{kind}"}, times=0,
        fields={"agg_id": NUMBER})
    for kind in ("START", "AGG", "END")
)  # fmt: skip
NO_HEADER = (
    "What the stack delivers here has its headers looked up anew; only who passes the packet"
    " on reads these offsets."
)
CONS = "bnxt.c:1627 bnxt_tpa_start(): cons != rx_next_cons"
tpa = partial(entry, fault_class=FaultClass.COMPLETION, workload="gro-stream", expect=LOST)

FAULTS = (
    tpa("tpa-start-lost", "the start of an aggregation is never reported",
        fault("lost", "cqe.write", "drop", match=START, nth=3),
        expect=replace(RESET, complaints=("RX cons .* != expected cons",)),  # a packet between
        source=CONS),
    tpa("tpa-start-repeated", "the start of an aggregation is reported twice",
        fault("twice", "cqe.write", "duplicate", match=START, nth=3),
        expect=RESET, source=CONS),
    tpa("tpa-start-opaque-wrong",
        "the start of an aggregation names another buffer than the next one",
        fault("opaque", "cqe.write", "set", match=START, nth=3, fields={"opaque": {"add": 1}}),
        expect=RESET, source=CONS),
    tpa("tpa-start-error", "the start of an aggregation has its error bit set",
        fault("error", "cqe.write", "set", match=START, nth=3,
            fields={"rx_tpa_start_cmp_len_flags_type": {"or": 0x40}}),
        expect=RESET, source="bnxt.c:1627 bnxt_tpa_start(): TPA_START_ERROR"),
    tpa("tpa-start-late", "the start of an aggregation is reported after its end",
        fault("late", "cqe.write", "hold", match=START, nth=3,
            until=until_event("cqe.write", END, same=["ring_id"])),
        source="bnxt.c:1960 bnxt_tpa_end() delivers the buffer before; tcp sends again"),
    tpa("tpa-start-id-beyond-table",
        "the start of an aggregation has a number beyond the driver's table of 1024",
        fault("number", "cqe.write", "set", match=START, nth=3, fields={"agg_id": 1100}),
        expect=replace(LOST, finding="tpa-agg-id-unchecked", fixed=SURVIVES),
        source="bnxt.c:1549 bnxt_alloc_agg_idx()"),
    tpa("tpa-start-without-hash", "the start of an aggregation has no valid hash",
        fault("hash", "cqe.write", "set", match=START, nth=3, fields={"rss_valid": 0}),
        workload="gro-stream-told",
        expect=Expect(Reaction.UNAFFECTED, kernel_log=("TPA packet without valid hash",)),
        source="bnxt.c:1667 bnxt_tpa_start(): gso_type 0, told with rx_err messages on"),
    tpa("tpa-header-info-zero",
        "the start of an aggregation says that its headers begin before the packet",
        fault("info", "cqe.write", "set", match=START, nth=3,
            fields={"rx_tpa_start_cmp_hdr_info": 0}),
        expect=UNAFFECTED, unobservable=NO_HEADER, source="bnxt.c:1798 bnxt_gro_func_5750x()"),
    tpa("tpa-header-info-wild",
        "the start of an aggregation says that its headers begin far behind the packet",
        fault("info", "cqe.write", "set", match=START, nth=3,
            fields={"rx_tpa_start_cmp_hdr_info": 0xFFFF_FFFF}),
        expect=UNAFFECTED, unobservable=NO_HEADER, source="bnxt.c:1798 bnxt_gro_func_5750x()"),
    tpa("tpa-agg-lost", "a buffer of an aggregation is never reported",
        fault("lost", "cqe.write", "drop", match=AGG, nth=3),
        expect=WRONG_COUNT, source="bnxt.c:1936 bnxt_tpa_end()"),
    tpa("tpa-agg-duplicated", "a buffer of an aggregation is reported twice",
        fault("twice", "cqe.write", "duplicate", match=AGG, nth=3),
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER, finding="rx-agg-opaque-unchecked",
            complaints=("TPA end agg_buf .* != expected agg_bufs",), fixed=SURVIVES),
        source="bnxt.c:1339 __bnxt_rx_agg_netmems()"),
    tpa("tpa-agg-18", "an aggregation has more buffers than a packet of the stack has fragments",
        fault("many", "cqe.write", "duplicate", match=AGG, nth=3, count=20),
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER, finding="tpa-agg-bug-on",
            fixed=SURVIVES),
        source="bnxt.c:2065 bnxt_tpa_agg(): BUG_ON"),
    tpa("tpa-agg-id-beyond-table",
        "a buffer belongs to an aggregation beyond the driver's table of 1024",
        *RENUMBERED,
        fault("number", "cqe.write", "set", match=AGG, nth=3, fields={"agg_id": 1100}),
        expect=BEYOND_TABLE, source="bnxt.c:1564 bnxt_lookup_agg_idx()"),
    tpa("tpa-agg-id-not-started", "a buffer belongs to an aggregation that was never started",
        *RENUMBERED,
        fault("number", "cqe.write", "set", match=AGG, nth=3, fields={"agg_id": NUMBER + 1}),
        expect=WRONG_COUNT, source="bnxt.c:2063 bnxt_tpa_agg(); bnxt.c:1936 bnxt_tpa_end()"),
    tpa("tpa-agg-after-end", "a buffer of an aggregation is reported after its end",
        fault("late", "cqe.write", "hold", match=AGG, nth=3,
            until=until_event("cqe.write", END, same=["ring_id"])),
        expect=WRONG_COUNT, source="bnxt.c:1936 bnxt_tpa_end()"),
    tpa("tpa-end-lost", "the end of an aggregation is never reported",
        fault("lost", "cqe.write", "drop", match=FULL_END, nth=2),
        source="bnxt.c:1543 bnxt_alloc_agg_idx() takes another index; tcp sends again"),
    tpa("tpa-end-duplicated", "the end of an aggregation is reported twice",
        fault("twice", "cqe.write", "duplicate", match=FULL_END, nth=2),
        expect=Expect(Reaction.RECOVERS,
            kernel_log=(r"TPA end agg_buf .* != expected agg_bufs 0\b",)),
        source="bnxt.c:1936 bnxt_tpa_end()"),
    tpa("tpa-end-id-beyond-table",
        "the end is that of an aggregation beyond the driver's table of 1024",
        *RENUMBERED,
        fault("number", "cqe.write", "set", match=FULL_END, nth=2, fields={"agg_id": 1100}),
        expect=BEYOND_TABLE, source="bnxt.c:1564 bnxt_lookup_agg_idx()"),
    tpa("tpa-end-count-high", "the end of an aggregation counts one buffer too many",
        fault("count", "cqe.write", "set", match=FULL_END, nth=2, fields={"agg_bufs": {"add": 1}}),
        expect=Expect(Reaction.UNAFFECTED, kernel_log=("TPA end agg_buf .* != expected agg_bufs",)),
        source="bnxt.c:1936 bnxt_tpa_end() takes its own count"),
    tpa("tpa-end-error", "the end of an aggregation reports a bad buffer",
        fault("error", "cqe.write", "set", match=FULL_END, nth=2,
            fields={"rx_tpa_end_cmp_errors_v2": {"or": 6}}),
        source="bnxt.c:1966 bnxt_tpa_end(): bnxt_abort_tpa() posts the buffers again"),
    tpa("tpa-end-segments-zero", "the end of an aggregation counts no segments of no length",
        fault("segments", "cqe.write", "set", match=FULL_END, nth=2,
            fields={"tpa_segs": 0, "seg_len": 0}),
        expect=Expect(Reaction.UNAFFECTED,
            kernel_log=("nut0: Driver has suspect GRO implementation",)),
        source="bnxt.c:1878 bnxt_gro_skb(); tcp_input.c tcp_gro_dev_warn()"),
    tpa("tpa-end-type-l2", "the end of an aggregation says it is an ordinary packet",
        fault("type", "cqe.write", "set", match=FULL_END, nth=2, fields={"type": "RX_L2"}),
        expect=Expect(Reaction.RESETS_RING, kernel_log=("RX cons .* != expected cons",),
            complaints=("TPA cons .*, expected cons ffff",), ethtool={"rx_total_resets": (1, 1)}),
        source="bnxt.c:2221 bnxt_rx_pkt(): cons != rx_next_cons"),
)  # fmt: skip
