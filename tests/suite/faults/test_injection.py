# SPDX-License-Identifier: GPL-2.0-only
"""Faults armed by a running test."""

from __future__ import annotations

import pytest

from testbed.dut.faults import Faults
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import receive_by_socket, require_equal

PORT = 5610


@pytest.mark.needs(Capability.FAULTS)
def test_stream_survives_lost_frames_and_an_interrupt_storm(
    dut: Dut, remote: Endpoint, faults: Faults
) -> None:
    """Every seventh of 70 frames is lost, every interrupt comes 20 times: the data is whole."""
    loss = {
        "where": "rx.frame",
        "when": {"match": {"tcp_payload": {"gt": 0}}, "nth": 10, "every": 7},
        "what": {"action": "drop"},
        "times": 10,
    }
    storm = {"where": "irq.raise", "what": {"action": "duplicate", "count": 20}, "times": 0}
    with faults.inject(loss, storm):
        stream = receive_by_socket(dut, remote, port=PORT, total_bytes=512 << 10, flows=2)
    require_equal(stream)
    require_equal(receive_by_socket(dut, remote, port=PORT, total_bytes=64 << 10))
