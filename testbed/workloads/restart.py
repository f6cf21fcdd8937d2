# SPDX-License-Identifier: GPL-2.0-only
"""Queue restarts: alone, beside echo requests, beside streams on the other queues."""

from __future__ import annotations

from testbed.dut.nic import CHANNELS, Restarts, ethtool, restart_queue, spread_over
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, STREAM_TIMEOUT_S, Stream, Traffic, require_equal
from testbed.errors import GuestCommandFailed
from testbed.workloads import traffic, zcrx
from testbed.workloads.traffic import TIMEOUT_S, pinging, require_echo
from testbed.workloads.workload import WorkloadContext


def spread_over_all(context: WorkloadContext) -> None:
    """All queues are in the RSS table, and the one set aside is not the VNIC's default."""
    ethtool(context.dut, "-X", context.dut.netdev, "equal", str(CHANNELS))


def leave_to_others(context: WorkloadContext) -> None:
    """Other traffic than the queue's own goes to the other queues."""
    if Capability.NTUPLE not in context.dut.capabilities:  # until now all went to the one queue
        spread_over(context.dut, CHANNELS - 1, context.defer)


def restart(context: WorkloadContext, *, count: int = 2, timeout_s: float = TIMEOUT_S) -> Restarts:
    """Restart the queue set aside."""
    done = restart_queue(context.dut, context.queue.queue, count, timeout_s=timeout_s)
    context.restarts += done.restarts
    context.output.append(f"{done.restarts} restarts")
    return done


def beside_echoes(context: WorkloadContext) -> None:
    """Four restarts beside echo requests that come to the queue."""
    with pinging(context, 1.0, 0.02):
        pause(context.dut, 0.3)
        for _ in range(2):
            restart(context)
            pause(context.dut, 0.1)
    require_echo(context)


def may_fail(context: WorkloadContext, *, wait_s: float = 15.0) -> None:
    """Two restarts that may fail, and time for whatever the driver does about it."""
    try:
        restart(context, timeout_s=5 * TIMEOUT_S)
    except GuestCommandFailed as failed:
        context.output.append(f"not restarted: {failed.message}")
    pause(context.dut, wait_s)
    require_echo(context)


def beside_traffic(
    context: WorkloadContext, *, count: int = 2, flows: int = 2, pace: int = 200_000,
    port: int = traffic.PORT, timeout_s: float = TIMEOUT_S, traffic_s: float | None = None,
) -> tuple[Restarts, Stream]:  # fmt: skip
    """Restarts beside verified flows of ``pace`` bytes a second each on the other queues."""
    with Traffic(
        context.dut, context.remote, port=port, flows=flows, seed=context.seed, pace=pace,
        timeout_s=traffic_s or timeout_s,
    ) as beside:  # fmt: skip
        done = restart(context, count=count, timeout_s=timeout_s)
        beside.check_running()
        stream = beside.stop()
    require_equal(stream)
    return done, stream


def storm(context: WorkloadContext) -> None:
    """Zero-copy receive, then ten restarts beside traffic on the other queues."""
    zcrx.receive(
        context, flows=2, total_bytes=4 * MIB, area_bytes=8 * MIB, timeout_s=STREAM_TIMEOUT_S
    )
    leave_to_others(context)
    beside_traffic(
        context, count=10, flows=4, pace=MIB // 2, timeout_s=300.0, traffic_s=STREAM_TIMEOUT_S
    )
