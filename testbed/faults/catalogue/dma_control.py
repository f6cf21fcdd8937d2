# SPDX-License-Identifier: GPL-2.0-only
"""Descriptors, completions, notifications, statistics and answers that go or come astray."""

from __future__ import annotations

from functools import partial

from testbed.faults.entry import Expect, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault, until_event

NOWHERE = 0xDEAD_0000_0000
CQE, NQE = {"purpose": "cqe"}, {"purpose": "nqe"}
# With one queue ring 5 has the receive completions, two writes each. Behind a transmit completion
# that is missing no other need come: with CONFIG_BQL (x86, not UML) the stack sends nothing more.
RX_CQE = {**CQE, "ring_id": 5}
STATS, HWRM = {"purpose": "stats"}, {"purpose": "hwrm"}
STUCK = Expect(
    Reaction.UNAFFECTED,
    repair=Repair.UP_DOWN,
    output="ping: 1[0-9] of 20 lost",
    complaints=("Resp cmpl intr err msg", "hwrm_ring_free type"),
)
LOOKED_IN_VAIN = Expect(
    Reaction.UNAFFECTED,
    card={"cq_arm_without_progress": (1, None)},
    output=r"ping: 0 of 20 lost",
)
"""The driver was notified, found no valid completion and armed the ring where it was."""
control = partial(entry, fault_class=FaultClass.DMA, workload="ping")
stuck = partial(
    entry,
    fault_class=FaultClass.DMA,
    workload="ping",
    expect=STUCK,
    engines=("uml",),  # real time brings the transmit watchdog in as well
)

