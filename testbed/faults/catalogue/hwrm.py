# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that refuses, lies, is late or silent."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Repair, Work

FAULTS = (
    Fault(
        name="open-second-ring-refused",
        fault_class=FaultClass.HWRM,
        title="the second RING_ALLOC of an open is refused",
        plan=(
            {
                "id": "refused",
                "where": "hwrm.request",
                "when": {"match": {"cmd": "RING_ALLOC"}, "nth": 2},
                "what": {"action": "set", "fields": {"refuse": 4}},
            },
        ),
        workload="up-down",
        expect=Expect(
            reaction=Reaction.FAILS_CLEANLY,
            work=Work.FAILS,
            repair=Repair.UP_DOWN,
            kernel_log=("hwrm_ring_alloc",),
            complaints=("hwrm req_type 0x50", "nic open fail", "hwrm ring alloc failure"),
        ),
        source="bnxt.c:7360 hwrm_ring_alloc_send_msg()",
    ),
    Fault(
        name="coalescing-answer-lost",
        fault_class=FaultClass.HWRM,
        title="interrupt coalescing is set, the answer is never written",
        plan=(
            {
                "id": "silent",
                "where": "hwrm.answer",
                "when": {"match": {"cmd": "RING_CMPL_RING_CFG_AGGINT_PARAMS"}, "nth": 2},
                "what": {"action": "drop"},
            },
        ),
        workload="settings",
        expect=Expect(
            reaction=Reaction.FAILS_CLEANLY,
            work=Work.EITHER,
            kernel_log=(r"Error \(timeout: \d+\) msg \{0x53 ",),
            complaints=("HWRM set coalescing failure",),
        ),
        source="bnxt_hwrm.c:641 __hwrm_send()",
    ),
)
