# SPDX-License-Identifier: GPL-2.0-only
"""Transmit completions that run ahead, go back, name another ring or do not come."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work
from testbed.faults.plans import fault, until_event

TX = {"type": "TX_L2"}
RESET = Expect(
    reaction=Reaction.RESETS_RING,
    kernel_log=("Invalid Tx completion",),
    complaints=("bnxt_sched_reset_txr",),
    ethtool={"tx_total_resets": (1, 1)},
)
NO_SKB = "bnxt.c:858 __bnxt_tx_int(): no skb; bnxt.c:425 bnxt_sched_reset_txr() with WARN_ON_ONCE"

FAULTS = (
    Fault(
        name="tx-completion-ahead",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion names a packet that was never posted",
        plan=(
            fault("ahead", "cqe.write", "set", match=TX, nth=5, fields={"opaque": {"add": 250}}),
        ),
        workload="send",
        expect=RESET,
        source=NO_SKB,
    ),
    Fault(
        name="tx-completion-backwards",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion names a packet of two completions ago",
        plan=(
            fault("back", "cqe.write", "set", match=TX, nth=8, fields={"opaque": {"earlier": 2}}),
        ),
        workload="send",
        expect=RESET,
        source=NO_SKB,
    ),
    Fault(
        name="tx-completion-reordered",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion comes when later ones have been seen",
        plan=(
            fault(
                "late",
                "cqe.write",
                "hold",
                match=TX,
                nth=5,
                until=until_event("doorbell.write", {"type": "CQ_ARMALL"}, nth=4),
            ),
        ),
        workload="send",
        expect=RESET,
        source=NO_SKB,
    ),
    Fault(
        name="tx-completion-coalesced-wild",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion gives a consumer index no ring has",
        plan=(
            fault(
                "wild",
                "cqe.write",
                "set",
                match=TX,
                nth=5,
                fields={"type": "TX_L2_COAL", "sq_cons_idx": 0xFFFF},
            ),
        ),
        workload="send",
        expect=RESET,
        source="bnxt.c:3105 __bnxt_poll_work() does not mask the index; " + NO_SKB,
    ),
    Fault(
        name="tx-completion-ring-unused",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion names a ring the vector does not have",
        plan=(
            fault(
                "ring", "cqe.write", "set", match=TX, nth=5, fields={"opaque": {"or": 0x0500_0000}}
            ),
        ),
        workload="send",
        expect=Expect(reaction=Reaction.RECOVERS, work=Work.EITHER, finding="tx-ring-unchecked"),
        source="bnxt.c:3102 __bnxt_poll_work()",
    ),
    Fault(
        name="tx-completion-ring-beyond-array",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion names a ring beyond the vector's array of eight",
        plan=(
            fault(
                "ring", "cqe.write", "set", match=TX, nth=5, fields={"opaque": {"or": 0x4000_0000}}
            ),
        ),
        workload="send",
        expect=Expect(reaction=Reaction.RECOVERS, work=Work.EITHER, finding="tx-ring-unchecked"),
        source="bnxt.c:3102 __bnxt_poll_work()",
    ),
    Fault(
        name="tx-completion-lost",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion is never written; the next one reports its packets too",
        plan=(fault("lost", "cqe.write", "drop", match=TX, nth=5),),
        workload="send",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:3107 __bnxt_poll_work(): TX_OPAQUE_PROD",
    ),
    Fault(
        name="tx-completion-duplicated",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion comes twice",
        plan=(fault("twice", "cqe.write", "duplicate", match=TX, nth=5),),
        workload="send",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:948 bnxt_tx_int(): tx_hw_cons is tx_cons already",
    ),
    Fault(
        name="tx-completion-errors",
        fault_class=FaultClass.COMPLETION,
        title="a transmit completion has all error bits set",
        plan=(
            fault(
                "errors",
                "cqe.write",
                "set",
                match=TX,
                nth=5,
                fields={"tx_cmp_errors_v": {"or": 0x7E}},
            ),
        ),
        workload="send",
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:3107 __bnxt_poll_work() never looks at tx_cmp_errors_v",
    ),
    Fault(
        name="tx-completions-withheld",
        fault_class=FaultClass.COMPLETION,
        title="no transmit completion is written during the stream; a later one reports all of it",
        plan=(fault("silent", "cqe.write", "drop", match=TX, nth=5, times=0),),
        workload="send",
        engines=("uml",),  # real time brings the transmit watchdog in as well
        expect=Expect(reaction=Reaction.UNAFFECTED),
        source="bnxt.c:848 __bnxt_tx_int() goes on to whatever index is reported",
    ),
)
