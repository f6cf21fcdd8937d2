# SPDX-License-Identifier: GPL-2.0-only
"""Receive completions that lie about their packet, and come in the wrong number or order."""

from __future__ import annotations

from functools import partial

from testbed.faults.entry import (
    CORRUPTS,
    SURVIVES,
    UNAFFECTED,
    Expect,
    FaultClass,
    Reaction,
    Repair,
    Work,
    entry,
)
from testbed.faults.plans import fault, until_event

RX = {"type": "RX_L2"}
LONG = {"type": "RX_L2", "len": {"gt": 1000}}
RESET = Expect(
    Reaction.RESETS_RING,
    kernel_log=("RX cons .* != expected cons",),
    ethtool={"rx_total_resets": (1, 1)},
)
RESENT = {"remote TcpRetransSegs": (1, 50)}
LOST = Expect(Reaction.RECOVERS, nstat=RESENT)
UNMERGED = {"dut IpInReceives": (300, 1000)}  # some 370 segments, else merged to a tenth of that
RX_CONS = Expect(Reaction.RESETS_RING, kernel_log=("RX cons .* != expected cons",))
DAMAGE = fault(
    "damage", "rx.frame", "set", match={"tcp_payload": {"gt": 1000}}, nth=5, fields={"xor_at": 900}
)
DAMAGED = {"type": "RX_L2", "l4_cs_error": 1}
OPAQUE = "bnxt.c:2221 bnxt_rx_pkt(): cons != rx_next_cons"
rx = partial(
    entry, fault_class=FaultClass.COMPLETION, workload="stream", expect=RESET, source=OPAQUE
)

