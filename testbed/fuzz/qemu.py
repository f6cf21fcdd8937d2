# SPDX-License-Identifier: GPL-2.0-only
"""What UML found, tried on QEMU: the stock kernel, the same plan, the same workload.

A stock kernel has no sanitizer: what only a sanitizer sees cannot be told there, and is not gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from testbed.artifacts.prepare import is_path
from testbed.engines.open import build_options
from testbed.engines.pool import SessionPool
from testbed.faults.replay import entry_of
from testbed.faults.run import Trial
from testbed.faults.series import TrialSeries
from testbed.findings.judge import Findings
from testbed.findings.kernel_log import KernelLogWatcher, Splat
from testbed.findings.load import load_findings
from testbed.findings.splat_report import reports
from testbed.fuzz.hang import HANGS_IN
from testbed.fuzz.outcome import Complaint
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.signature import MEMORY, kind_of, place_of, signature
from testbed.fuzz.triage import KERNEL
from testbed.workloads.judge import DATA_DIFFERS

TIMES = 1
_SANITIZERS = frozenset(
    {
        Splat.KASAN, Splat.UBSAN, Splat.KCSAN, Splat.KFENCE, Splat.KMEMLEAK, Splat.LOCKDEP,
        Splat.DMA_API,
    }
)  # fmt: skip


class Where(StrEnum):
    """On which engines a bug shows."""

    BOTH = "both"
    UML = "UML only"
    QEMU = "QEMU only"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class OnQemu:
    """Trials on QEMU.

    :ivar shown: of ``tried`` trials; ``else_seen``: what was wrong besides, each once.
    :ivar problem: why nothing can be told, if so.
    """

    shown: int = 0
    tried: int = 0
    else_seen: tuple[str, ...] = ()
    problem: str = ""


def label(shown_on_uml: bool, qemu: OnQemu, complaint: Complaint) -> tuple[Where, str]:
    """Where it shows, and why that cannot be told or what else was seen."""
    if qemu.shown:
        return (Where.BOTH if shown_on_uml else Where.QEMU), ""
    if qemu.problem or not qemu.tried:
        return Where.UNKNOWN, qemu.problem or "nothing was run"
    if qemu.else_seen:
        return Where.UNKNOWN, f"something else shows: {qemu.else_seen[0]}"
    if needs_sanitizer(complaint):
        return Where.UNKNOWN, "the stock kernel has no sanitizer that would see it"
    if not shown_on_uml:
        return Where.UNKNOWN, "it shows nowhere"
    return Where.UML, ""


def needs_sanitizer(complaint: Complaint) -> bool:
    """Whether a kernel without sanitizers may be silent about it."""
    watcher = KernelLogWatcher()
    watcher.feed(complaint.text.encode() + b"\n")
    return complaint.oracle == KERNEL and any(one.kind in _SANITIZERS for one in watcher.events)


def obstacle(schedule: Schedule) -> str:
    """Why a trial cannot do what the schedule asks for, or nothing."""
    if schedule.kernel is not None and is_path(schedule.kernel):
        return "the kernel is one of your own, and no stock kernel"
    if schedule.companions:
        kinds = ", ".join(dict.fromkeys(one.kind for one in schedule.companions))
        return f"companions need a kernel of ours: {kinds}"
    if schedule.packets:
        return "packets beside a workload are of UML only"
    return "" if schedule.faults else "there is no fault to inject"


def confirm_on_qemu(
    schedule: Schedule, complaint: Complaint, folder: Path, say: Callable[[str], None], *,
    times: int = TIMES, iommu: bool = False,
) -> OnQemu:  # fmt: skip
    """Try the plan so many ``times``, each in a clean machine: a minute each.

    Raises EnvironmentProblem, ModelFailure, Interrupted.
    """
    if problem := obstacle(schedule):
        return OnQemu(problem=problem)
    options = build_options(
        {
            "engine": "qemu", "kernel": schedule.kernel, "seed": schedule.seed,
            "iommu": "on" if iommu else "off", "card_options": dict(schedule.card),
        }
    )  # fmt: skip
    fault = entry_of(schedule.name, schedule.workload, schedule.plan)
    pool = SessionPool(options, folder, say)
    shown, tried, seen, problem = 0, 0, dict[str, None](), ""
    try:
        series = TrialSeries(pool, Findings(load_findings()), folder / "faults")
        problem = series.cannot(fault)
        for _ in range(0 if problem else times):
            trial = series.run(fault, schedule.plan)
            if not any(one["fired"] for one in trial.status) and trial.lost is None:
                problem = "no fault of the plan fired there"
                continue
            told = list(complaints(trial))
            tried += 1
            shown += any(is_same(one, complaint) for one in told)
            seen.update((one.signature, None) for one in told if not is_same(one, complaint))
    finally:
        pool.discard()
    return OnQemu(shown, tried, tuple(seen), "" if tried else problem)


def complaints(trial: Trial) -> Iterator[Complaint]:
    """What is wrong with a trial, in the words of a campaign."""
    for report in reports(trial.events):
        inner, scope = place_of(report)
        kind = kind_of(report)
        name = f"{kind}: {scope or inner}" if kind == MEMORY else signature(report)
        yield Complaint(signature=name, oracle=KERNEL, text=report.headline)
    for reason in trial.judgement.reasons:
        if reason.startswith("no traffic afterwards"):
            yield Complaint(signature="liveness", oracle="liveness", text=reason)
        elif reason.startswith("data corruption") or DATA_DIFFERS in reason:
            yield Complaint(signature="data", oracle="data", text=reason)
        elif reason.startswith("violation "):
            rule = reason.split()[1]
            yield Complaint(signature=f"dma: {rule}", oracle="dma", text=reason)


def is_same(seen: Complaint, wanted: Complaint) -> bool:
    """Whether a trial's complaint is the one that is looked for. An access to memory that is not
    mapped makes User Mode Linux hang (finding um-vmalloc-fault-endless), and is an oops on QEMU."""
    _, hangs, function = wanted.signature.partition(HANGS_IN)
    if hangs and seen.signature == f"{MEMORY}: {function}":
        return True
    if seen.oracle != wanted.oracle:
        return False
    if seen.oracle in ("liveness", "data"):
        return True
    return wanted.signature == seen.signature or wanted.signature.startswith(f"{seen.signature}: ")
