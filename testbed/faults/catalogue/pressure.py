# SPDX-License-Identifier: GPL-2.0-only
"""Too few buffers, too many entries, a reader that does not read, memory that runs out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.faults.entry import (
    STALLED,
    UNAFFECTED,
    Expect,
    FaultClass,
    Reaction,
    Repair,
    Work,
    entry,
)
from testbed.faults.plans import fault, until_event, witness

BUFFERS = {"type": "SRQ"}
SEND = {"type": "SQ"}
DATA = {"tcp_payload": {"gt": 0}}
LOST_FRAME = fault("lost", "rx.frame", "drop", match=DATA, nth=10)
"""Beside what fails in the kernel: a frame has to be sent again under that pressure."""
NEXT_NAMES_ALL = "bnxt.c:3183 __bnxt_poll_work_done(): the next doorbell names all buffers"
SENT_AGAIN = until_event("rx.frame", {"tcp_again": True})
RUN_DRY = Expect(
    Reaction.RECOVERS, card={"rx_holds": (1, None)}, nstat={"remote TcpRetransSegs": (1, None)}
)
DUPLICATES = {"dut TcpExtTCPDSACKOldSent": (100, None), "remote TcpRetransSegs": (0, 100)}
"""TCP tells the sender of each segment that it has already; what is probed or late comes again."""
pressure = partial(entry, fault_class=FaultClass.PRESSURE, workload="stream", expect=UNAFFECTED)
SHORT = Expect(
    Reaction.RECOVERS,
    output=r"\b[1-9][0-9]* allocations failed",
    nstat={"remote TcpRetransSegs": (1, None)},
)
# packets without an sk_buff are sent again as well: 14 segments. So more are lost than that, and
# each of them has to come again: what one lost segment leads to (23 or 66) is the host's affair
MANY_LOST = 30
LOST_FRAMES = fault("lost", "rx.frame", "drop", match=DATA, nth=10, every=1, times=MANY_LOST)
SHORT_OF_SK_BUFFS = replace(SHORT, nstat={"remote TcpRetransSegs": (MANY_LOST, None)})
allocations_fail = partial(entry, fault_class=FaultClass.PRESSURE, expect=SHORT)

FAULTS = (
    pressure("rx-doorbells-late",
        "the card learns of fresh receive buffers when a segment comes again: its ring runs dry",
        fault("late", "doorbell.write", "hold", match=BUFFERS, nth=3, every=1, times=300,
            until=SENT_AGAIN),
        workload="stream-large", expect=RUN_DRY, source=NEXT_NAMES_ALL),
    pressure("rx-starved", "the card never sees a fresh receive buffer again",
        fault("deaf", "doorbell.write", "drop", match=BUFFERS, times=0),
        workload="stream-large",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.UP_DOWN,
            card={"rx_discard": (1, None)}),
        source="bnxt.c:3183 __bnxt_poll_work_done(): nothing tells the driver of an empty ring"),
    pressure("split-buffers-starved",
        "the card learns of fresh aggregation buffers when a segment comes again: they run out",
        fault("late", "doorbell.write", "hold", match=BUFFERS, nth=3, every=1, times=30,
            until=SENT_AGAIN),
        workload="split-stream", expect=RUN_DRY, source=NEXT_NAMES_ALL),
    pressure("zcrx-frames-multiplied",
        "each segment of a zcrx stream comes thirty times: the area runs out of buffers",
        fault("flood", "rx.frame", "duplicate", match=DATA, nth=5, every=1, times=100, count=29),
        workload="zcrx",
        expect=Expect(Reaction.UNAFFECTED, output=r"\b0 outstanding", nstat=DUPLICATES,
            card={"rx_holds": (1, None)}),
        source="zcrx.c:1232 io_pp_zc_alloc_netmems(); bnxt.c:1096 bnxt_alloc_rx_netmem()"),
    pressure("zcrx-client-stopped",
        "a zcrx client gives no buffer back for a second, and frames come twice",
        fault("twice", "rx.frame", "duplicate", match=DATA, nth=5, every=2, times=200),
        source="zcrx.c:1123 io_zcrx_ring_refill() finds nothing, zcrx.c:1166 io_zcrx_refill_slow()",
        workload="zcrx-stopped",
        expect=Expect(Reaction.UNAFFECTED, output=r"\b0 buffers outstanding", nstat=DUPLICATES)),
    pressure("reader-stopped",
        "the reader of a stream stops twice while segments come again and again",
        fault("twice", "rx.frame", "duplicate", match=DATA, nth=5, every=2, times=200),
        workload="stream-stopped",
        expect=Expect(Reaction.UNAFFECTED, output="arrived whole", nstat=DUPLICATES),
        source="tcp_input.c tcp_data_queue(): buffers wait in the socket, the ring gets others"),
    pressure("cq-flooded", "three hundred entries of an unknown type come between two completions",
        fault("flood", "cqe.write", "duplicate", match={"type": "RX_L2"}, nth=5, count=300,
            first=True, fields={"type": "0x3e"}),
        witness("consumed", "doorbell.write", "index", times=1,
            match={"type": "CQ_ARMALL", "index": {"ge": 1000}}),  # 750 without them
        source="bnxt.c:3145 __bnxt_poll_work() skips what it does not know"),
    pressure("consumer-slow",
        "what the driver has consumed of a completion ring is told when the NQ is armed",
        fault("late", "doorbell.write", "hold", match={"type": "CQ_ARMALL"}, nth=5, every=3,
            times=20, until=until_event("doorbell.write", {"type": "NQ_ARM"})),
        source="bnxt.c:3403 bnxt_poll_p5(): whoever arms next arms for all",
        unobservable="The driver rings both doorbells in one poll, and the card raises no"
            " interrupt before the second."),
    pressure("tx-ring-stalled",
        "the card does not see what is to be sent",
        fault("deaf", "doorbell.write", "drop", match=SEND, nth=30, every=1, times=10),
        workload="send",
        expect=STALLED,
        source="bnxt.c:14400 bnxt_tx_timeout(); netdevice.h:3884 netdev_tx_sent_queue()",
        engines=("uml",)),
    allocations_fail("slab-fails",
        "every 10th allocation of sk_buffs fails while thirty lost segments are sent again",
        LOST_FRAMES, workload="slab-fails", expect=SHORT_OF_SK_BUFFS,
        source="bnxt.c:2428 bnxt_rx_pkt(): counts the buffer as out of memory and posts it again"),
    allocations_fail("pages-fail",
        "every 20th atomic page allocation fails while a lost segment is sent again",
        LOST_FRAME, workload="pages-fail",
        source="bnxt.c:960 __bnxt_alloc_rx_page()"),
    allocations_fail("page-pool-fails",
        "every 20th page_pool_alloc_netmems() fails while a lost segment is sent again",
        LOST_FRAME, workload="page-pool-fails",
        source="bnxt.c:981 __bnxt_alloc_rx_netmem()", engines=("qemu",)),
)  # fmt: skip
