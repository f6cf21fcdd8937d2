# SPDX-License-Identifier: GPL-2.0-only
"""The cable, the slot and the function itself."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction

FAULTS = (
    Fault(
        name="link-flap",
        fault_class=FaultClass.PCI_LINK,
        title="the link goes down under traffic and comes back two seconds later",
        plan=(
            {
                "id": "down",
                "where": "rx.frame",
                "when": {"nth": 20},
                "what": {"action": "card", "do": "link", "params": {"up": False}},
            },
            {
                "id": "up",
                "where": "rx.frame",
                "when": {"nth": 20},
                "what": {
                    "action": "card",
                    "do": "link",
                    "params": {"up": True},
                    "after_ns": 2_000_000_000,
                },
            },
        ),
        workload="stream",
        expect=Expect(
            reaction=Reaction.RECOVERS,
            kernel_log=("NIC Link is Down", "NIC Link is Up"),
            card={"rx_drop_link_down": (0, None)},
        ),
        source="bnxt.c bnxt_report_link()",
    ),
)
