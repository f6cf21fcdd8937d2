# SPDX-License-Identifier: GPL-2.0-only
"""One trial of a fault: arm, work, disarm, see that traffic flows, undo, judge."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from testbed.dut.defer import DeferStack, UndoFailed
from testbed.dut.nic import set_channels
from testbed.engines.session import Session
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM, ModelFailure, TestbedError
from testbed.faults.entry import Fault, Repair
from testbed.faults.evidence import (
    Evidence,
    describe_injections,
    gather,
    grown,
    protocol_counts,
    read_trace,
    take_baseline,
)
from testbed.faults.judge import Judgement, TrialVerdict, is_last, judge, panicked_of
from testbed.faults.record import TrialRecord
from testbed.findings.judge import Findings
from testbed.findings.kernel_log import KernelEvent
from testbed.findings.repeated import describe_complaints
from testbed.findings.splat_report import reports
from testbed.host import interrupt
from testbed.workloads.interface import rebind, up_down
from testbed.workloads.table import WORKLOADS
from testbed.workloads.traffic import check_traffic
from testbed.workloads.workload import WorkloadContext

_WORK_FAILED = (GuestCommandFailed, GuestTimeout)
_PANIC_ON_OOPS = "/proc/sys/kernel/panic_on_oops"


@dataclass
class Trial:
    """A trial and its verdict. ``worn``: it has left something behind in the machine.

    ``lost`` is how the machine was lost, if it was; ``panicked_of`` the ids of the findings that
    ended it, if the entry is not about them.
    """

    fault: Fault
    judgement: Judgement
    evidence: Evidence
    output: list[str] = field(default_factory=list)
    events: list[KernelEvent] = field(default_factory=list)
    status: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    worn: bool = True
    lost: LostVM | None = None
    panicked_of: tuple[str, ...] = ()

    @property
    def spoiled(self) -> bool:
        """Whether the session must not be used again."""
        return self.worn or bool(self.judgement.reasons)

    @property
    def verdict(self) -> TrialVerdict:
        """How it ended."""
        return self.judgement.verdict

    def lines(self) -> list[str]:
        """The trial for a person: verdict, reasons, what was injected, what the kernel logged."""
        out = [f"{self.fault.name}: {self.verdict.value}"]
        if self.judgement.findings:
            out.append(f"findings: {', '.join(self.judgement.findings)}")
        if self.judgement.gone:
            out.append(f"did not show: {', '.join(self.judgement.gone)}")
        out += self.judgement.reasons
        out += describe_injections(self.evidence.injections)
        out += self.output
        told = describe_complaints(reports(self.events), "the kernel.log of the trial", lines=12)
        return out + ["kernel: " + line for text in told for line in text.split("\n")]


def try_fault(
    session: Session, fault: Fault, findings: Findings, *,
    plan: Mapping[str, Any] | None = None, simulated: bool = False,
) -> Trial:  # fmt: skip
    """Try ``fault`` (or another ``plan`` in its place) in an entered session.

    ``simulated`` says whether the guest's time is. A lost machine is part of the verdict. Raises
    ModelFailure if the card itself failed, and Interrupted after a signal: what was lost then says
    nothing.
    """
    began = time.monotonic()
    record = TrialRecord(simulated=simulated)
    undo = DeferStack()
    workload = WORKLOADS[fault.workload]
    mark = take_baseline(session)
    context = WorkloadContext(session.dut, session.remote, undo)
    handle, gone = 0, None
    try:
        if not simulated:
            _end_with_an_oops(session)
        if workload.channels:
            set_channels(session.dut, workload.channels, undo)
        workload.prepare(context)
        before = protocol_counts(session, fault.expect.counted)
        handle = session.card.faults_arm(plan or fault.document())
        try:
            workload.work(context)
        except _WORK_FAILED as failed:
            record.failure = failed.message
        record.status = session.card.faults_disarm(handle)
        handle = 0
        session.check()
        record.nstat = grown(protocol_counts(session, fault.expect.counted), before)
        _afterwards(fault, context, record, undo)
        session.check()
    except LostVM as lost:
        gone, record.lost = lost, lost.message
    interrupt.check()
    if handle:
        with suppress(TestbedError):
            record.status = session.card.faults_disarm(handle)
    if not record.status:
        record.status = _status_of_trace(session, fault, mark.trace_bytes)
    failure = session.card.failure
    if isinstance(failure, ModelFailure):
        raise failure
    record.output = context.output
    evidence = gather(session, mark, guest=not record.lost)
    events = list(session.kernel_log.events[mark.kernel_events :])
    judgement = judge(fault, record, evidence, events, findings, session.kernel)
    return Trial(
        fault,
        judgement,
        evidence,
        output=[*context.output, *([record.failure] if record.failure else [])],
        events=events,
        status=[dict(one) for one in record.status],
        seconds=time.monotonic() - began,
        worn=bool(
            record.lost or events or record.no_traffic or record.undo
            or is_last(fault, simulated=simulated)
        ),
        lost=gone,
        panicked_of=panicked_of(fault, events, findings, session.kernel) if gone else (),
    )  # fmt: skip


def _end_with_an_oops(session: Session) -> None:
    """Let the kernel panic where a task would die in it: whoever needs its locks waits for ever.

    UML does so anyway; elsewhere each command that follows would run into its time limit.
    """
    session.dut.run(["sh", "-c", f"echo 1 >{_PANIC_ON_OOPS}"])


def _afterwards(
    fault: Fault, context: WorkloadContext, record: TrialRecord, undo: DeferStack
) -> None:
    """Repair, undo settings, check traffic. Raises LostVM."""
    repair = fault.expect.repair
    if is_last(fault, simulated=record.simulated):
        return
    try:
        if repair is Repair.UP_DOWN:
            up_down(context)
        elif repair in (Repair.RELOAD, Repair.SLOW_RELOAD):
            rebind(context)
    except _WORK_FAILED as failed:
        record.no_traffic = failed.message
        return
    try:
        undo.unwind()
    except UndoFailed as failed:
        lost = next((e for e in failed.exceptions if isinstance(e, LostVM)), None)
        if lost is not None:
            raise lost from failed
        record.undo = "; ".join(str(one) for one in failed.exceptions)
    try:
        check_traffic(context)
    except _WORK_FAILED as failed:
        record.no_traffic = failed.message


def _status_of_trace(session: Session, fault: Fault, offset: int) -> list[dict[str, Any]]:
    """What fired, from the trace of a card that has ended."""
    records = [r for r in read_trace(session.card.trace_path, offset) if r["k"] == "fault"]
    return [
        {
            "id": one["id"], "where": one["where"], "considered": 0, "matched": 0,
            "fired": sum(record["id"] == one["id"] for record in records), "missing_fields": [],
        }
        for one in fault.plan
    ]  # fmt: skip
