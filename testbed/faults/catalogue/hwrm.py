# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that refuses requests, or whose responses are wrong, late or missing."""

from __future__ import annotations

from testbed.faults.entry import Expect, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault

FAULTS = (
    entry("open-second-ring-refused", "the second RING_ALLOC of an open is refused",
        fault("refused", "hwrm.request", "set", match={"cmd": "RING_ALLOC"}, nth=2,
            fields={"refuse": 4}),
        fault_class=FaultClass.HWRM, workload="up-down",
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.UP_DOWN,
            kernel_log=("hwrm_ring_alloc",),
            complaints=(r"hwrm req_type 0x50\b", "nic open fail", "hwrm ring alloc failure")),
        source="bnxt.c:7360 hwrm_ring_alloc_send_msg()"),
    entry("coalescing-answer-lost", "interrupt coalescing is set, the answer is never written",
        fault("silent", "hwrm.answer", "drop", match={"cmd": "RING_CMPL_RING_CFG_AGGINT_PARAMS"},
            nth=2),
        fault_class=FaultClass.HWRM, workload="settings",
        expect=Expect(Reaction.FAILS_CLEANLY,
            kernel_log=(r"Error \(timeout: \d+\) msg \{0x53 ",),
            complaints=("HWRM set coalescing failure",)),
        source="bnxt_hwrm.c:641 __hwrm_send()"),
)  # fmt: skip
