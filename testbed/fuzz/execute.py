# SPDX-License-Identifier: GPL-2.0-only
"""Runs schedules: each in a fresh guest of User Mode Linux, and what it showed as plain data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from kernels.flavours import has_kmemleak
from kernels.mended import mended_in
from testbed.card.plans import check_plan
from testbed.dut.defer import DeferStack
from testbed.dut.nic import set_channels
from testbed.dut.permissions import RequirementMissing
from testbed.dut.protocols import Capability
from testbed.dut.stuck import stuck_tasks
from testbed.engines.topology import TopologyFailure
from testbed.engines.uml.hits import CoveredKernel
from testbed.engines.uml.session import UmlSession
from testbed.errors import (
    UNKILLED,
    EnvironmentProblem,
    GuestCommandFailed,
    GuestTimeout,
    LostVM,
    ModelFailure,
    TestbedError,
    UsageProblem,
)
from testbed.faults.evidence import read_trace
from testbed.findings.kernel import GuestKernel
from testbed.fuzz.companions import Companions, lacking
from testbed.fuzz.cost import Cost
from testbed.fuzz.left_mapping import LIST, MOST_LISTED, last_steps, remembered
from testbed.fuzz.machines import Machines
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.parts import RUN_S
from testbed.fuzz.recovery import (
    Recovery,
    bring_back,
    echoes,
    make_honest,
    scan_for_leaks,
    tear_down,
)
from testbed.fuzz.result import Mark, Run, failed_start, outcome_of
from testbed.fuzz.rings import at_rest, lets_buffers_be
from testbed.fuzz.schedule import FAIL_NTH, SCANNED, TRACKED, Schedule
from testbed.fuzz.signature import symbols_of
from testbed.fuzz.used import UsedGuest, is_clean, why_fresh
from testbed.host import interrupt
from testbed.workloads.judge import known_issues
from testbed.workloads.table import WORKLOADS
from testbed.workloads.workload import FailNth, Workload, WorkloadContext

ENGINE = "uml"
_WORK_FAILED = (GuestCommandFailed, GuestTimeout)
_STUCK_AFTER_S = 600
"""Of the guest's time: one command after the other may wait for firmware that does not answer."""


class Illegal(Exception):
    """The schedule cannot be run; the text says why."""


def plan_of(schedule: Schedule) -> dict[str, Any]:
    """Its fault plan, in which the card itself lets its packets come, each after its frame."""
    packets = [
        {
            "id": f"packet-{number}", "where": "rx.frame", "when": {"nth": packet.after + 1},
            "what": {"action": "card", "do": "frame", "params": {"data": packet.data}},
        }
        for number, packet in enumerate(schedule.packets)
    ]  # fmt: skip
    plan = schedule.plan
    return {**plan, "fault": [*plan["fault"], *packets]}


