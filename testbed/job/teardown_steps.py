# SPDX-License-Identifier: GPL-2.0-only
"""Everything undone, the driver removed, and what the logs and the card say about the whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.dut.defer import UndoFailed
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.job.context import JobContext
from testbed.job.recorder import CheckFailed, FindingShown, Step, require
from testbed.options import Nic, Switch
from testbed.report.results import RunReport
from testbed.report.verdicts import describe_all

# $1 driver, $2 PCI address, $3 interface
_REMOVE = """
set -eu
if grep -q "^$1 " /proc/modules 2>/dev/null; then
    modprobe -r "$1"
    [ ! -e "/sys/module/$1" ]
    echo "$1 unloaded"
else
    echo "$2" >"/sys/bus/pci/drivers/$1/unbind"
    echo "$1 unbound"
fi
[ ! -e "/sys/class/net/$3" ]
"""


@dataclass(frozen=True)
class CardAccount:
    """The card's own account of a run (its control channel's ``state``).

    ``violations`` and ``unknown_hwrm`` are counts by rule and by request type. ``late_writes`` are
    packets that reached the placement when the ring they were steered to was already freed.
    ``batches_judged`` is None without the oracle.
    """

    violations: Mapping[str, int]
    kept: tuple[Mapping[str, Any], ...]
    unknown_hwrm: Mapping[str, int]
    live_mappings: int
    live_resources: Mapping[str, int]
    late_writes: int
    batches_judged: int | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> CardAccount:
        """Read the card's answer."""
        violations = state["violations"]
        oracle = state["card"].get("oracle")
        return cls(
            violations=dict(violations["counts"]),
            kept=tuple(violations["kept"]),
            unknown_hwrm=dict(state["unknown_commands"]),
            live_mappings=int(state["live_mappings"]),
            live_resources={k: n for k, n in state["card"]["resources"].items() if n},
            late_writes=int(state["card"]["receive"]["buffer_writes_after_free"]),
            batches_judged=None if oracle is None else int(oracle["batches"]),
        )

    def into(self, report: RunReport) -> None:
        """Take the counts over into ``report``."""
        report.violations = sum(self.violations.values())
        report.unknown_hwrm = sum(self.unknown_hwrm.values())


def account(job: JobContext) -> CardAccount:
    """Ask the card now. Raises ModelFailure."""
    found = CardAccount.of(job.session.card.state())
    found.into(job.report)
    return found


def undo_settings(job: JobContext) -> str:
    """Every setting taken back, newest first."""
    count = len(job.defer)
    try:
        job.defer.unwind()
    except UndoFailed as failed:
        reasons = "\n".join(str(err) for err in failed.exceptions)
        require(False, "a setting could not be undone", detail=reasons)
    return f"{count} settings"


def remove_driver(job: JobContext) -> str:
    """Interface down, module out; a driver that is built in lets go of the card."""
    job.dut.run(["ip", "link", "set", "dev", job.dut.netdev, "down"])
    words = ["sh", "-s", job.dut.driver, job.dut.pci_address, job.dut.netdev]
    done = job.dut.run(words, input=_REMOVE.encode(), check=False)
    require(done.returncode == 0, f"{job.dut.driver} is still there", detail=done.error_text)
    return done.text


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
    log = job.session.kernel_log
    findings, release = Findings(load_findings()), job.prepared.kernel.release
    found = findings.sort(log.events, release)
    if found.unknown:
        excerpts = ("\n".join(event.excerpt) for one in found.unknown for event in one.events)
        detail = "\n\n".join([*findings.hints(found, release), *excerpts])
        first = found.unknown[0]
        raise CheckFailed(
            f"{len(found.unknown)} complaints, first: {first.signature} ({first.headline})",
            detail=detail,
            splats=found.all,
        )
    if found.known:
        shown = "; ".join(f"{name}: {findings[name].title}" for name in found.known)
        raise FindingShown(shown, findings=tuple(found.known), splats=found.all)
    return f"{log.line_count} lines, no complaint"


def no_violation(job: JobContext) -> str:
    """The driver did nothing that the hardware forbids."""
    card = account(job)
    if card.violations:
        rules = ", ".join(f"{rule} ×{count}" for rule, count in card.violations.items())  # noqa: RUF001
        raise CheckFailed(f"the card recorded violations: {rules}", detail=describe_all(card.kept))
    judged = card.batches_judged
    return f"0 violations, oracle {'off' if judged is None else f'judged {judged} batches'}"


def no_late_write(job: JobContext) -> str:
    """RING_FREE and VNIC_UPDATE were barriers: nothing was owed to a buffer of a freed ring."""
    card = account(job)
    require(card.late_writes == 0, f"{card.late_writes} packets were bound for a freed ring")
    return f"0 packets after {job.report.queue_restarts} restarts"


def no_unknown_hwrm(job: JobContext) -> str:
    """Every firmware request the driver sent is one the card knows."""
    card = account(job)
    if card.unknown_hwrm:
        types = ", ".join(f"{int(kind):#x}" for kind in card.unknown_hwrm)
        raise CheckFailed(f"the driver sent requests the card does not know: {types}")
    return "0 unknown requests"


def steps(nic: Nic) -> tuple[Step[JobContext], ...]:
    """The teardown; what only the card can tell is asked only of the card."""
    group = "Remove"
    common = (
        Step("undo", "Settings taken back", group, undo_settings, ("bind",)),
        Step("remove", "Driver removed", group, remove_driver, ("bind",)),
        Step("kernel_log", "Kernel log is clean", group, kernel_log_clean, ("boot",)),
    )
    if nic is not Nic.BNXT:
        return common
    return (
        *common,
        Step("nothing_left", "Card and mappings given back", group, nothing_left, ("remove",)),
        Step("barriers", "No write to a freed ring's buffer", group, no_late_write, ("boot",)),
        Step("violations", "No illegal act", group, no_violation, ("boot",)),
        Step("unknown_hwrm", "No unknown firmware request", group, no_unknown_hwrm, ("boot",)),
    )
