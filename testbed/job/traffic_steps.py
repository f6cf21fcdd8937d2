# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive, its control run, and queue restarts while other queues carry traffic."""

from __future__ import annotations

from testbed.dut.counters import settled_state
from testbed.dut.nic import CHANNELS, steer_everything, wait_until_free
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, require_equal
from testbed.engines.open import engine_of
from testbed.job.context import CONTROL_PORT, TRAFFIC_PORT, JobContext
from testbed.job.recorder import Step
from testbed.report.quantities import binary_bytes, megabits_per_second
from testbed.workloads import restart, zcrx
from testbed.workloads.judge import require

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


def _stream_bytes(job: JobContext) -> int:
    """As many as the engine's runs are long; debug kernels would take hours."""
    short = engine_of(job.options).short_runs or job.session.patience > SLOW
    return SHORT_STREAM_BYTES if short else STREAM_BYTES


def _at_rate(job: JobContext, byte_count: int, seconds: float) -> str:
    """``, 612 Mbit/s``; nothing where the guest's time is simulated and its seconds are none."""
    if engine_of(job.options).simulated_time(job.options):
        return ""
    return f", {megabits_per_second(byte_count, seconds)}"


def _receive(job: JobContext, total_bytes: int, flows: int) -> str:
    job.need(Capability.ZCRX)
    stream = zcrx.transfer(job.work, flows=flows, total_bytes=total_bytes)
    job.report.zcrx.add(stream.bytes, stream.copied_bytes, stream.is_equal)
    zcrx.require_zero_copy(stream, total_bytes)
    rate = _at_rate(job, stream.bytes, stream.seconds)
    copied = "copies not counted" if stream.copied_bytes is None else "0 copied"
    return f"{binary_bytes(stream.bytes)}{rate}, {copied}, {stream.completions} completions"


def zcrx_one_flow(job: JobContext) -> str:
    """One TCP connection."""
    return _receive(job, _stream_bytes(job), 1)


def zcrx_eight_flows(job: JobContext) -> str:
    """Eight connections at once."""
    return _receive(job, _stream_bytes(job), FLOWS)


def control_is_copied(job: JobContext) -> str:
    """A flow on a port no rule steers comes through other queues, so the kernel must copy it."""
    job.need(Capability.ZCRX)
    job.need(Capability.NTUPLE)
    stream = zcrx.transfer(job.work, total_bytes=CONTROL_BYTES, port=CONTROL_PORT)
    require_equal(stream)
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


def _received(job: JobContext) -> dict[int, int]:
    return settled_state(job.dut).per_queue("rx_packets")


def restarts_under_traffic(job: JobContext) -> str:
    """One queue restarts 50 times while the other three carry a verified stream."""
    job.need(Capability.QUEUE_RESTART)
    restart.leave_to_others(job.work)
    before = _received(job)
    try:
        done, stream = restart.beside_traffic(
            job.work, count=RESTARTS, flows=TRAFFIC_FLOWS, pace=TRAFFIC_PACE, port=TRAFFIC_PORT,
            timeout_s=RESTART_TIMEOUT_S,
        )  # fmt: skip
    finally:
        job.report.queue_restarts = job.work.restarts
    after = _received(job)
    if Capability.NTUPLE not in job.dut.capabilities:
        steer_everything(job.dut, job.work.queue.queue, job.defer)
    silent = [q for q in range(CHANNELS - 1) if after.get(q, 0) <= before.get(q, 0)]
    require(len(silent) < CHANNELS - 1, f"queues {silent} received nothing meanwhile")
    rate = _at_rate(job, stream.bytes, stream.seconds)
    each = f", {1000 * done.seconds / done.restarts:.0f} ms each" if rate else ""
    return f"{done.restarts} restarts{each}, beside {binary_bytes(stream.bytes)}{rate}"


def zcrx_after_restarts(job: JobContext) -> str:
    """The restarted queue still receives by zero copy."""
    return _receive(job, AFTER_RESTART_BYTES, FLOWS)


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
