# SPDX-License-Identifier: GPL-2.0-only
"""``testbed soak``: clean traffic and everything that takes rings up and down, for minutes.

The card's oracle must have nothing to say at the end of any round (docs/oracle.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from testbed.job import probe_steps, teardown_steps
from testbed.job.context import JobContext
from testbed.job.recorder import Recorder, Step
from testbed.options import Nic
from testbed.report.results import REQUIRES
from testbed.workloads.table import WORKLOADS
from testbed.workloads.workload import WorkloadContext

GROUP = "Soak"
CHOSEN = ("streams", "restart-storm", "reconfigure", "up-down-thrice", "devlink-reset", "reload")


def order_of_round(seed: int, number: int) -> tuple[list[str], Random]:
    """Every workload once, in an order of the round's own; what its data and settings come from."""
    random = Random(f"{seed}/{number}")
    return random.sample(CHOSEN, len(CHOSEN)), random


def _work(job: JobContext, name: str, random: Random) -> str:
    """One workload, its settings taken back, and what card and queues say afterwards."""
    workload = WORKLOADS[name]
    lacking = workload.lacking(job.dut.capabilities)
    if lacking:
        return f"{name}: {REQUIRES}{lacking[0].value}"
    context = WorkloadContext(
        job.dut, job.remote, job.defer, seed=random.randrange(1 << 16), random=random
    )
    try:
        workload.run(context)
    finally:
        teardown_steps.unwind(job.defer)
    job.report.queue_restarts += context.restarts
    if job.options.nic is Nic.BNXT:
        teardown_steps.no_violation(job)
    return ", ".join([name, *context.output])


def _play(job: JobContext, number: int) -> str:
    """One round."""
    names, random = order_of_round(job.session.seed, number)
    done = [_work(job, name, random) for name in names]
    teardown_steps.kernel_log_clean(job)
    return "; ".join(done)


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
