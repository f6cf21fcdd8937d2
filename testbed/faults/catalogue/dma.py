# SPDX-License-Identifier: GPL-2.0-only
"""DMA that goes elsewhere, comes late or is not whole."""

from __future__ import annotations

from dataclasses import replace

from testbed.faults.entry import CORRUPTS, SENT_AGAIN, Expect, FaultClass, Reaction, entry
from testbed.faults.plans import fault

NOWHERE = 0xDEAD_0000_0000

FAULTS = (
    entry("packet-write-lost",
        "a whole packet goes to an unmapped address; its completion is written",
        fault("astray", "dma.write", "set", match={"purpose": "payload", "length": {"gt": 1000}},
            nth=5, fields={"iova": NOWHERE}),
        fault_class=FaultClass.DMA, workload="stream",
        expect=Expect(Reaction.RECOVERS, nstat=SENT_AGAIN, refused="unmapped"),
        source="bnxt.c:2376 bnxt_rx_pkt() hands on what the buffer held; tcp sends again"),
    entry("split-payload-write-lost",
        "only the payload of a split packet goes to an unmapped address",
        fault("astray", "dma.write", "set", match={"ring": "RX_AGG", "length": {"gt": 1000}},
            nth=5, fields={"iova": NOWHERE}),
        fault_class=FaultClass.DMA, workload="split-stream",
        expect=replace(CORRUPTS, refused="unmapped"),
        source="bnxt.c:2376 bnxt_rx_pkt(): L4_CS_CALC without error is CHECKSUM_UNNECESSARY"),
)  # fmt: skip
