# SPDX-License-Identifier: GPL-2.0-only
"""Packets written to the wrong place, not whole, twice, late; or read so."""

from __future__ import annotations

from testbed.dut.protocols import Capability
from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Repair, Work
from testbed.faults.plans import fault, until_event

LONG = {"purpose": "payload", "ring": "RX", "length": {"gt": 1000}}
SPLIT = {"ring": "RX_AGG", "length": {"gt": 1000}}
HEADER = {"purpose": "header", "ring": "RX"}
SENT = {"purpose": "payload", "ring": "TX", "length": {"gt": 1000}}
RX = {"purpose": "payload", "ring": "RX"}
UNREGISTERED = until_event("hwrm.answer", {"cmd": "FUNC_DRV_UNRGTR"})
REFILLED = until_event("doorbell.write", {"type": "SRQ"})
NOWHERE = 0xDEAD_0000_0000
# What the driver says of a firmware that has forgotten its rings, or does not answer.
FORGOTTEN = ("(?i)hwrm", "Resp cmpl intr err msg")
SUM_BY_CARD = "bnxt.c:629 bnxt_start_xmit(): TX_BD_FLAGS_TCP_UDP_CHKSUM leaves the sum to the card"
BELIEVED = "bnxt.c:2385 bnxt_rx_pkt(): RX_CMP_L4_CS_OK is CHECKSUM_UNNECESSARY"
DROPPED = "the stack drops what the buffer held before; tcp sends again"
CORRUPTS = Expect(reaction=Reaction.UNAFFECTED, work=Work.EITHER, corrupts=True)