FAULTS = (
    rx("rx-opaque-wrong", "a receive completion names another buffer than the next one",
        fault("opaque", "cqe.write", "set", match=RX, nth=5, fields={"opaque": {"add": 1}})),
    rx("rx-cqe-lost", "a receive completion is never written, so the next one names a later buffer",
        fault("lost", "cqe.write", "drop", match=RX, nth=5)),
    rx("rx-opaque-repeated", "a receive completion names the buffer before",
        fault("opaque", "cqe.write", "set", match=RX, nth=5, fields={"opaque": {"earlier": 1}})),
    rx("rx-opaque-beyond-ring", "a receive completion names a buffer number no ring has",
        fault("opaque", "cqe.write", "set", match=RX, nth=5, fields={"opaque": 0xFFF0})),
    rx("rx-cqe-duplicated", "a receive completion comes twice",
        fault("twice", "cqe.write", "duplicate", match=RX, nth=5)),
    rx("rx-cqe-reordered", "a receive completion comes after the next one",
        fault("late", "cqe.write", "hold", match=RX, nth=5,
            until=until_event("cqe.write", RX, same=["ring_id"]))),
    rx("rx-cqe-spurious", "a receive completion without a packet",
        fault("spurious", "now", "card", do="cqe",
            params={"type": "RX_L2", "fields": {"opaque": 77, "len": 60}}),
        workload="ping"),
    rx("rx-cqe-held", "a receive completion comes nine completions late",
        fault("late", "cqe.write", "hold", match=RX, nth=5,
            until=until_event("cqe.write", RX, same=["ring_id"], nth=9))),
    rx("rx-type-unknown", "a receive completion has a type nobody knows",
        fault("type", "cqe.write", "set", match=RX, nth=5, fields={"type": "61"}),
        source="bnxt.c:3145 __bnxt_poll_work() skips it; then " + OPAQUE),
    rx("rx-type-agg", "a receive completion says it is one of an aggregation buffer",
        fault("type", "cqe.write", "set", match=RX, nth=5, fields={"type": "RX_AGG"}),
        expect=UNAFFECTED, source="bnxt.c:2175 bnxt_rx_pkt()",
        unobservable="The driver takes each type of that range for a packet and reads the same"
        " fields, unless there is a VLAN tag."),
    rx("rx-type-tx", "a receive completion says it is one of transmission",
        fault("type", "cqe.write", "set", match=RX, nth=5,
            fields={"type": "TX_L2", "opaque": 300}),
        expect=Expect(Reaction.RESETS_RING,
            kernel_log=("Invalid Tx completion", "RX cons .* != expected cons"),
            warns=("bnxt_sched_reset_txr",)),
        source="bnxt.c:3107 __bnxt_poll_work(), bnxt.c:425 bnxt_sched_reset_txr(): WARN_ON_ONCE"),
    rx("rx-phase-wrong",
        "a receive completion with a wrong valid bit, then the next one is written over it",
        fault("phase", "cqe.write", "set", match=RX, nth=5,
            fields={"flip_phase": True, "advance": False}),
        source="bnxt.c:3088 __bnxt_poll_work(): TX_CMP_VALID; then " + OPAQUE),
    rx("rx-phase-stuck",
        "a receive completion keeps the valid bit of the round before: the ring stands still",
        fault("phase", "cqe.write", "set", match=RX, nth=5, fields={"flip_phase": True}),
        workload="ping",
        expect=Expect(Reaction.UNAFFECTED, work=Work.EITHER, repair=Repair.UP_DOWN,
            output="ping: 1[0-9] of 20 lost",
            complaints=("Resp cmpl intr err msg", "hwrm_ring_free type")),
        source="bnxt.c:3088 __bnxt_poll_work(): TX_CMP_VALID"),
    rx("rx-length-zero", "a receive completion says zero bytes",
        fault("length", "cqe.write", "set", match=LONG, nth=5, fields={"len": 0}),
        expect=LOST, source="bnxt.c:2309 bnxt_rx_pkt(): len <= rx_copybreak, which is 0"),
    rx("rx-length-short", "a receive completion says fewer bytes than an Ethernet header has",
        fault("length", "cqe.write", "set", match=LONG, nth=5, fields={"len": 8}),
        expect=Expect(Reaction.RECOVERS, nstat={**RESENT, "dut IpInHdrErrors": (1, 1)}),
        source="bnxt.c:2376 bnxt_rx_pkt(): eth_type_trans(); ip_input.c ip_rcv_core(): no header"),
    rx("rx-length-cut", "a receive completion says half of the packet",
        fault("length", "cqe.write", "set", match=LONG, nth=5, fields={"len": 700}),
        expect=Expect(Reaction.RECOVERS, nstat={**RESENT, "dut IpExtInTruncatedPkts": (1, 1)}),
        source="ip_input.c ip_rcv_core(): skb->len < tot_len; tcp sends again"),
    rx("rx-length-long", "receive completions say a few bytes more than came",
        fault("length", "cqe.write", "set", match=LONG, nth=5, times=0,
            fields={"len": {"add": 16}}),
        expect=Expect(Reaction.UNAFFECTED, nstat=UNMERGED),
        source="af_inet.c inet_gro_receive(): flush, the length is not that of IP;"
        " ip_input.c ip_rcv_core(): pskb_trim_rcsum()"),
    rx("rx-length-beyond-buffer", "a receive completion says more bytes than the buffer holds",
        fault("length", "cqe.write", "set", match=LONG, nth=5, fields={"len": 0x3000}),
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER, finding="rx-length-unchecked",
            fixed=SURVIVES),
        source="bnxt.c:1301 bnxt_rx_skb(): skb_put()"),
    rx("rx-crc-error", "a good packet is reported with a CRC error",
        fault("crc", "cqe.write", "set", match=LONG, nth=5, fields={"crc_error": 1, "error": 1}),
        expect=LOST,
        source="bnxt.c:2251 bnxt_rx_pkt(): RX_CMP_L2_ERRORS, the buffer is posted again"),
    rx("rx-buffer-error", "a packet is reported as not fitting its buffer",
        fault("buffer", "cqe.write", "set", match=LONG, nth=5,
            fields={"buffer_error": 1, "error": 1}),
        expect=Expect(Reaction.RECOVERS, ethtool={"rx_total_buf_errors": (1, 1)}),
        source="bnxt.c:2261 bnxt_rx_pkt(): rx_buf_errors"),
    rx("rx-checksum-good-said-bad", "the checksum of a good packet is reported as wrong",
        fault("sum", "cqe.write", "set", match=LONG, nth=5, fields={"l4_cs_error": 1, "error": 1}),
        expect=Expect(Reaction.UNAFFECTED, ethtool={"rx_total_l4_csum_errors": (1, 1)}),
        source="bnxt.c:2391 bnxt_rx_pkt(): rx_l4_csum_errors, the stack computes it"),
    rx("rx-checksum-bad-said-good", "the checksum of a damaged packet is reported as good",
        DAMAGE,
        fault("good", "cqe.write", "set", match=DAMAGED, fields={"l4_cs_error": 0, "error": 0}),
        expect=CORRUPTS,
        source="bnxt.c:2385 bnxt_rx_pkt(): RX_CMP_L4_CS_OK is CHECKSUM_UNNECESSARY"),
    rx("rx-checksum-not-computed",
        "a damaged packet is reported without its checksum having been looked at",
        DAMAGE,
        fault("sum", "cqe.write", "set", match=DAMAGED,
            fields={"l4_cs_calc": 0, "ip_cs_calc": 0, "l4_cs_error": 0, "error": 0}),
        expect=Expect(Reaction.RECOVERS, nstat={**RESENT, "dut TcpInCsumErrors": (1, 1)},
            ethtool={"rx_total_l4_csum_errors": (0, 0)}),
        source="bnxt.c:2384 bnxt_rx_pkt(): CHECKSUM_NONE, the stack computes it"),
    rx("rx-vlan-tpid-odd", "a packet is reported with a VLAN tag of a protocol nobody knows",
        fault("tpid", "cqe.write", "set", match=LONG, nth=5,
            fields={"meta_format": 1, "rx_cmp_meta_data": 0x1234_0005}),
        expect=LOST, source="bnxt.c:2134 bnxt_rx_vlan(): vlan_err, the packet is freed"),
    rx("rx-vlan-tag-invented", "a packet without VLAN tag is reported with one",
        fault("tag", "cqe.write", "set", match=LONG, nth=5,
            fields={"meta_format": 1, "rx_cmp_meta_data": 0x8100_0005}),
        expect=LOST,
        source="bnxt.c:2116 bnxt_rx_vlan(); nobody has that VLAN, the stack drops the packet"),
    rx("rx-cqe-other-queue", "a receive completion goes to the completion ring of another queue",
        fault("ring", "cqe.write", "set", match=RX, nth=9, fields={"ring_id": {"add": 3}}),
        workload="channels-stream", expect=RX_CONS),
    rx("rx-cqe-on-tx-ring",
        "a receive completion goes to the transmit completion ring of its queue",
        fault("ring", "cqe.write", "set", match=RX, nth=9, fields={"ring_id": {"add": -3}}),
        expect=RX_CONS, source="bnxt.c:3120 __bnxt_poll_work() takes it from any ring; " + OPAQUE,
        engines=("uml",)),  # in real time the driver may come to it before the next one
    rx("rx-cqe-on-tx-queue",
        "a receive completion goes to the completion ring of a queue that only transmits",
        fault("ring", "cqe.write", "set", match=RX, nth=9, fields={"ring_id": {"add": -3}}),
        workload="separate-stream",
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER,
            complaints=("RX cons .* != expected cons",), finding="rx-completion-on-tx-queue",
            fixed=SURVIVES),
        source="bnxt.c:2151 bnxt_rx_pkt(): bnapi->rx_ring"),
    rx("cq-overflow", "a completion is repeated until the completion ring is full",
        fault("flood", "cqe.write", "duplicate", match=RX, nth=5, count=6000)),
)  # fmt: skip
