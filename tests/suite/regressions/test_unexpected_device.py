# SPDX-License-Identifier: GPL-2.0-only
"""What a card may say, and a driver did not expect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from testbed.dut import Capability, Dut, Endpoint
from testbed.suite.defer import Defer
from testbed.suite.nic import ethtool, set_channels
from testbed.suite.streams import Traffic, require_equal

pytestmark = pytest.mark.needs(Capability.FAULTS)

PORT = 5720
SECONDS = 3
DBG_BUF_PRODUCER = 0x4C
"""ASYNC_EVENT_CMPL_EVENT_ID_DBG_BUF_PRODUCER (struct hwrm_async_event_cmpl_dbg_buf_producer)."""


def event(trace_type: int) -> dict[str, Any]:
    """A trace buffer of the firmware has new content; the type is in event_data1, bits 15..0."""
    params = {"event_id": DBG_BUF_PRODUCER, "data1": trace_type, "data2": 0}
    return {"where": "now", "what": {"action": "card", "do": "async_event", "params": params}}


@pytest.mark.parametrize("trace_type", [13, 0xFFFF])
def test_unknown_trace_type(dut: Dut, remote: Endpoint, faults: Any, trace_type: int) -> None:
    """CVE-2026-31395 (64dcbde7f8f8): an event about an unknown trace buffer is ignored.

    The type, 16 bits from the card, was an index into an array of 13.
    """
    with faults.inject(event(trace_type)):
        remote.run(["ping", "-c", "2", "-i", "0.05", "-W", "3", dut.ipv4])


def renumbered(numbers: Mapping[int, int]) -> list[dict[str, Any]]:
    """Aggregations get other ids than the card gave: any 12 bits are the card's right."""
    kinds = ["RX_TPA_START", "RX_TPA_AGG", "RX_TPA_END"]
    return [
        {
            "where": "cqe.write",
            "when": {"match": {"type": kinds, "agg_id": old}},
            "what": {"action": "set", "fields": {"agg_id": new}},
            "times": 0,
        }
        for old, new in numbers.items()
    ]


def receive_aggregated(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Flows into one queue: each has an aggregation open, and waits for it, while others send."""
    set_channels(dut, 1, defer)
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "on")
    defer(ethtool, dut, "-K", dut.netdev, "rx-gro-hw", "on")
    with Traffic(dut, remote, port=PORT, flows=16, seconds=SECONDS) as traffic:
        require_equal(traffic.finish())


@pytest.mark.needs(Capability.HW_GRO, Capability.REAL_TIME)
@pytest.mark.card_options(aggregation_timeout_us=150_000)
def test_aggregation_ids_that_collide(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Any
) -> None:
    """ffeafa65b2b2: aggregations whose ids are equal in their low bits get slots of their own.

    A slot is looked for by the low 8 bits of the id; where it was taken, only 4 others were looked
    at, and then one in use was handed out.
    """
    with faults.inject(*renumbered({1: 256, 2: 512, 3: 768, 5: 1})):
        receive_aggregated(dut, remote, defer)


@pytest.mark.needs(Capability.HW_GRO, Capability.REAL_TIME)
@pytest.mark.card_options(max_aggs=64, aggregation_timeout_us=150_000)
def test_aggregation_id_beyond_the_limit(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Any
) -> None:
    """c0aceaf65b70: an id above the number of aggregations the card has told is no index.

    The driver had 64 slots and took 8 bits of the id.
    """
    with faults.inject(*renumbered({0: 200})):
        receive_aggregated(dut, remote, defer)