FAULTS = (
    Fault(
        name="packet-write-stale",
        fault_class=FaultClass.DMA,
        title="a packet goes to the buffer of an earlier packet, which the stack still has",
        plan=(
            fault(
                "stale", "dma.write", "set", match=LONG, nth=20, fields={"iova": {"earlier": 12}}
            ),
        ),
        workload="stream",
        engines=("uml",),  # in real time the reader may be faster than the write
        expect=Expect(
            reaction=Reaction.UNAFFECTED,
            work=Work.EITHER,
            corrupts=True,
            verdicts=("write_after_completion",),
        ),
        source="bnxt.c:2376 bnxt_rx_pkt(): pages of the pool stay mapped, no IOMMU helps",
    ),
    Fault(
        name="packet-write-shifted",
        fault_class=FaultClass.DMA,
        title="a packet is written 64 bytes behind the beginning of its buffer",
        plan=(
            fault("shifted", "dma.write", "set", match=LONG, nth=5, fields={"iova": {"add": 64}}),
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.RECOVERS, verdicts=("write_outside_buffer",)),
        source=f"bnxt.c:2376 bnxt_rx_pkt(): {DROPPED}",
    ),
    Fault(
        name="packet-write-too-long",
        fault_class=FaultClass.DMA,
        title="a packet is written with 200 bytes more than its buffer has",
        plan=(fault("long", "dma.write", "set", match=LONG, nth=5, fields={"length": 1736}),),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, verdicts=("write_outside_buffer",)),
        source="bnxt.c:1291 bnxt_rx_skb(): skb_shared_info behind the buffer is made afterwards",
    ),
    Fault(
        name="packet-write-truncated",
        fault_class=FaultClass.DMA,
        title="only the first 700 bytes of a packet are written",
        plan=(fault("short", "dma.write", "set", match=LONG, nth=5, fields={"length": 700}),),
        workload="stream",
        expect=CORRUPTS,
        source=BELIEVED,
    ),
    Fault(
        name="packet-write-damaged",
        fault_class=FaultClass.DMA,
        title="one byte of a packet is written wrong",
        plan=(fault("damage", "dma.write", "set", match=LONG, nth=5, fields={"xor_at": 900}),),
        workload="stream",
        expect=CORRUPTS,
        source=BELIEVED,
    ),
    Fault(
        name="packet-write-torn",
        fault_class=FaultClass.DMA,
        title="half of a packet is written after its completion, before the driver looks",
        plan=(
            fault(
                "rest",
                "dma.write",
                "duplicate",
                match=LONG,
                nth=5,
                until=until_event("cqe.write", {"type": "RX_L2"}),
            ),
            fault("torn", "dma.write", "set", match=LONG, nth=5, fields={"length": 700}),
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:2191 bnxt_rx_pkt(): dma_rmb() orders reads, the card must order its writes",
    ),
    Fault(
        name="packet-write-torn-late",
        fault_class=FaultClass.DMA,
        title="half of a packet is written after the driver has handed the packet on",
        plan=(
            fault("rest", "dma.write", "duplicate", match=LONG, nth=5, until=REFILLED),
            fault("torn", "dma.write", "set", match=LONG, nth=5, fields={"length": 700}),
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, verdicts=("write_after_completion",)),
        source=BELIEVED,
        engines=("uml",),  # in real time the reader may be faster than the write
    ),
    Fault(
        name="packet-write-duplicated",
        fault_class=FaultClass.DMA,
        title="each packet is written twice",
        plan=(fault("twice", "dma.write", "duplicate", match=LONG, times=0),),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:2376 bnxt_rx_pkt(): nothing to notice",
    ),
    Fault(
        name="packet-write-duplicated-late",
        fault_class=FaultClass.DMA,
        title="a packet is written again after the driver has handed it on",
        plan=(fault("again", "dma.write", "duplicate", match=LONG, nth=5, until=REFILLED),),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, verdicts=("write_after_completion",)),
        source="bnxt.c:2376 bnxt_rx_pkt(): nothing to notice without an IOMMU that unmaps",
    ),
    Fault(
        name="packet-after-completion",
        fault_class=FaultClass.DMA,
        title="a packet is written after its completion, before the driver looks",
        plan=(
            fault(
                "late",
                "dma.write",
                "hold",
                match=LONG,
                nth=5,
                until=until_event("cqe.write", {"type": "RX_L2"}),
            ),
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:2191 bnxt_rx_pkt(): dma_rmb() orders reads, the card must order its writes",
    ),
    Fault(
        name="packet-after-delivery",
        fault_class=FaultClass.DMA,
        title="a packet is written after the driver has handed its buffer on",
        plan=(fault("late", "dma.write", "hold", match=LONG, nth=5, until=REFILLED),),
        workload="stream",
        expect=Expect(reaction=Reaction.RECOVERS, verdicts=("write_after_completion",)),
        source=f"bnxt.c:2376 bnxt_rx_pkt(): {DROPPED}",
    ),
    Fault(
        name="packet-writes-reordered",
        fault_class=FaultClass.DMA,
        title="a packet is written after the next one",
        plan=(
            fault(
                "late",
                "dma.write",
                "hold",
                match=LONG,
                nth=5,
                until=until_event("dma.write", LONG, same=["ring_id"]),
            ),
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:2376 bnxt_rx_pkt(): completions say what is done, not the order of writes",
    ),
    Fault(
        name="split-header-write-lost",
        fault_class=FaultClass.DMA,
        title="only the header of a split packet goes to an unmapped address",
        plan=(fault("astray", "dma.write", "set", match=HEADER, nth=8, fields={"iova": NOWHERE}),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.RECOVERS, refused="unmapped"),
        source=f"bnxt.c:2376 bnxt_rx_pkt(): {DROPPED}",
    ),
    Fault(
        name="split-payload-write-stale",
        fault_class=FaultClass.DMA,
        title="the payload of a split packet goes to the buffer of an earlier one",
        plan=(
            fault(
                "stale", "dma.write", "set", match=SPLIT, nth=20, fields={"iova": {"earlier": 12}}
            ),
        ),
        workload="split-stream",
        expect=Expect(
            reaction=Reaction.UNAFFECTED,
            work=Work.EITHER,
            corrupts=True,
            verdicts=("write_after_completion",),
        ),
        source=BELIEVED,
    ),
    Fault(
        name="split-payload-write-shifted",
        fault_class=FaultClass.DMA,
        title="the payload of a split packet is written 16 bytes behind the beginning of its page",
        plan=(
            fault("shifted", "dma.write", "set", match=SPLIT, nth=5, fields={"iova": {"add": 16}}),
        ),
        workload="split-stream",
        expect=CORRUPTS,
        source=BELIEVED,
    ),
    Fault(
        name="split-payload-after-delivery",
        fault_class=FaultClass.DMA,
        title="the payload of a split packet is written after the driver has handed its page on",
        plan=(fault("late", "dma.write", "hold", match=SPLIT, nth=5, until=REFILLED),),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, verdicts=("write_after_completion",)),
        source=BELIEVED,
        engines=("uml",),  # in real time the reader may be faster than the write
    ),
    Fault(
        name="write-after-ring-free",
        fault_class=FaultClass.DMA,
        title="a packet is written again right after RING_FREE of its ring was answered",
        plan=(
            fault(
                "late",
                "dma.write",
                "duplicate",
                match=RX,
                nth=5,
                until=until_event("hwrm.answer", {"cmd": "RING_FREE", "req.ring_type": 2}),
            ),
        ),
        workload="ping-up-down",
        expect=Expect(reaction=Reaction.UNAFFECTED, verdicts=("write_after_free",)),
        source="bnxt.c:13439 __bnxt_close_nic(): RING_FREE is the last word, nothing is checked",
    ),
    Fault(
        name="write-after-func-reset",
        fault_class=FaultClass.DMA,
        title="the firmware forgets all rings, as after FUNC_RESET, then a packet is written again",
        plan=(
            fault(
                "late",
                "dma.write",
                "duplicate",
                match=RX,
                nth=2,
                until=until_event("rx.frame", nth=8),
            ),
            fault("reset", "rx.frame", "card", nth=6, do="func_reset"),
        ),
        workload="ping",
        expect=Expect(
            reaction=Reaction.UNAFFECTED,
            work=Work.EITHER,
            repair=Repair.RELOAD,
            output="ping: 1[0-9] of 20 lost",
            complaints=FORGOTTEN,
            violations=("doorbell_unknown_ring", "hwrm_unknown_id", "hwrm_cmpl_ring"),
            verdicts=("write_after_free",),
        ),
        source="bnxt.c:14798 bnxt_chk_missed_irq() sees nothing",
    ),
    Fault(
        name="write-after-flr",
        fault_class=FaultClass.DMA,
        title="the function is reset (FLR), then a packet is written again: it is no bus master",
        plan=(
            fault("reset", "dma.write", "card", match=RX, nth=4, do="flr", until=UNREGISTERED),
            fault("late", "dma.write", "duplicate", match=RX, nth=4, until=UNREGISTERED),
        ),
        workload="ping-reload",
        expect=Expect(reaction=Reaction.UNAFFECTED, refused="bus_master_off"),
        source="bnxt.c:15622 bnxt_init_board(): pci_set_master() is what ends it",
    ),
    Fault(
        name="write-after-unmap",
        fault_class=FaultClass.DMA,
        title="a packet is written again when its buffer has been unmapped",
        plan=(
            fault(
                "late",
                "dma.write",
                "duplicate",
                match=RX,
                nth=5,
                until=UNREGISTERED,
            ),
        ),
        workload="ping-reload",
        expect=Expect(reaction=Reaction.UNAFFECTED, refused="unmapped|bus_master_off"),
        source="iommu: the write does not reach memory",
        engines=("qemu",),
        needs=frozenset({Capability.IOMMU}),  # without an IOMMU the page is somebody else's by then
    ),
    Fault(
        name="tx-read-lost",
        fault_class=FaultClass.DMA,
        title="a packet to be sent is read from an unmapped address",
        plan=(fault("astray", "dma.read", "set", match=SENT, nth=5, fields={"iova": NOWHERE}),),
        workload="send",
        expect=Expect(
            reaction=Reaction.UNAFFECTED, work=Work.EITHER, corrupts=True, refused="unmapped"
        ),
        source=SUM_BY_CARD,
    ),
    Fault(
        name="tx-read-stale",
        fault_class=FaultClass.DMA,
        title="in place of a packet to be sent an earlier one is read",
        plan=(
            fault("stale", "dma.read", "set", match=SENT, nth=8, fields={"iova": {"earlier": 2}}),
        ),
        workload="send",
        expect=CORRUPTS,
        source=SUM_BY_CARD,
    ),
    Fault(
        name="tx-read-truncated",
        fault_class=FaultClass.DMA,
        title="500 bytes of a packet to be sent are read, and the checksum is made of them",
        plan=(fault("short", "dma.read", "set", match=SENT, nth=5, fields={"length": 500}),),
        workload="send",
        expect=CORRUPTS,
        source=SUM_BY_CARD,
    ),
)
