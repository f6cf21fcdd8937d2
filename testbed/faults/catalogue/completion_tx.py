# SPDX-License-Identifier: GPL-2.0-only
"""Transmit completions that run ahead, go back, name another ring or do not come."""

from __future__ import annotations

from functools import partial

from testbed.faults.entry import (
    STALLED,
    SURVIVES,
    UNAFFECTED,
    Expect,
    FaultClass,
    Reaction,
    Work,
    entry,
)
from testbed.faults.plans import fault, until_event

TX = {"type": "TX_L2"}
RESET = Expect(
    Reaction.RESETS_RING,
    kernel_log=("Invalid Tx completion",),
    warns=("bnxt_sched_reset_txr",),
    ethtool={"tx_total_resets": (1, 1)},
)
NO_RING = Expect(Reaction.RECOVERS, work=Work.EITHER, finding="tx-ring-unchecked", fixed=SURVIVES)
# The packets stay, and tcp waits with small ones for those that the card still has.
LATE = Expect(Reaction.UNAFFECTED, nstat={"dut TcpExtTCPAutoCorking": (1, None)})
NO_SKB = "bnxt.c:858 __bnxt_tx_int(): no skb; bnxt.c:425 bnxt_sched_reset_txr() with WARN_ON_ONCE"
tx = partial(entry, fault_class=FaultClass.COMPLETION, workload="send", expect=RESET, source=NO_SKB)

FAULTS = (
    tx("tx-completion-ahead", "a transmit completion names a packet that was never posted",
        fault("ahead", "cqe.write", "set", match=TX, nth=5, fields={"opaque": {"add": 250}}),
        # on QEMU another completion of the same poll puts the index right before it is used
        engines=("uml",)),
    tx("tx-completion-backwards", "a transmit completion names a packet of two completions ago",
        fault("back", "cqe.write", "set", match=TX, nth=8, fields={"opaque": {"earlier": 2}}),
        # on QEMU one poll may see those before it as well: then nothing is done, till the watchdog
        engines=("uml",)),
    tx("tx-completion-reordered", "a transmit completion comes when later ones have been seen",
        fault("late", "cqe.write", "hold", match=TX, nth=5,
            until=until_event("doorbell.write", {"type": "CQ_ARMALL"}, nth=4))),
    tx("tx-completion-coalesced-wild", "a transmit completion gives a consumer index no ring has",
        fault("wild", "cqe.write", "set", match=TX, nth=5,
            fields={"type": "TX_L2_COAL", "sq_cons_idx": 0xFFFF}),
        source="bnxt.c:3105 __bnxt_poll_work() does not mask the index; " + NO_SKB),
    tx("tx-completion-ring-unused", "a transmit completion names a ring the vector does not have",
        fault("ring", "cqe.write", "set", match=TX, nth=5, fields={"opaque": {"or": 0x0500_0000}}),
        expect=NO_RING, source="bnxt.c:3102 __bnxt_poll_work()"),
    tx("tx-completion-ring-beyond-array",
        "a transmit completion names a ring beyond the vector's array of eight",
        fault("ring", "cqe.write", "set", match=TX, nth=5, fields={"opaque": {"or": 0x4000_0000}}),
        expect=NO_RING, source="bnxt.c:3102 __bnxt_poll_work()"),
    tx("tx-completion-lost",
        "every second transmit completion is never written; the next one reports its packets too",
        fault("lost", "cqe.write", "drop", match=TX, nth=5, every=2, times=0),
        expect=LATE, source="bnxt.c:3107 __bnxt_poll_work(): TX_OPAQUE_PROD",
        engines=("uml",)),  # in real time tcp may have nothing small to send meanwhile
    tx("tx-completion-duplicated", "a transmit completion comes twice",
        fault("twice", "cqe.write", "duplicate", match=TX, nth=5),
        expect=UNAFFECTED, source="bnxt.c:948 bnxt_tx_int(): tx_hw_cons is tx_cons already",
        unobservable="Its packets are freed already, and the driver does nothing for the second."),
    tx("tx-completion-errors", "a transmit completion has all error bits set",
        fault("errors", "cqe.write", "set", match=TX, nth=5,
            fields={"tx_cmp_errors_v": {"or": 0x7E}}),
        expect=UNAFFECTED, source="bnxt.c:3107 __bnxt_poll_work() never looks at tx_cmp_errors_v",
        unobservable="The driver reads no error bit of a transmit completion."),
    tx("tx-completions-withheld",
        "two transmit completions are not written, and nothing more may be sent",
        fault("silent", "cqe.write", "drop", match=TX, nth=5, times=2),
        expect=STALLED,
        source="bnxt.c:14400 bnxt_tx_timeout(); netdevice.h:3884 netdev_tx_sent_queue()",
        engines=("uml",)),
)  # fmt: skip