# Which table is read third depends on the number of queues: with one it is that of the transmit
# ring, which the card refuses; with two, as on QEMU, that of the first completion ring, which it
# takes. Both are entries of their own, and choose by the type of the ring.
FAULTS = (
    control("rx-descriptors-stale", "receive descriptors are read from where earlier ones were",
        fault("stale", "dma.read", "set", match={"purpose": "bd", "ring": "RX"}, nth=6,
            fields={"iova": {"earlier": 2}}),
        workload="stream",
        expect=Expect(Reaction.RESETS_RING, kernel_log=("RX cons .* != expected cons",)),
        source="bnxt.c:2221 bnxt_rx_pkt(): the opaque is that of an earlier buffer",
        engines=("uml",)),  # in real time the reader may still have that buffer: its data changes
    control("tx-descriptors-stale", "transmit descriptors are read from where earlier ones were",
        fault("stale", "dma.read", "set", match={"purpose": "bd", "ring": "TX"}, nth=8,
            fields={"iova": {"earlier": 2}}),
        workload="send",
        expect=Expect(Reaction.RESETS_RING, kernel_log=("Invalid Tx completion",),
            warns=("bnxt_sched_reset_txr",)),
        source="bnxt.c:858 __bnxt_tx_int(): the opaque is that of an earlier packet",
        engines=("uml",)),  # which descriptors are stale is a matter of real time
    stuck("cqe-write-lost", "a completion goes to an unmapped address: the ring stands still",
        fault("astray", "dma.write", "set", match=CQE, nth=12, fields={"iova": NOWHERE}),
        source="bnxt.c:3088 __bnxt_poll_work(): TX_CMP_VALID"),
    stuck("cqe-write-shifted", "a completion is written one entry too far: the ring stands still",
        fault("shifted", "dma.write", "set", match=CQE, nth=12, fields={"iova": {"add": 16}}),
        source="bnxt.c:3088 __bnxt_poll_work(): TX_CMP_VALID"),
    control("cqe-write-torn",
        "the valid bit of a receive completion comes with the next completion",
        fault("rest", "dma.write", "duplicate", match=RX_CQE, nth=12,
            until=until_event("dma.write", RX_CQE, nth=2)),
        fault("torn", "dma.write", "set", match=RX_CQE, nth=12, fields={"length": 8}),
        expect=LOOKED_IN_VAIN,
        source="bnxt.c:3088 __bnxt_poll_work(): TX_CMP_VALID is read first, dma_rmb() follows"),
    control("cqe-write-late",
        "a receive completion is written only when four more have been, their interrupts long gone",
        fault("late", "dma.write", "hold", match=RX_CQE, nth=12,
            until=until_event("dma.write", RX_CQE, nth=8)),
        expect=LOOKED_IN_VAIN, source="bnxt.c:3088 __bnxt_poll_work() waits at the gap"),
    stuck("nqe-write-lost", "a notification goes to an unmapped address: the queue stands still",
        fault("astray", "dma.write", "set", match=NQE, nth=5, fields={"iova": NOWHERE}),
        source="bnxt.c:3396 bnxt_poll_p5(): NQ_CMP_VALID"),
    control("stats-write-lost", "no statistics reach memory for a while",
        fault("astray", "dma.write", "set", match=STATS, times=0, fields={"iova": NOWHERE}),
        workload="stream",
        expect=Expect(Reaction.UNAFFECTED, refused="unmapped",
            ethtool={"rx_ucast_packets": (300, 10_000)}),
        source="bnxt.c:10543 bnxt_add_one_ctr(): counters are absolute, they catch up",
        engines=("uml",)),  # in real time the next block comes a second after the last look
    control("stats-write-damaged",
        "one statistics block is written with a wrong byte: the counter jumps by 2^40",
        fault("damage", "dma.write", "set", match=STATS, times=0, fields={"xor_at": 5}),
        workload="idle",
        expect=Expect(Reaction.UNAFFECTED, ethtool={"rx_ucast_packets": (1 << 40, None)}),
        source="bnxt.c:10543 bnxt_add_one_ctr(): a counter that goes back is one that wrapped",
        engines=("uml",)),  # in real time the driver may not look before the next block
    control("hwrm-answer-write-lost", "the answer to a command goes to an unmapped address",
        fault("astray", "dma.write", "set", match=HWRM, nth=2, fields={"iova": NOWHERE}),
        workload="settings",
        expect=Expect(Reaction.FAILS_CLEANLY,
            kernel_log=(r"Error \(timeout: \d+\) msg",)),
        source="bnxt_hwrm.c:641 __hwrm_send()"),
    control("hwrm-answer-write-torn",
        "only the first eight bytes of the answer to a command are written",
        fault("torn", "dma.write", "set", match={"purpose": "hwrm", "length": {"gt": 8}}, nth=2,
            fields={"length": 8}),
        workload="settings",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=(r"Error \(timeout: \d+\) msg", "nic open fail"),
            complaints=("HWRM vnic filter failure",),
            violations=("fw_left_after_close", "fw_left_after_unregister")),
        source="bnxt_hwrm.c:664 __hwrm_send(): the valid byte never comes",
        engines=("uml",)),  # in real time it may be the answer to one that need not succeed
    control("ring-page-table-stale",
        "the page table of a transmit ring is read where that of its completion ring is",
        fault("stale", "hwrm.request", "set", match={"cmd": "RING_ALLOC", "req.ring_type": [0, 1]},
            nth=2, fields={"req.page_tbl_addr": {"earlier": 1}}),
        workload="up-down",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.UP_DOWN,
            kernel_log=(r"hwrm_ring_alloc type 1 failed\. rc:ffffffea err:2\b",
                r"hwrm ring alloc failure rc: fffffffb\b"),
            complaints=(r"hwrm req_type 0x50\b", "nic open fail"), verdicts=("ring_page_table",)),
        source="bnxt.c:7354 hwrm_ring_alloc_send_msg(): the card refuses a table that goes on"
            " after the last entry of the ring"),
    control("ring-page-table-shared",
        "the page table of a completion ring is read where that of its notification queue is",
        fault("stale", "hwrm.request", "set", nth=2,
            match={"cmd": "RING_ALLOC", "req.ring_type": [0, 5], "req.logical_id": 0},
            fields={"req.page_tbl_addr": {"earlier": 1}}),
        workload="up-down",
        expect=Expect(Reaction.FAILS_CLEANLY, repair=Repair.UP_DOWN,
            kernel_log=(r"Resp cmpl intr err msg: 0x51\b", r"hwrm_ring_free type 1 failed")),
        source="bnxt_hwrm.c:584 __hwrm_send(): the tables are of one shape, so the card takes it;"
            " completions and HWRM_DONE go where nobody looks for them",
        engines=("uml",)),  # in real time they may be just where the notification queue is read
    control("rss-table-read-lost", "the RSS table is read from an unmapped address",
        fault("astray", "dma.read", "set", match={"purpose": "indirect"}, fields={"iova": NOWHERE},
            times=0),
        workload="up-down",
        expect=Expect(Reaction.UNAFFECTED, repair=Repair.UP_DOWN, refused="unmapped",
            violations=("vnic_names_unknown_ring",)),
        source="bnxt.c:6836 bnxt_hwrm_vnic_set_rss_p5() believes the answer"),
)  # fmt: skip
