# SPDX-License-Identifier: GPL-2.0-only
"""DMA that goes elsewhere, comes late or is not whole."""

from __future__ import annotations

from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work

FAULTS = (
    Fault(
        name="packet-write-lost",
        fault_class=FaultClass.DMA,
        title="a whole packet goes to an unmapped address; its completion is written",
        plan=(
            {
                "id": "astray",
                "where": "dma.write",
                "when": {"match": {"purpose": "payload", "length": {"gt": 1000}}, "nth": 5},
                "what": {"action": "set", "fields": {"iova": 0xDEAD_0000_0000}},
            },
        ),
        workload="stream",
        expect=Expect(reaction=Reaction.RECOVERS),
        source="bnxt.c:2376 bnxt_rx_pkt() hands on what the buffer held; tcp sends again",
    ),
    Fault(
        name="split-payload-write-lost",
        fault_class=FaultClass.DMA,
        title="only the payload of a split packet goes to an unmapped address",
        plan=(
            {
                "id": "astray",
                "where": "dma.write",
                "when": {"match": {"ring": "RX_AGG", "length": {"gt": 1000}}, "nth": 5},
                "what": {"action": "set", "fields": {"iova": 0xDEAD_0000_0000}},
            },
        ),
        workload="split-stream",
        expect=Expect(reaction=Reaction.UNAFFECTED, work=Work.EITHER, corrupts=True),
        source="bnxt.c:2376 bnxt_rx_pkt(): L4_CS_CALC without error is CHECKSUM_UNNECESSARY",
    ),
)
