# SPDX-License-Identifier: GPL-2.0-only
"""Header-data split at the wrong place, or not at all; packets on the wrong queue.

The header buffer of a split ring has 256 bytes, those of the aggregation ring a page each.
"""

from __future__ import annotations

from testbed.dut.protocols import Capability
from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work
from testbed.faults.plans import fault

LONG = {"placement": 2, "length": {"gt": 1000}}
SPLIT = FaultClass.HEADER_SPLIT
PULL = "bnxt.c:1305 __bnxt_rx_agg_netmems(): frags as told; tcp_v4_rcv() pulls the header"
ZCRX = frozenset({Capability.ZCRX, Capability.HEADER_SPLIT})

FAULTS = (
    Fault(
        name="split-inside-header",
        fault_class=SPLIT,
        title="the packet is split in the middle of its TCP header",
        plan=(fault("early", "rx.place", "set", match=LONG, nth=4, fields={"first": 40}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source=PULL,
    ),
    Fault(
        name="split-inside-ethernet-header",
        fault_class=SPLIT,
        title="the packet is split in the middle of its Ethernet header",
        plan=(fault("early", "rx.place", "set", match=LONG, nth=4, fields={"first": 8}),),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="split-header-too-short"
        ),
        source="eth.c:164 eth_type_trans(): eth_skb_pull_mac()",
    ),
    Fault(
        name="split-all-payload",
        fault_class=SPLIT,
        title="nothing goes to the header buffer, headers and data to the payload buffer",
        plan=(fault("all", "rx.place", "set", match=LONG, nth=4, fields={"first": 0}),),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.RECOVERS, work=Work.EITHER, finding="split-header-too-short"
        ),
        source="bnxt.c:2309 bnxt_rx_pkt(): len <= rx_copybreak; eth.c:164 eth_type_trans()",
    ),
    Fault(
        name="split-late",
        fault_class=SPLIT,
        title="the first 100 bytes of the payload are in the header buffer",
        plan=(fault("late", "rx.place", "set", match=LONG, nth=4, fields={"first": {"add": 100}}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source=PULL,
    ),
    Fault(
        name="split-not-done",
        fault_class=SPLIT,
        title="packets come unsplit: the header buffer is filled up, as in jumbo placement",
        plan=(
            fault(
                "unsplit",
                "rx.place",
                "set",
                match=LONG,
                nth=4,
                times=20,
                fields={"first": 256, "placement": 1},
            ),
        ),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source=PULL,
    ),
    Fault(
        name="split-not-told",
        fault_class=SPLIT,
        title="split packets are reported as not split",
        plan=(
            fault(
                "untold", "rx.place", "set", match=LONG, nth=4, times=20, fields={"placement": 0}
            ),
        ),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:2147 bnxt_rx_pkt() does not look at the placement",
    ),
    Fault(
        name="split-header-only",
        fault_class=SPLIT,
        title="only the header of a packet arrives, without any payload buffer",
        plan=(
            fault(
                "headless",
                "rx.place",
                "set",
                match=LONG,
                nth=4,
                fields={"length": {"field": "payload"}},
            ),
        ),
        workload="split-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="ip_input.c ip_rcv_core(): skb->len < tot_len; tcp sends again",
    ),
    Fault(
        name="split-payload-empty",
        fault_class=SPLIT,
        title="the payload buffer of a packet is reported as empty",
        plan=(
            fault("empty", "cqe.write", "set", match={"type": "RX_AGG"}, nth=5, fields={"len": 0}),
        ),
        workload="split-stream",
        expect=Expect(reaction=Reaction.RECOVERS, ethtool={"rx_total_oom_discards": (1, 1)}),
        source="bnxt.c:1405 bnxt_rx_agg_netmems_skb(): no bytes is no memory",
    ),
    Fault(
        name="split-payload-cut",
        fault_class=SPLIT,
        title="half of the payload is in the payload buffer",
        plan=(fault("cut", "rx.place", "set", match=LONG, nth=4, fields={"length": 700}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="ip_input.c ip_rcv_core(): skb->len < tot_len; tcp sends again",
    ),
    Fault(
        name="split-header-in-payload",
        fault_class=SPLIT,
        title="the payload buffer begins with a copy of the headers",
        plan=(fault("again", "rx.place", "set", match=LONG, nth=4, fields={"agg_from": 0}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, work=Work.EITHER, corrupts=True),
        source="bnxt.c:2387 bnxt_rx_pkt(): CHECKSUM_UNNECESSARY; ip_rcv_core() trims the end",
    ),
    Fault(
        name="split-header-length-long",
        fault_class=SPLIT,
        title="the header is reported 20 bytes longer than it is",
        plan=(fault("told", "rx.place", "set", match=LONG, nth=4, fields={"told_first": 86}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, work=Work.EITHER, corrupts=True),
        source="bnxt.c:2387 bnxt_rx_pkt(): CHECKSUM_UNNECESSARY; ip_rcv_core() trims the end",
    ),
    Fault(
        name="split-header-length-short",
        fault_class=SPLIT,
        title="the header is reported 12 bytes shorter than it is",
        plan=(fault("told", "rx.place", "set", match=LONG, nth=4, fields={"told_first": 54}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="ip_input.c ip_rcv_core(): skb->len < tot_len; tcp sends again",
    ),
    Fault(
        name="split-zcrx-header-in-area",
        fault_class=SPLIT,
        title="the end of the TCP header is in the zero-copy area, which the kernel cannot read",
        plan=(fault("early", "rx.place", "set", match=LONG, nth=4, fields={"first": 40}),),
        workload="zcrx-plain",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="skbuff.c __pskb_pull_tail() of an unreadable skb; tcp sends again",
        needs=ZCRX,
    ),
    Fault(
        name="split-zcrx-payload-in-header",
        fault_class=SPLIT,
        title="payload for a zero-copy queue is in the header buffer",
        plan=(
            fault(
                "late",
                "rx.place",
                "set",
                match=LONG,
                nth=4,
                times=5,
                fields={"first": {"add": 100}},
            ),
        ),
        workload="zcrx-plain",
        expect=Expect(reaction=Reaction.UNAFFECTED, output="[1-9][0-9]* bytes copied"),
        source="zcrx.c:1631 io_zcrx_recv_skb(): the linear part is copied",
        needs=ZCRX,
    ),
    Fault(
        name="steer-zcrx-ignored",
        fault_class=SPLIT,
        title="packets of a zero-copy flow come on an ordinary queue",
        plan=(
            fault(
                "astray",
                "rx.steer",
                "set",
                match={"dport": 5601},
                nth=20,
                every=10,
                times=5,
                fields={"queue": 0},
            ),
        ),
        workload="zcrx-plain",
        expect=Expect(reaction=Reaction.UNAFFECTED, output="[1-9][0-9]* bytes copied"),
        source="zcrx.c:1560 io_zcrx_copy_frag()",
        needs=ZCRX,
    ),
    Fault(
        name="steer-wrong-queue",
        fault_class=SPLIT,
        title="each fifth packet comes on another queue than its RSS hash says",
        plan=(
            fault(
                "next",
                "rx.steer",
                "set",
                match={"protocol": 6, "queue": {"lt": 3}},
                every=5,
                times=40,
                fields={"queue": {"add": 1}},
            ),
        ),
        workload="channels-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="tcp_input.c tcp_data_queue_ofo()",
    ),
    Fault(
        name="steer-nowhere",
        fault_class=SPLIT,
        title="packets are given a queue that is not there",
        plan=(
            fault(
                "nowhere",
                "rx.steer",
                "set",
                match={"protocol": 6},
                nth=10,
                every=10,
                times=5,
                fields={"queue": 40},
            ),
        ),
        workload="channels-stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="tcp_input.c: duplicate acknowledgements, the peer sends again",
    ),
)
