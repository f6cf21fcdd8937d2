# SPDX-License-Identifier: GPL-2.0-only
"""``testbed soak``: clean traffic and everything that takes rings up and down, for minutes.

The card's oracle must have nothing to say at the end of any round (docs/oracle.md).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from testbed.dut.defer import DeferStack, UndoFailed
from testbed.dut.driver import cycle_link, reload_driver, reset_card
from testbed.dut.nic import (
    CHANNELS,
    dedicate_queue,
    restart_queue,
    set_channels,
    set_mtu,
    split_headers,
    spread_over,
    wait_until_free,
)
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, Stream, Traffic, receive_by_socket, receive_by_zcrx
from testbed.job import probe_steps, teardown_steps
from testbed.job.context import TRAFFIC_PORT, ZCRX_PORT, JobContext
from testbed.job.recorder import Recorder, Step, require
from testbed.options import Nic
from testbed.report.quantities import binary_bytes

GROUP = "Soak"
_STREAM_BYTES = 4 * MIB
_RESTARTS = 10
_PACE = MIB // 2
_SETTINGS = 3
_CHANNELS = (1, 2, 3, 4)
_MTUS = (1500, 2000, 4096, 9000)
_RX_RINGS = (64, 256, 511)

Act = Callable[["_Round"], str]


class _Round:
    """One round: its job, its random source, and what undoes its settings."""

    def __init__(self, job: JobContext, number: int) -> None:
        self.job = job
        self.random = random.Random(f"{job.seed}/{number}")
        self.defer = DeferStack()


def _equal(stream: Stream, what: str) -> str:
    require(stream.is_equal, f"{what}: data differs between the ends", detail=stream.difference())
    return f"{what} {binary_bytes(stream.bytes)}"


def _streams(one: _Round) -> str:
    """Eight ordinary flows each way."""
    job = one.job
    seed = one.random.randrange(1 << 16)
    for end, other in ((job.dut, job.remote), (job.remote, job.dut)):
        stream = receive_by_socket(
            end, other, port=TRAFFIC_PORT, flows=8, total_bytes=_STREAM_BYTES, seed=seed
        )
        _equal(stream, "sockets")
    return f"sockets {binary_bytes(2 * _STREAM_BYTES)}"


def _zcrx(one: _Round) -> str:
    """Zero-copy receive, and restarts of its queue beside traffic on the others."""
    job = one.job
    if Capability.ZCRX not in job.dut.capabilities:
        return "no zcrx"
    queue = dedicate_queue(job.dut, job.remote, one.defer, port=ZCRX_PORT)
    seed = one.random.randrange(1 << 16)
    stream = receive_by_zcrx(
        job.dut,
        job.remote,
        queue=queue.queue,
        port=queue.port,
        total_bytes=_STREAM_BYTES,
        flows=2,
        seed=seed,
    )
    told = _equal(stream, "zcrx")
    if Capability.QUEUE_RESTART not in job.dut.capabilities:
        return told
    if Capability.NTUPLE not in job.dut.capabilities:  # until now all went to the one queue
        spread_over(job.dut, CHANNELS - 1, one.defer)
    with Traffic(job.dut, job.remote, port=TRAFFIC_PORT, flows=4, seed=seed, pace=_PACE) as traffic:
        done = restart_queue(job.dut, queue.queue, _RESTARTS)
        traffic.check_running()
        beside = traffic.stop()
    job.report.queue_restarts += done.restarts
    wait_until_free(job.dut)
    return f"{told}, {done.restarts} restarts, {_equal(beside, 'beside')}"


def _settings(one: _Round) -> str:
    """Settings that close and open the interface, with traffic between."""
    job = one.job
    for _ in range(_SETTINGS):
        set_channels(job.dut, one.random.choice(_CHANNELS), one.defer)
        set_mtu(job.dut, job.remote, one.random.choice(_MTUS), one.defer)
        split_headers(job.dut, one.defer, rx_ring=one.random.choice(_RX_RINGS))
        _equal(
            receive_by_socket(job.dut, job.remote, port=TRAFFIC_PORT, flows=4, total_bytes=MIB),
            "sockets",
        )
    return f"{_SETTINGS} settings"


def _links(one: _Round) -> str:
    """Down and up."""
    cycle_link(one.job.dut, 3)
    return "3 x down and up"


def _reset(one: _Round) -> str:
    """The card is reset under its interface, and receives as before."""
    reset_card(one.job.dut)
    stream = receive_by_socket(one.job.dut, one.job.remote, port=TRAFFIC_PORT, total_bytes=MIB)
    _equal(stream, "after the reset")
    return "reset"


def _reload(one: _Round) -> str:
    """The driver goes and comes."""
    reload_driver(one.job.dut)
    return "reload"


_ACTS: tuple[Act, ...] = (_streams, _zcrx, _settings, _links, _reset, _reload)


def _play(job: JobContext, number: int) -> str:
    """Every act once, in an order of the round's own, settings taken back after each."""
    one = _Round(job, number)
    acts = list(_ACTS)
    one.random.shuffle(acts)
    told = []
    for act in acts:
        try:
            told.append(act(one))
        finally:
            _unwind(one.defer)
        if job.options.nic is Nic.BNXT:
            teardown_steps.no_violation(job)
    teardown_steps.kernel_log_clean(job)
    return ", ".join(told)


def _unwind(stack: DeferStack) -> None:
    try:
        stack.unwind()
    except UndoFailed as failed:
        reasons = "\n".join(str(err) for err in failed.exceptions)
        require(False, "a setting could not be undone", detail=reasons)


def soak_steps(minutes: float) -> Callable[[Recorder, JobContext], None]:
    """What ``testbed soak`` plays: rounds until ``minutes`` of wall time are over, or one fails."""

    def play(recorder: Recorder, job: JobContext) -> None:
        recorder.run_one(probe_steps.BOOT, job)
        recorder.run([step for step in probe_steps.STEPS if step.name == "bind"], job)
        end = time.monotonic() + minutes * 60
        number = 0
        while time.monotonic() < end and not job.report.totals.failed:
            number += 1

            def run(context: JobContext, number: int = number) -> str:
                return _play(context, number)

            recorder.run_one(Step(f"round_{number}", f"Round {number}", GROUP, run), job)
        recorder.run(teardown_steps.steps(job.options.nic), job)

    return play
