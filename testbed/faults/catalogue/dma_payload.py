# SPDX-License-Identifier: GPL-2.0-only
"""Packets written to the wrong place, not whole, twice, late; or read so."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.dut.protocols import Capability
from testbed.faults.entry import (
    CORRUPTS,
    SENT_AGAIN,
    UNAFFECTED,
    Expect,
    FaultClass,
    Reaction,
    Repair,
    Work,
    entry,
)
from testbed.faults.plans import fault, until_event

LONG = {"purpose": "payload", "ring": "RX", "length": {"gt": 1000}}
SPLIT = {"ring": "RX_AGG", "length": {"gt": 1000}}
HEADER = {"purpose": "header", "ring": "RX"}
SENT = {"purpose": "payload", "ring": "TX", "length": {"gt": 1000}}
RX = {"purpose": "payload", "ring": "RX"}
UNREGISTERED = until_event("hwrm.answer", {"cmd": "FUNC_DRV_UNRGTR"})
REFILLED = until_event("doorbell.write", {"type": "SRQ"})
IOMMU = frozenset({Capability.IOMMU})
SLOW_READER = ("uml",)  # in real time the reader may be faster than the write
NOWHERE = 0xDEAD_0000_0000
WRITTEN_LATE = Expect(Reaction.UNAFFECTED, verdicts=("write_after_completion",))
DROPPED_LATE = Expect(Reaction.RECOVERS, nstat=SENT_AGAIN, verdicts=("write_after_completion",))
# What the driver says of a firmware that has forgotten its rings, or does not answer.
FORGOTTEN = ("(?i)hwrm", "Resp cmpl intr err msg")
SUM_BY_CARD = "bnxt.c:629 bnxt_start_xmit(): TX_BD_FLAGS_TCP_UDP_CHKSUM leaves the sum to the card"
BELIEVED = "bnxt.c:2385 bnxt_rx_pkt(): RX_CMP_L4_CS_OK is CHECKSUM_UNNECESSARY"
DROPPED = "bnxt.c:2376 bnxt_rx_pkt(): the stack drops what the buffer held before; tcp sends again"
on_stream = partial(entry, fault_class=FaultClass.DMA, workload="stream", expect=UNAFFECTED)
on_split_stream = partial(
    entry, fault_class=FaultClass.DMA, workload="split-stream", expect=CORRUPTS, source=BELIEVED
)
on_send = partial(
    entry, fault_class=FaultClass.DMA, workload="send", expect=CORRUPTS, source=SUM_BY_CARD
)
after_free = partial(entry, fault_class=FaultClass.DMA)

FAULTS = (
    on_stream("packet-write-stale",
        "a packet goes to the buffer of an earlier packet, which the stack still has",
        fault("stale", "dma.write", "set", match=LONG, nth=20, fields={"iova": {"earlier": 12}}),
        expect=replace(CORRUPTS, verdicts=("write_after_completion",)),
        source="bnxt.c:2376 bnxt_rx_pkt(): pages of the pool stay mapped, no IOMMU helps",
        engines=SLOW_READER),
    on_stream("packet-write-shifted",
        "a packet is written 64 bytes behind the beginning of its buffer",
        fault("shifted", "dma.write", "set", match=LONG, nth=5, fields={"iova": {"add": 64}}),
        expect=Expect(Reaction.RECOVERS, nstat=SENT_AGAIN, verdicts=("write_outside_buffer",)),
        source=DROPPED),
    on_stream("packet-write-too-long",
        "a packet is written with 200 bytes more than its buffer has",
        fault("long", "dma.write", "set", match=LONG, nth=5, fields={"length": 1736}),
        expect=Expect(Reaction.UNAFFECTED, verdicts=("write_outside_buffer",)),
        source="bnxt.c:1291 bnxt_rx_skb(): skb_shared_info behind the buffer is made afterwards"),
    on_stream("packet-write-truncated", "only the first 700 bytes of a packet are written",
        fault("short", "dma.write", "set", match=LONG, nth=5, fields={"length": 700}),
        expect=CORRUPTS, source=BELIEVED),
    on_stream("packet-write-damaged", "one byte of a packet is written wrong",
        fault("damage", "dma.write", "set", match=LONG, nth=5, fields={"xor_at": 900}),
        expect=CORRUPTS, source=BELIEVED),
    on_stream("packet-write-torn",
        "half of a packet is written after its completion, before the driver looks",
        fault("rest", "dma.write", "duplicate", match=LONG, nth=5,
            until=until_event("cqe.write", {"type": "RX_L2"})),
        fault("torn", "dma.write", "set", match=LONG, nth=5, fields={"length": 700}),
        expect=WRITTEN_LATE,
        source="bnxt.c:2191 bnxt_rx_pkt(): dma_rmb() orders reads, the card must order its writes"),
    on_stream("packet-write-torn-late",
        "half of a packet is written after the driver has handed the packet on",
        fault("rest", "dma.write", "duplicate", match=LONG, nth=5, until=REFILLED),
        fault("torn", "dma.write", "set", match=LONG, nth=5, fields={"length": 700}),
        expect=WRITTEN_LATE, source=BELIEVED, engines=SLOW_READER),
    on_stream("packet-write-duplicated", "each packet is written twice",
        fault("twice", "dma.write", "duplicate", match=LONG, times=0),
        unobservable="the same bytes go to the same buffer again before its completion",
        source="bnxt.c:2376 bnxt_rx_pkt(): nothing to notice"),
    on_stream("packet-write-duplicated-late",
        "a packet is written again after the driver has handed it on",
        fault("again", "dma.write", "duplicate", match=LONG, nth=5, until=REFILLED),
        expect=WRITTEN_LATE,
        source="bnxt.c:2376 bnxt_rx_pkt(): nothing to notice without an IOMMU that unmaps"),
    on_stream("packet-after-completion",
        "a packet is written after its completion, before the driver looks",
        fault("late", "dma.write", "hold", match=LONG, nth=5,
            until=until_event("cqe.write", {"type": "RX_L2"})),
        expect=WRITTEN_LATE,
        source="bnxt.c:2191 bnxt_rx_pkt(): dma_rmb() orders reads, the card must order its writes"),
    on_stream("packet-after-delivery",
        "a packet is written after the driver has handed its buffer on",
        fault("late", "dma.write", "hold", match=LONG, nth=5, until=REFILLED),
        expect=DROPPED_LATE, source=DROPPED),
    on_stream("packet-writes-reordered",
        "a packet is written after the next one, and so after its own completion",
        fault("late", "dma.write", "hold", match=LONG, nth=5,
            until=until_event("dma.write", LONG, same=["ring_id"])),
        expect=DROPPED_LATE, source=DROPPED,
        engines=("uml",)),  # QEMU: both come in one batch, and are there before their completions
    on_split_stream("split-header-write-lost",
        "only the header of a split packet goes to an unmapped address",
        fault("astray", "dma.write", "set", match=HEADER, nth=8, fields={"iova": NOWHERE}),
        expect=Expect(Reaction.RECOVERS, nstat=SENT_AGAIN, refused="unmapped"), source=DROPPED),
    on_split_stream("split-payload-write-stale",
        "the payload of a split packet goes to the buffer of an earlier one",
        fault("stale", "dma.write", "set", match=SPLIT, nth=20, fields={"iova": {"earlier": 12}}),
        expect=replace(CORRUPTS, verdicts=("write_after_completion",))),
    on_split_stream("split-payload-write-shifted",
        "the payload of a split packet is written 16 bytes behind the beginning of its page",
        fault("shifted", "dma.write", "set", match=SPLIT, nth=5, fields={"iova": {"add": 16}})),
    on_split_stream("split-payload-after-delivery",
        "the payload of a split packet is written after the driver has handed its page on",
        fault("late", "dma.write", "hold", match=SPLIT, nth=5, until=REFILLED),
        expect=WRITTEN_LATE, engines=SLOW_READER),
    after_free("write-after-ring-free",
        "a packet is written again right after RING_FREE of its ring was answered",
        fault("late", "dma.write", "duplicate", match=RX, nth=5,
            until=until_event("hwrm.answer", {"cmd": "RING_FREE", "req.ring_type": 2})),
        workload="ping-up-down", expect=Expect(Reaction.UNAFFECTED, verdicts=("write_after_free",)),
        source="bnxt.c:13439 __bnxt_close_nic(): RING_FREE is the last word, nothing is checked"),
    after_free("write-after-func-reset",
        "the firmware forgets all rings, as after FUNC_RESET, then a packet is written again",
        fault("late", "dma.write", "duplicate", match=RX, nth=2,
            until=until_event("rx.frame", nth=8)),
        fault("reset", "rx.frame", "card", nth=6, do="func_reset"),
        workload="ping",
        expect=Expect(Reaction.UNAFFECTED, work=Work.EITHER, repair=Repair.RELOAD,
            output="ping: 1[0-9] of 20 lost", complaints=FORGOTTEN,
            violations=("doorbell_unknown_ring", "hwrm_unknown_id", "hwrm_cmpl_ring"),
            verdicts=("write_after_free",)),
        source="bnxt.c:14798 bnxt_chk_missed_irq() sees nothing"),
    after_free("write-after-flr",
        "the function is reset (FLR), then a packet is written again: it is no bus master",
        fault("reset", "dma.write", "card", match=RX, nth=4, do="flr", until=UNREGISTERED),
        fault("late", "dma.write", "duplicate", match=RX, nth=4, until=UNREGISTERED),
        workload="ping-reload", expect=Expect(Reaction.UNAFFECTED, refused="bus_master_off"),
        source="bnxt.c:15622 bnxt_init_board(): pci_set_master() is what ends it"),
    after_free("write-after-unmap", "a packet is written again when its buffer has been unmapped",
        fault("late", "dma.write", "duplicate", match=RX, nth=5, until=UNREGISTERED),
        workload="ping-reload",
        expect=Expect(Reaction.UNAFFECTED, refused="unmapped|bus_master_off"),
        source="iommu: the write does not reach memory", engines=("qemu",),
        needs=IOMMU),  # without an IOMMU the page is somebody else's by then
    on_send("tx-read-lost", "a packet to be sent is read from an unmapped address",
        fault("astray", "dma.read", "set", match=SENT, nth=5, fields={"iova": NOWHERE}),
        expect=replace(CORRUPTS, refused="unmapped")),
    on_send("tx-read-stale", "in place of a packet to be sent an earlier one is read",
        fault("stale", "dma.read", "set", match=SENT, nth=8, fields={"iova": {"earlier": 2}})),
    on_send("tx-read-truncated",
        "500 bytes of a packet to be sent are read, and the checksum is made of them",
        fault("short", "dma.read", "set", match=SENT, nth=5, fields={"length": 500})),
)  # fmt: skip
