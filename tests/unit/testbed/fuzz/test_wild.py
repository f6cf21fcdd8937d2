# SPDX-License-Identifier: GPL-2.0-only
"""What only an IOMMU can stop, and how little of the catalogue that is."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.fuzz.wild import UNMAPPED, is_wild

WRITE: dict[str, Any] = {"where": "dma.write"}


@pytest.mark.parametrize(
    ("fault", "wild"),
    [
        ({**WRITE, "what": {"action": "set", "fields": {"iova": {"add": 64}}}}, True),
        ({**WRITE, "what": {"action": "set", "fields": {"iova": UNMAPPED}}}, False),
        ({**WRITE, "what": {"action": "set", "fields": {"length": 5000}}}, True),
        ({**WRITE, "what": {"action": "set", "fields": {"length": {"add": -1}}}}, False),
        ({**WRITE, "what": {"action": "hold", "after_ns": 5}}, True),
        ({**WRITE, "what": {"action": "hold", "after_ns": 5},
          "when": {"match": {"purpose": "cqe"}}}, False),
        ({**WRITE, "what": {"action": "card", "do": "dma_write", "params": {}}}, True),
        ({"where": "now", "what": {"action": "card", "do": "dma_write",
          "params": {"iova": UNMAPPED}}}, False),
        ({"where": "hwrm.request", "what": {"action": "set",
          "fields": {"req.page_tbl_addr": 0}}}, True),
        ({"where": "hwrm.request", "what": {"action": "set", "fields": {"refuse": 1}}}, False),
        ({"where": "doorbell.write", "when": {"match": {"type": "SRQ"}},
          "what": {"action": "set", "fields": {"index": 1}}}, True),
        ({"where": "doorbell.write", "when": {"match": {"type": "SQ"}},
          "what": {"action": "set", "fields": {"index": 1}}}, False),
        ({"where": "dma.read", "what": {"action": "set", "fields": {"xor_at": 1}}}, True),
        ({"where": "dma.read", "when": {"match": {"purpose": "payload"}},
          "what": {"action": "set", "fields": {"xor_at": 1}}}, False),
    ],
)  # fmt: skip
def test_what_only_an_iommu_can_stop(fault: dict[str, Any], wild: bool) -> None:
    assert is_wild(fault) is wild


def test_most_of_the_catalogue_is_tame() -> None:
    wild = {f.name for f in load_catalogue().values() if any(map(is_wild, f.plan))}
    assert {"packet-write-too-long", "write-after-ring-free", "packet-write-stale"} <= wild
    assert len(wild) < 40
