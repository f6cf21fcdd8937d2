# SPDX-License-Identifier: GPL-2.0-only
"""Shorthand for plans gives documents of the file format."""

from __future__ import annotations

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.faults.plan import parse_plan, plan_document
from testbed.faults.plans import fault, until_event, witness


def test_shorthand_is_a_plan_and_nothing_else() -> None:
    faults = [
        fault("plain", "irq.raise", "drop"),
        fault("set", "cqe.write", "set", match={"type": "RX_L2"}, nth=5, every=2, times=0,
            fields={"opaque": {"add": 1}}),
        fault("held", "cqe.write", "hold",
            until=until_event("doorbell.write", {"type": "SRQ"}, nth=2, before=True)),
        witness("armed", "doorbell.write", "index", match={"type": "NQ_ARM"}),
    ]  # fmt: skip
    document = {"version": 1, "fault": faults}
    assert plan_document(parse_plan(document, FAULTS)) == document
