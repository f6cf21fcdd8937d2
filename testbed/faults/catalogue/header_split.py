# SPDX-License-Identifier: GPL-2.0-only
"""Header-data split at the wrong place, or not at all; packets on the wrong queue.

The header buffer of a split ring has 256 bytes, those of the aggregation ring a page each.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.dut.protocols import Capability
from testbed.faults.entry import (
    CORRUPTS,
    SENT_AGAIN,
    SURVIVES,
    UNAFFECTED,
    Expect,
    FaultClass,
    Reaction,
    Work,
    entry,
)
from testbed.faults.plans import fault

LONG = {"placement": 2, "length": {"gt": 1000}}
PULL = "bnxt.c:1305 __bnxt_rx_agg_netmems(): frags as told; tcp_v4_rcv() pulls the header"
TOO_SHORT = "ip_input.c ip_rcv_core(): skb->len < tot_len; tcp sends again"
TRIMMED = "bnxt.c:2387 bnxt_rx_pkt(): CHECKSUM_UNNECESSARY; ip_rcv_core() trims the end"
CUT = Expect(Reaction.RECOVERS, nstat={"dut IpExtInTruncatedPkts": (1, 1), **SENT_AGAIN})
HEADER_IN_PAYLOAD = ("header_in_payload_buffer",)
PAYLOAD_IN_HEADER = Expect(Reaction.UNAFFECTED, verdicts=("payload_in_header_buffer",))
NO_HEADER = Expect(
    Reaction.RECOVERS, work=Work.EITHER, finding="split-header-too-short", fixed=SURVIVES
)
COPIED = Expect(Reaction.UNAFFECTED, output=r"\b[1-9][0-9]* bytes copied")
ZCRX = frozenset({Capability.ZCRX, Capability.HEADER_SPLIT})
split = partial(
    entry, fault_class=FaultClass.HEADER_SPLIT, workload="split-stream", expect=UNAFFECTED
)
on_zcrx = partial(entry, fault_class=FaultClass.HEADER_SPLIT, workload="zcrx-plain", needs=ZCRX)
on_channels = partial(entry, fault_class=FaultClass.HEADER_SPLIT, workload="channels-stream")

FAULTS = (
    split("split-inside-header", "the packet is split in the middle of its TCP header",
        fault("early", "rx.place", "set", match=LONG, nth=4, fields={"first": 40}),
        expect=Expect(Reaction.UNAFFECTED, verdicts=HEADER_IN_PAYLOAD), source=PULL),
    split("split-inside-ethernet-header",
        "the packet is split in the middle of its Ethernet header",
        fault("early", "rx.place", "set", match=LONG, nth=4, fields={"first": 8}),
        expect=NO_HEADER, source="eth.c:164 eth_type_trans(): eth_skb_pull_mac()"),
    split("split-all-payload",
        "nothing goes to the header buffer, headers and data to the payload buffer",
        fault("all", "rx.place", "set", match=LONG, nth=4, fields={"first": 0}),
        expect=NO_HEADER,
        source="bnxt.c:2309 bnxt_rx_pkt(): len <= rx_copybreak; eth.c:164 eth_type_trans()"),
    split("split-late", "the first 100 bytes of the payload are in the header buffer",
        fault("late", "rx.place", "set", match=LONG, nth=4, fields={"first": {"add": 100}}),
        expect=PAYLOAD_IN_HEADER, source=PULL),
    split("split-not-done",
        "packets come unsplit: the header buffer is filled up, as in jumbo placement",
        fault("unsplit", "rx.place", "set", match=LONG, nth=4, times=20,
            fields={"first": 256, "placement": 1}),
        expect=PAYLOAD_IN_HEADER, source=PULL),
    split("split-not-told", "split packets are reported as not split",
        fault("untold", "rx.place", "set", match=LONG, nth=4, times=20, fields={"placement": 0}),
        unobservable="the driver reads no placement of a completion, and data lies where it is to",
        source="bnxt.c:2147 bnxt_rx_pkt() does not look at the placement"),
    split("split-header-only", "only the header of a packet arrives, without any payload buffer",
        fault("headless", "rx.place", "set", match=LONG, nth=4,
            fields={"length": {"field": "payload"}}),
        expect=CUT, source=TOO_SHORT),
    split("split-payload-empty", "the payload buffer of a packet is reported as empty",
        fault("empty", "cqe.write", "set", match={"type": "RX_AGG"}, nth=5, fields={"len": 0}),
        expect=Expect(Reaction.RECOVERS, nstat=SENT_AGAIN,
            ethtool={"rx_total_oom_discards": (1, 1)}),
        source="bnxt.c:1405 bnxt_rx_agg_netmems_skb(): no bytes is no memory"),
    split("split-payload-cut", "half of the payload is in the payload buffer",
        fault("cut", "rx.place", "set", match=LONG, nth=4, fields={"length": 700}),
        expect=CUT, source=TOO_SHORT),
    split("split-header-in-payload", "the payload buffer begins with a copy of the headers",
        fault("again", "rx.place", "set", match=LONG, nth=4, fields={"agg_from": 0}),
        expect=CORRUPTS, source=TRIMMED),
    split("split-header-length-long", "the header is reported 20 bytes longer than it is",
        fault("told", "rx.place", "set", match=LONG, nth=4, fields={"completion_length": 86}),
        expect=CORRUPTS, source=TRIMMED),
    split("split-header-length-short", "the header is reported 12 bytes shorter than it is",
        fault("told", "rx.place", "set", match=LONG, nth=4, fields={"completion_length": 54}),
        expect=replace(CUT, verdicts=HEADER_IN_PAYLOAD), source=TOO_SHORT),
    on_zcrx("split-zcrx-header-in-area",
        "the end of the TCP header is in the zero-copy area, which the kernel cannot read",
        fault("early", "rx.place", "set", match=LONG, nth=4, fields={"first": 40}),
        expect=Expect(Reaction.RECOVERS, nstat=SENT_AGAIN, verdicts=HEADER_IN_PAYLOAD),
        source="skbuff.c __pskb_pull_tail() of an unreadable skb; tcp sends again"),
    on_zcrx("split-zcrx-payload-in-header", "payload for a zero-copy queue is in the header buffer",
        fault("late", "rx.place", "set", match=LONG, nth=4, times=5,
            fields={"first": {"add": 100}}),
        expect=COPIED, source="zcrx.c:1631 io_zcrx_recv_skb(): the linear part is copied"),
    on_zcrx("steer-zcrx-ignored", "packets of a zero-copy flow come on an ordinary queue",
        fault("astray", "rx.steer", "set", match={"dport": 5601}, nth=20, every=10, times=5,
            fields={"queue": 0}),
        expect=replace(COPIED, reaction=Reaction.RECOVERS),
        source="zcrx.c:1560 io_zcrx_copy_frag()"),
    on_channels("steer-wrong-queue",
        "each fifth packet comes on another queue than its RSS hash says",
        fault("next", "rx.steer", "set", match={"protocol": 6, "queue": {"lt": 3}}, every=5,
            times=40, fields={"queue": {"add": 1}}),
        expect=Expect(Reaction.RECOVERS, nstat={"dut TcpExtTCPOFOQueue": (1, None)}),
        source="tcp_input.c tcp_data_queue_ofo()"),
    on_channels("steer-nowhere", "packets are given a queue that is not there",
        fault("nowhere", "rx.steer", "set", match={"protocol": 6}, nth=10, every=10, times=5,
            fields={"queue": 40}),
        expect=Expect(Reaction.RECOVERS, nstat=SENT_AGAIN),
        source="tcp_input.c: duplicate acknowledgements, the peer sends again"),
)  # fmt: skip
