# SPDX-License-Identifier: GPL-2.0-only
"""What a run showed: of a guest and a card that are still there, the outcome as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from testbed.dut.defer import DeferStack
from testbed.dut.stuck import READS_STACKS
from testbed.engines.uml.prepare import UmlPrepared
from testbed.engines.uml.session import UmlSession
from testbed.errors import UNKILLED, LostVM, TestbedError
from testbed.faults.evidence import read_trace
from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent
from testbed.fuzz.features import OPERATION, edges
from testbed.fuzz.hang import HANGS, is_hang
from testbed.fuzz.oracles import Excused, RunRecord, excused, judge
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.recovery import Recovery
from testbed.fuzz.rings import BufferRing
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.signature import names_of, with_place
from testbed.fuzz.states import states
from testbed.workloads.table import WORKLOADS
from testbed.workloads.workload import WorkloadContext

LOG_LINES = 200
_LONG = "the run takes longer"
_FRAMES_TOLD = 12
_EXCUSED_TOLD = 8


@dataclass(frozen=True)
class Mark:
    """What there was before a run: bytes of the card's trace, complaints, lines of the log."""

    trace_bytes: int = 0
    events: int = 0
    lines: int = 0

    @classmethod
    def of(cls, session: UmlSession) -> Mark:
        """Now. Raises ModelFailure."""
        session.card.state()  # what is buffered goes to the file
        log = session.kernel_log
        return cls(session.card.trace_path.stat().st_size, len(log.events), log.line_count)


@dataclass
class Run:
    """A run on its way: what is known of it so far.

    :ivar failure: how the workload failed; ``lost``: how the machine was, and
        which tasks were ``stuck``. Not ``prepared``: nothing was injected, it failed before.
    :ivar since: what of the session's records is of earlier runs.
    :ivar status: of the faults of its plan, as the card counts; ``frames``: of the wire, by point.
    :ivar work: bytes of the card's trace before the workload, and when it had ended.
    :ivar short_rings: as :class:`RunRecord` has it.
    :ivar hits: what was covered, if that is not all of it.
    :ivar remembered: as :class:`RunRecord` has it, and ``left``.
    """

    schedule: Schedule
    session: UmlSession
    context: WorkloadContext
    undo: DeferStack
    failure: str = ""
    prepared: bool = True
    lost: LostVM | None = None
    stuck: str = ""
    recovery: Recovery | None = None
    status: list[dict[str, Any]] = field(default_factory=list)
    frames: dict[str, int] = field(default_factory=dict)
    since: Mark = field(default_factory=Mark)
    work: tuple[int | None, int | None] = (None, None)
    short_rings: Sequence[BufferRing] = ()
    hits: list[tuple[int, bytes]] | None = None
    remembered: Mapping[int, Sequence[str]] = field(default_factory=dict)
    left: Sequence[str] = ()

    def count_alone(self) -> None:
        """From now on until its operation has ended is what it covers: not what every guest does
        to come up, nor what puts it in order again."""
        self.session.take_hits(go_on=True)

        def ended() -> None:
            self.hits = self.session.take_hits(go_on=True)

        self.context.operation_ended = ended

    def covered(self) -> list[tuple[int, bytes]]:
        """Parts of the hit map, and where they begin."""
        return self.session.take_hits(go_on=True) if self.hits is None else self.hits

    @property
    def said(self) -> list[KernelEvent]:
        """What the kernel complained of in it; of stuck tasks only if nobody asked for them."""
        events = self.session.kernel_log.events[self.since.events :]
        return [one for one in events if not self.stuck or READS_STACKS not in one.line]

    @property
    def disturbed(self) -> bool:
        """Whether anything went wrong, or was made to: else there is nothing to recover from."""
        made = self.schedule.companions or self.schedule.packets or self.schedule.card
        return bool(self.failure or made or self.fired)

    @property
    def fired(self) -> bool:
        """Whether any fault of the card was injected."""
        return any(one["fired"] for one in self.status)


