# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive, its control run, and queue restarts while other queues carry traffic."""

from __future__ import annotations

from typing import Any

from testbed.dut.counters import settled_state
from testbed.dut.nic import (
    CHANNELS,
    restart_queue,
    spread_over,
    steer_everything,
    wait_until_free,
)
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, Traffic, ZcrxStream, receive_by_zcrx
from testbed.engines.open import engine_of
from testbed.job.context import CONTROL_PORT, TRAFFIC_PORT, JobContext
from testbed.job.recorder import Step, require
from testbed.report.quantities import binary_bytes, megabits_per_second

STREAM_BYTES = 64 * MIB
SHORT_STREAM_BYTES = 8 * MIB
CONTROL_BYTES = 4 * MIB
AFTER_RESTART_BYTES = 8 * MIB
FLOWS = 8
TRAFFIC_FLOWS = 6
TRAFFIC_PACE = 1 * MIB  # bytes per second and flow: busy queues, and time left for restarts
SLOW = 3.0  # times the usual boot
RESTARTS = 50
RESTART_TIMEOUT_S = 300.0


def _receive(job: JobContext, total_bytes: int, flows: int) -> ZcrxStream:
    job.need(Capability.ZCRX)
    return receive_by_zcrx(
        job.dut,
        job.remote,
        queue=job.dedicated.queue,
        port=job.dedicated.port,
        total_bytes=total_bytes,
        flows=flows,
        seed=job.seed,
    )


def _stream_bytes(job: JobContext) -> int:
    """As many as the engine's runs are long; debug kernels would take hours."""
    short = engine_of(job.options).short_runs or job.session.patience > SLOW
    return SHORT_STREAM_BYTES if short else STREAM_BYTES


def _judge(job: JobContext, stream: ZcrxStream, total_bytes: int) -> str:
    job.report.zcrx.add(stream.bytes, stream.copied_bytes, stream.is_equal)
    require(stream.is_equal, "data differs between the ends", detail=stream.difference())
    require(stream.bytes == total_bytes, f"{stream.bytes} of {total_bytes} bytes came")
    require(not stream.copied_bytes, f"the kernel copied {stream.copied_bytes} bytes")
    require(
        stream.every_buffer_returned,
        f"{stream.outstanding} buffers not given back, {stream.left_in_refill_ring} not taken",
    )
    rate = megabits_per_second(stream.bytes, stream.seconds)
    copied = "copies not counted" if stream.copied_bytes is None else "0 copied"
    return f"{binary_bytes(stream.bytes)}, {rate}, {copied}, {stream.completions} completions"


def zcrx_one_flow(job: JobContext) -> str:
    """One TCP connection."""
    total = _stream_bytes(job)
    return _judge(job, _receive(job, total, 1), total)


def zcrx_eight_flows(job: JobContext) -> str:
    """Eight connections at once."""
    total = _stream_bytes(job)
    return _judge(job, _receive(job, total, FLOWS), total)


def control_is_copied(job: JobContext) -> str:
    """A flow on a port no rule steers comes through other queues, so the kernel must copy it."""
    job.need(Capability.ZCRX)
    job.need(Capability.NTUPLE)
    stream = receive_by_zcrx(
        job.dut,
        job.remote,
        queue=job.dedicated.queue,
        port=CONTROL_PORT,
        total_bytes=CONTROL_BYTES,
        seed=job.seed,
    )
    require(stream.is_equal, "data differs between the ends", detail=stream.difference())
    job.report.zcrx.control_copied_bytes = stream.copied_bytes
    if stream.copied_bytes is None:
        return "this kernel does not count copies"
    # A small segment may join another's linear part (skb_try_coalesce), which is not counted.
    require(
        0.9 * stream.bytes < stream.copied_bytes <= stream.bytes,
        f"the kernel counts {stream.copied_bytes} of {stream.bytes} bytes as copied",
    )
    return f"{binary_bytes(stream.copied_bytes)} of {binary_bytes(stream.bytes)} copied"


def buffers_returned(job: JobContext) -> str:
    """No provider is left on a queue, no page pool outlives its queue."""
    state = wait_until_free(job.dut)
    return f"{len(state.page_pools)} page pools, all attached; no memory provider"


def _received(state: Any) -> dict[int, int]:
    counts: dict[int, int] = state.per_queue("rx_packets")
    return counts


def restarts_under_traffic(job: JobContext) -> str:
    """One queue restarts 50 times while the other three carry a verified stream."""
    job.need(Capability.QUEUE_RESTART)
    spread = Capability.NTUPLE not in job.dut.capabilities
    if spread:  # until now all went to the one queue
        spread_over(job.dut, CHANNELS - 1, job.defer)
    before = _received(settled_state(job.dut))
    with Traffic(
        job.dut,
        job.remote,
        port=TRAFFIC_PORT,
        flows=TRAFFIC_FLOWS,
        seed=job.seed,
        pace=TRAFFIC_PACE,
        timeout_s=RESTART_TIMEOUT_S,
    ) as traffic:
        done = restart_queue(job.dut, job.dedicated.queue, RESTARTS, timeout_s=RESTART_TIMEOUT_S)
        traffic.check_running()
        stream = traffic.stop()
    job.report.queue_restarts += done.restarts
    require(stream.is_equal, "traffic on the other queues was damaged", detail=stream.difference())
    after = _received(settled_state(job.dut))
    if spread:
        steer_everything(job.dut, job.dedicated.queue, job.defer)
    silent = [q for q in range(CHANNELS - 1) if after.get(q, 0) <= before.get(q, 0)]
    require(len(silent) < CHANNELS - 1, f"queues {silent} received nothing meanwhile")
    each = f"{1000 * done.seconds / done.restarts:.0f} ms each"
    rate = megabits_per_second(stream.bytes, stream.seconds)
    return f"{each}, beside {binary_bytes(stream.bytes)} at {rate}"


def zcrx_after_restarts(job: JobContext) -> str:
    """The restarted queue still receives by zero copy."""
    return _judge(job, _receive(job, AFTER_RESTART_BYTES, FLOWS), AFTER_RESTART_BYTES)


_READY = ("mtu", "header_split", "rss", "flow_rule")  # without them a step has no queue
STEPS = (
    Step("zcrx_one_flow", "Data over one flow", "Zero-copy receive", zcrx_one_flow, _READY),
    Step(
        "zcrx_eight_flows", "Data over eight flows", "Zero-copy receive", zcrx_eight_flows, _READY
    ),
    Step(
        "zcrx_control", "A flow past the rule is copied, and counted", "Zero-copy receive",
        control_is_copied, _READY,
    ),
    Step(
        "buffers_returned", "Every buffer came back", "Zero-copy receive",
        buffers_returned, ("zcrx_one_flow",),
    ),
    Step(
        "queue_restarts", f"{RESTARTS} queue restarts under traffic", "Queue restart",
        restarts_under_traffic, _READY,
    ),
    Step(
        "zcrx_after_restarts", "Restarted queue receives by zero copy", "Queue restart",
        zcrx_after_restarts, ("queue_restarts",),
    ),
)  # fmt: skip
