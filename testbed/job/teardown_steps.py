# SPDX-License-Identifier: GPL-2.0-only
"""Everything undone, the driver removed, and what the logs and the card say about the whole run."""

from __future__ import annotations

from collections import Counter

from testbed.dut.defer import DeferStack, UndoFailed
from testbed.job.context import JobContext
from testbed.job.recorder import Step
from testbed.options import Nic, Switch
from testbed.workloads.interface import remove
from testbed.workloads.judge import CardAccount, require, require_clean_log


def account(job: JobContext) -> CardAccount:
    """Ask the card now. Raises ModelFailure."""
    found = CardAccount.of(job.session.card.state())
    job.report.violations = sum(found.violations.values())
    job.report.unknown_hwrm = sum(found.unknown_hwrm.values())
    job.report.refused_hwrm = Counter(found.refused_hwrm)
    job.report.missing_hwrm = Counter(found.missing_hwrm)
    return found


def unwind(stack: DeferStack) -> None:
    """Take settings back. Raises CheckFailed."""
    try:
        stack.unwind()
    except UndoFailed as failed:
        reasons = "\n".join(str(err) for err in failed.exceptions)
        require(False, "a setting could not be undone", detail=reasons)


def undo_settings(job: JobContext) -> str:
    """Every setting taken back, newest first."""
    count = len(job.defer)
    unwind(job.defer)
    return f"{count} settings"


def remove_driver(job: JobContext) -> str:
    """Interface down, module out; a driver that is built in is unbound."""
    return remove(job.work)


def nothing_left(job: JobContext) -> str:
    """The driver gave back what it took from the card; with an IOMMU no mapping is live."""
    card = account(job)
    left = ", ".join(f"{count} {name}" for name, count in card.live_resources.items())
    require(not left, f"the driver left firmware resources allocated: {left}")
    if job.options.iommu is Switch.OFF:
        return "no firmware resource (mappings show with --iommu on)"
    require(card.live_mappings == 0, f"{card.live_mappings} DMA mappings are live after remove")
    return "no firmware resource, 0 live DMA mappings"


def kernel_log_clean(job: JobContext) -> str:
    """No warning, no error, no failed firmware command from probe to remove."""
    return require_clean_log(job.session.kernel_log, job.session.kernel)


def no_violation(job: JobContext) -> str:
    """The driver did nothing that the hardware forbids."""
    return account(job).require_no_violation()


def oracle_judged(job: JobContext) -> str:
    """The oracle saw every buffer that the job's zero-copy data came in."""
    return account(job).require_judged(job.report.zcrx.bytes)


def no_late_write(job: JobContext) -> str:
    """RING_FREE and VNIC_UPDATE were barriers: no packet was pending for a freed ring."""
    card = account(job)
    require(card.late_writes == 0, f"{card.late_writes} packets were bound for a freed ring")
    return f"0 packets after {job.report.queue_restarts} restarts"


def no_unknown_hwrm(job: JobContext) -> str:
    """Every firmware request the driver sent is one the card knows."""
    return account(job).require_known_hwrm()


def steps(nic: Nic) -> tuple[Step[JobContext], ...]:
    """The teardown; what only the card knows is checked only with the card."""
    group = "Remove"
    common = (
        Step("undo", "Settings taken back", group, undo_settings, ("bind",)),
        Step("remove", "Driver removed", group, remove_driver, ("bind",)),
    )
    # the card's verdict is the cause, a splat often what follows: it is read last
    log = Step("kernel_log", "Kernel log is clean", group, kernel_log_clean, ("boot",))
    if nic is not Nic.BNXT:
        return (*common, log)
    return (
        *common,
        Step(
            "nothing_left",
            "Firmware resources and mappings freed",
            group,
            nothing_left,
            ("remove",),
        ),
        Step("barriers", "No write to a freed ring's buffer", group, no_late_write, ("boot",)),
        Step("violations", "No violation", group, no_violation, ("boot",)),
        Step("judged", "Oracle judged all traffic", group, oracle_judged, ("mtu",)),
        Step("unknown_hwrm", "No unknown firmware request", group, no_unknown_hwrm, ("boot",)),
        log,
    )