def outcome_of(run: Run, prepared: UmlPrepared, findings: Findings) -> Outcome:
    """Judge it, by the ``findings`` that its kernel may have. Neither guest nor card have to answer
    any more."""
    session, schedule = run.session, run.schedule
    event_hash = ""
    with suppress(TestbedError):
        event_hash = session.card.state()["digest"]
    trace = list(read_trace(session.card.trace_path, run.since.trace_bytes))
    lines = session.kernel_log.line_count - run.since.lines
    log = session.kernel_log.tail(min(LOG_LINES, lines)) if lines else ""
    lost = run.lost.message if run.lost else ""
    record = RunRecord(
        workload=schedule.workload, events=_placed(run.said, prepared),
        trace=trace, log=log, failure=run.failure, lost=lost,
        backtrace=_backtrace(session) if HANGS in lost else "", stuck=run.stuck,
        recovery=run.recovery, schedule=schedule, remembered=run.remembered,
        left=run.left,
        short_rings=run.short_rings,
        disturbed=run.prepared and bool(schedule.companions or schedule.packets or schedule.card),
    )  # fmt: skip
    complaints = judge(record, findings, session.kernel)
    let_pass = excused(record, findings, session.kernel) if lost and not complaints else ()
    return Outcome(
        schedule=schedule.name, ended=ended(lost, complaints), complaints=complaints,
        edges=edges(run.covered()), states=states(trace) | _operations(schedule),
        event_hash=event_hash,
        fired=fired(schedule, trace), events=_passed(run),
        output=(*run.context.output, *([run.failure] if run.failure else [])),
        log=log if complaints or lost else "", problem=_problem(session, lost, let_pass),
    )  # fmt: skip


def _operations(schedule: Schedule) -> frozenset[str]:
    """A feature of an operation in which nothing goes wrong: one such run stays in the corpus, and
    tells what the operation covers."""
    plain = not (schedule.faults or schedule.companions or schedule.packets)
    is_one = plain and WORKLOADS[schedule.workload].nth
    return frozenset({f"{OPERATION}{schedule.workload}"} if is_one else ())


def failed_start(
    schedule: Schedule, said: Sequence[KernelEvent], kernel: GuestKernel, prepared: UmlPrepared,
    findings: Findings,
) -> tuple[Complaint, ...]:  # fmt: skip
    """What the kernel complained of in a guest that did not come up with its card."""
    record = RunRecord(workload=schedule.workload, events=_placed(said, prepared), disturbed=True)
    return judge(record, findings, kernel)


def _placed(events: Sequence[KernelEvent], prepared: UmlPrepared) -> list[KernelEvent]:
    name_of = names_of(Path(prepared.kernel.image))
    return [with_place(event, name_of) for event in events]


def _problem(session: UmlSession, lost: str, let_pass: Sequence[Excused]) -> str:
    """How it was lost, and what the kernel said to that and nobody is to blame for; of a run that
    took too long also where it was then."""
    if not lost:
        return ""
    several = dict.fromkeys(f"excused: {one.headline}: {one.why}" for one in let_pass)
    told = [lost, *islice(several, _EXCUSED_TOLD)]  # a guest may say as many as it likes
    if _LONG in lost:
        told += _backtrace(session).splitlines()[:_FRAMES_TOLD]
    return "\n".join(told)


def _backtrace(session: UmlSession) -> str:
    try:
        return session.machine.backtrace_path.read_text(encoding="utf-8")
    except OSError:
        return ""


def ended(lost: str, complaints: Sequence[Complaint]) -> Ended:
    """How a run ended whose machine was ``lost`` so, or not, if that is empty."""
    if not lost:
        return Ended.DONE
    if _LONG in lost:
        return Ended.TIMED_OUT
    if is_hang(lost) or UNKILLED in lost:
        return Ended.HUNG
    if any(one.oracle == "kernel" for one in complaints) or "panic" in lost:
        return Ended.CRASHED
    return Ended.AGENT_LOST


def fired(schedule: Schedule, trace: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """From the trace: a card whose guest is lost is not asked any more."""
    counts = {str(one["id"]): 0 for one in schedule.faults}
    for record in trace:
        if record["k"] == "fault" and record["id"] in counts:
            counts[record["id"]] += 1
    return counts


def _passed(run: Run) -> dict[str, int]:
    """Events by point: those of the plan's own as the card counted, others where it is known; of
    the firmware's commands also by name, as "hwrm.request:RING_ALLOC"."""
    begins, ends = run.work
    commands = Counter[str]()
    if begins is not None:
        records = read_trace(run.session.card.trace_path, begins, ends)
        commands.update(record["cmd"] for record in records if record["k"] == "hwrm")
    found = dict(run.frames)
    for point in ("hwrm.request", "hwrm.answer") if commands else ():
        found[point] = commands.total()
        found |= {f"{point}:{name}": count for name, count in commands.items()}
    return found | {str(one["where"]): int(one["considered"]) for one in run.status}
