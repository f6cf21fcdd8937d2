# SPDX-License-Identifier: GPL-2.0-only
"""What ordinary programs send while a queue of the NIC is restarted for somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.defer import Defer
from testbed.dut.faults import Faults
from testbed.dut.nic import RESTART_AREA_BYTES, combined_channels, dedicate_queue, ethtool
from testbed.dut.pause import pause
from testbed.dut.ping import ping, ping_argv
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.qdisc import drop_nothing_that_waits, queued

PORT = 5490
RESTARTS = 10
TRIES = 6
"""In real time a packet may be sent between two restarts, or others behind it take it along."""


def slow(ms: int) -> dict[str, Any]:
    """Firmware that takes its time, as it may: the transmit ring stands for two such answers."""
    return {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "RING_ALLOC"}},
        "what": {"action": "hold", "after_ns": ms * 1_000_000},
        "times": 0,
    }


@pytest.mark.needs(
    Capability.ZCRX, Capability.HEADER_SPLIT, Capability.QUEUE_RESTART, Capability.FAULTS
)
@pytest.mark.finding("restart-sending-not-woken")
def test_nothing_waits_behind_a_restart(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The transmit ring of a receive queue is stopped while that restarts. What is sent meanwhile
    waits in front of the ring, and is sent when it starts."""
    dedicate_queue(dut, remote, defer, port=PORT)
    drop_nothing_that_waits(dut, defer)
    ping(dut, remote.ipv4, 20, 0.01)
    ring = max(queued(dut).items(), key=lambda one: one[1].packets)[0]
    another = (ring + 1) % combined_channels(dut)
    ethtool(dut, "-X", dut.netdev, "start", str(another), "equal", "1")
    defer(ethtool, dut, "-X", dut.netdev, "default")
    words = [program("queue_restart"), dut.netdev, str(ring), str(RESTARTS)]
    words += ["--area", str(RESTART_AREA_BYTES), "--timeout", f"{60 * dut.patience:.0f}"]
    real = Capability.REAL_TIME in dut.capabilities
    before = queued(dut)[ring].stopped
    for _ in range(TRIES if real else 1):
        with faults.inject(slow(200 if real else 20)):
            restarting = dut.start(words)
            pause(dut, 1 if real else 0.2)
            asking = dut.start(ping_argv(dut, remote.ipv4, 1, 1))
            done = result_of(restarting.wait(60))
            now = queued(dut)[ring]
            asking.kill()
        assert done["restarts"] == RESTARTS
        assert not now.waiting, "packets still wait in front of a ring that was restarted"
    assert now.stopped > before, "no packet met a stopped ring"