class Executor:
    """Runs schedules of one kernel, one after the other; a context manager.

    Logs go to ``folder``; ``say`` is told of what is built before. What guest, card and schedule do
    wrong is in the outcome. Raises UsageProblem for a kernel that cannot be had; EnvironmentProblem
    and Interrupted, here and from :meth:`run`, after which it can be used again.

    A finding that is mended in the kernel, as far as that is known (kernels.mended), explains
    nothing, unless the runs are ``about`` it: whether it still shows is the question then.

    :ivar release: `uname -r` of the kernel; ``provenance``: where it came from.
    :ivar program: the kernel as coverage needs it; None without ``coverage``.
    """

    def __init__(
        self, folder: Path, flavour: str = "uml-san", kernel: str | None = None,
        coverage: bool = True, about: str = "", say: Callable[[str], None] = lambda _text: None,
    ) -> None:  # fmt: skip
        self._flavour, self._kernel = flavour, kernel
        self._machines = Machines(folder, flavour, kernel, coverage=coverage, say=say)
        self._guest = UsedGuest("")
        prepared = self._machines.prepared
        self.release = prepared.kernel.release
        self.provenance: Mapping[str, object] = prepared.provenance
        self.program: CoveredKernel | None = prepared.covered
        mended = mended_in(prepared.kernel.provenance)
        self._findings = known_issues().without(mended - {about})

    def append(self, words: str) -> None:
        """Have guests that are started from now on get ``words`` on their command line."""
        self._machines.append = words
        self._machines.guest.clean = False  # it was started with others

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all guests and cards, whatever state they are in."""
        self._machines.close()

    def run(self, schedule: Schedule, most: int = 1, limit_s: float = RUN_S) -> Outcome:
        """One run: in a fresh guest, or in the one there is if that has served less than ``most``
        schedules and nothing speaks against it. After ``limit_s`` of real time its guest is lost.

        Raises EnvironmentProblem, Interrupted.
        """
        began, cost = time.monotonic(), Cost()
        self._guest = UsedGuest("")
        try:
            outcome = self._run(schedule, cost, most, limit_s)
        except EnvironmentProblem:
            self.close()
            interrupt.check()
            raise
        except (Illegal, RequirementMissing, UsageProblem) as refused:
            outcome = Outcome(schedule=schedule.name, ended=Ended.ILLEGAL, problem=str(refused))
        except TestbedError as error:
            self._machines.close()
            interrupt.check()
            outcome = self._ended_early(schedule, error)
        interrupt.check()
        guest, self._guest.runs = replace(self._guest), self._guest.runs + 1
        return replace(
            outcome, cpu_s=cost.cpu_s, wall_s=time.monotonic() - began, guest=guest.name,
            served=guest.runs,
        )  # fmt: skip

    def _ended_early(self, schedule: Schedule, error: TestbedError) -> Outcome:
        """The card failed, or with this card the guest did not even come up."""
        problem = "\n".join(error.lines())
        if isinstance(error, ModelFailure):
            return Outcome(schedule=schedule.name, ended=Ended.MODEL_BUG, problem=problem)
        kernel = GuestKernel.of(self.release)
        found = failed_start(
            schedule, self._machines.said, kernel, self._machines.prepared, self._findings
        )
        none = Ended.ILLEGAL if isinstance(error, TopologyFailure) else Ended.AGENT_LOST
        return Outcome(
            schedule=schedule.name, ended=Ended.CRASHED if found else none, complaints=found,
            problem=problem,
        )  # fmt: skip

    def _run(self, schedule: Schedule, cost: Cost, most: int, limit_s: float) -> Outcome:
        workload = self._check(schedule)
        run = self._begin(schedule, workload, cost, most)
        session = run.session
        self._guest = self._machines.guest
        session.machine.watchdog.allow(limit_s, time.monotonic())
        try:
            self._work(run, workload)
            if not workload.removes:
                session.machine.read_kernel_log()
                run.recovery = Recovery(line=session.kernel_log.line_count)
                if run.disturbed or not echoes(run.context):
                    make_honest(session, _injected(run))
                    bring_back(session, run.context, run.undo, run.recovery)
                tear_down(session, run.context, run.recovery, whole=schedule.kmemleak == SCANNED)
            if schedule.kmemleak == SCANNED:
                scan_for_leaks(session)
        except LostVM as lost:
            run.lost = lost
            if UNKILLED in lost.message:
                run.stuck = waiting(session)
            with suppress(TestbedError):
                run.status = session.card.faults_status()["faults"]
        session.machine.read_kernel_log()
        with suppress(TestbedError):  # a card that fails is told of below
            run.remembered = remembered(run.said, session.card.remembered)
            if run.remembered and not run.lost:
                words = ["sh", run.context.address or session.dut.pci_address, str(MOST_LISTED)]
                listed = session.dut.run(["sh", "-c", LIST, *words], check=False).text
                run.left = last_steps(listed, session.card.remembered)
        interrupt.check()
        if isinstance(session.card.failure, ModelFailure):
            raise session.card.failure
        cost.stop(session)
        outcome = outcome_of(run, self._machines.prepared, self._findings)
        self._guest.clean = not schedule.card and is_clean(outcome, run.recovery, run.said)
        return outcome

    def _check(self, schedule: Schedule) -> Workload:
        for name, wanted, there in (
            ("engine", schedule.engine, ENGINE),
            ("flavour", schedule.flavour, self._flavour),
            ("kernel", schedule.kernel, self._kernel),
        ):
            if wanted != there:
                raise Illegal(f"the schedule is for {name} {wanted}, this executor runs {there}")
        if schedule.kmemleak != TRACKED and not has_kmemleak(self._flavour):
            raise Illegal(f"kmemleak: a kernel of flavour {self._flavour} has none")
        workload = WORKLOADS.get(schedule.workload)
        if workload is None:
            raise Illegal(f"there is no workload {schedule.workload!r}")
        if not workload.nth and any(one.kind == FAIL_NTH for one in schedule.companions):
            raise Illegal(f"{schedule.workload} is no operation whose n-th allocation can fail")
        plan = plan_of(schedule)
        if plan["fault"]:
            check_plan(plan, f"schedule {schedule.name}")
        return workload

    def _begin(self, schedule: Schedule, workload: Workload, cost: Cost, most: int) -> Run:
        """A guest. Raises Illegal, and what starting one raises."""
        capabilities = self._machines.capabilities(schedule.card)
        missing = [f"it lacks {one.value}" for one in workload.lacking(capabilities)]
        missing = [f"{schedule.workload} cannot be done here: {one}" for one in missing]
        missing += lacking(schedule.companions, capabilities)
        if missing:
            raise Illegal("; ".join(missing))
        there, since = self._machines.session, Mark()
        cost.watch(there)
        session = None
        if there is not None and most > 1 and not why_fresh(schedule):
            since = Mark.of(there)
            cost.watch_guest(there)
            session = self._machines.again(most, schedule.kmemleak)
        if session is None:
            since = Mark()
            cost.watch(there)
            session = self._machines.start(schedule.card, schedule.seed, schedule.kmemleak)
        session.dut.assume(capabilities)
        undo = DeferStack()
        context = WorkloadContext(session.dut, session.remote, undo)
        context.address = session.dut.pci_address
        context.random.seed(schedule.seed)
        nth = [one for one in schedule.companions if one.kind == FAIL_NTH]
        context.fail_nth = FailNth(nth[-1].every, nth[-1].times, nth[-1].behind) if nth else None
        return Run(schedule, session, context, undo, since=since)

    def _work(self, run: Run, workload: Workload) -> None:
        """Prepare, arm, work, disarm. Raises LostVM, ModelFailure, Illegal, UsageProblem."""
        session, schedule = run.session, run.schedule
        symbols = symbols_of(Path(self._machines.prepared.kernel.image))
        companions = Companions(
            session.dut, schedule.companions, symbols.range,
            spare_kmemleak=schedule.kmemleak == SCANNED,
        )  # fmt: skip
        try:
            if workload.channels:
                set_channels(session.dut, workload.channels, run.undo)
            workload.prepare(run.context)
        except _WORK_FAILED as failed:
            problem = f"{schedule.workload} cannot be prepared: {failed.message}"
            if schedule.card:  # it is this card that cannot do it
                raise Illegal(problem) from failed
            run.failure, run.prepared = problem, False
            return
        before = session.card.state()["wire"]  # what is buffered goes to the trace, too
        run.work = session.card.trace_path.stat().st_size, None
        plan = plan_of(schedule)
        handle = session.card.faults_arm(plan) if plan["fault"] else 0
        companions.start()
        if workload.nth:
            run.count_alone()
        try:
            workload.work(run.context)
        except _WORK_FAILED as failed:
            run.failure = failed.message
        finally:
            if session.machine.lost is None:
                companions.stop()
        if handle:
            run.status = session.card.faults_disarm(handle)
        after = session.card.state()
        run.work = run.work[0], session.card.trace_path.stat().st_size
        run.frames = {
            point: after["wire"].get(name, 0) - before.get(name, 0)
            for point, name in (("rx.frame", "rx_frames"), ("tx.frame", "tx_frames"))
        }
        stands_still = Capability.REAL_TIME not in session.dut.offered
        if stands_still and all(map(lets_buffers_be, schedule.faults)):
            run.short_rings = at_rest(session, after)
        session.check()


def waiting(session: UmlSession) -> str:
    """Where tasks wait for ever, as :func:`stuck_tasks` says it.

    A guest may never come so far in time as to be asked again, since one of them polls. Then those
    wait for ever that wait now, if the driver has sent no command since.
    """
    now, before = stuck_tasks(session.dut), _commands(session)
    later = stuck_tasks(session.dut, _STUCK_AFTER_S)
    if later is None and before is not None and before == _commands(session):
        later = now
    return later or ""


def _commands(session: UmlSession) -> int | None:
    """How many the card has had, if it says."""
    with suppress(TestbedError):
        return int(session.card.state()["hwrm_requests"])
    return None


def _injected(run: Run) -> list[dict[str, Any]]:
    if not run.fired:
        return []
    card = run.session.card
    card.faults_status()  # what is buffered goes to the file
    return [one for one in read_trace(card.trace_path) if one["k"] == "fault"]
