# SPDX-License-Identifier: GPL-2.0-only
"""Completions that lie, are lost or come twice."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction

FAULTS = (
    Fault(
        name="rx-opaque-wrong",
        fault_class=FaultClass.COMPLETION,
        title="a receive completion names another buffer than the next one",
        plan=(
            {
                "id": "opaque",
                "where": "cqe.write",
                "when": {"match": {"type": "RX_L2"}, "nth": 5},
                "what": {"action": "set", "fields": {"opaque": {"add": 1}}},
            },
        ),
        workload="stream",
        expect=Expect(
            reaction=Reaction.RESETS_RING,
            kernel_log=("RX cons .* != expected cons",),
            ethtool={"rx_total_resets": (1, 1)},
        ),
        source="bnxt.c:2221 bnxt_rx_pkt()",
    ),
    Fault(
        name="rx-cqe-lost",
        fault_class=FaultClass.COMPLETION,
        title="a receive completion is never written, so the next one names a later buffer",
        plan=(
            {
                "id": "lost",
                "where": "cqe.write",
                "when": {"match": {"type": "RX_L2"}, "nth": 5},
                "what": {"action": "drop"},
            },
        ),
        workload="stream",
        expect=Expect(
            reaction=Reaction.RESETS_RING,
            kernel_log=("RX cons .* != expected cons",),
            ethtool={"rx_total_resets": (1, 1)},
        ),
        source="bnxt.c:2221 bnxt_rx_pkt()",
    ),
)
