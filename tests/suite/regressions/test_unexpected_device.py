# SPDX-License-Identifier: GPL-2.0-only
"""What a card may say, and a driver did not expect."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import pci_address, reload_driver
from testbed.dut.nic import ethtool, set_channels
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

pytestmark = pytest.mark.needs(Capability.FAULTS)

PORT = 5720
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
        assert ping(remote, dut.ipv4, 2, 0.05, wait_s=3).received


@pytest.mark.needs(Capability.HW_GRO)
@pytest.mark.card_options(max_aggs=64)
def test_aggregation_id_beyond_the_limit(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Any
) -> None:
    """c0aceaf65b70: an id above the number of aggregations the card has reported is no index.

    The driver had 64 slots and took 8 bits of the id; the id itself may have 12.
    """
    set_channels(dut, 1, defer)
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", "on")
    defer(ethtool, dut, "-K", dut.netdev, "rx-gro-hw", "on")
    kinds = ["RX_TPA_START", "RX_TPA_AGG", "RX_TPA_END"]
    renumbered = {
        "where": "cqe.write",
        "when": {"match": {"type": kinds}},
        "what": {"action": "set", "fields": {"agg_id": {"or": 0xC0}}},
        "times": 0,
    }
    with faults.inject(renumbered):
        check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(Capability.DRIVER_RELOAD, Capability.NTUPLE)
@pytest.mark.finding("filters-unbounded")
def test_more_filters_than_anybody_can_number(dut: Dut, defer: Defer, faults: Any) -> None:
    """The firmware says that it takes 2^30 flows: the driver takes as many as it can number."""
    many = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "FUNC_QCAPS"}},
        "what": {"action": "set", "fields": {"out.max_rx_wm_flows": 1 << 30}},
        "times": 0,
    }
    defer(reload_driver, dut, address=pci_address(dut))
    with faults.inject(many):
        reload_driver(dut)
    assert ethtool(dut, "-n", dut.netdev)
