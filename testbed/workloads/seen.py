# SPDX-License-Identifier: GPL-2.0-only
"""What card and kernel have said of a session up to now, in the words of the main job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from testbed.engines.session import Session
from testbed.errors import GuestTimeout, TestbedError
from testbed.findings.judge import Complaints
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher, Splat
from testbed.findings.repeated import describe_complaints, fold
from testbed.findings.splat_report import SplatReport
from testbed.report.results import RunReport
from testbed.report.seen import Seen, SeenKind
from testbed.report.verdicts import describe
from testbed.workloads.judge import CardAccount, known_issues

LOG = "kernel.log in the run directory"

_ENDS_TASKS = (
    Splat.PANIC, Splat.OOPS, Splat.BUG, Splat.SOFT_LOCKUP, Splat.HUNG_TASK, Splat.RCU_STALL,
)  # fmt: skip
"""After these a task does not come back, nor do those that wait for its locks."""


def seen_by_card(card: CardAccount) -> Iterator[Seen]:
    """One for each rule that was broken and each firmware request that the card does not know."""
    first = {str(record["rule"]): record for record in reversed(card.kept)}
    for rule, times in card.violations.items():
        record = first.get(rule, {})
        said = (record.get("culprit"), record.get("cause"))
        yield Seen(
            kind=SeenKind.VIOLATION, name=rule, times=times,
            text=", ".join(str(one) for one in said if one),
            detail=describe(record) if record else "the card's trace has each one",
        )  # fmt: skip
    for request, times in card.unknown_hwrm.items():
        yield Seen(kind=SeenKind.UNKNOWN_REQUEST, name=f"{int(request):#x}", times=times)


def seen_in_log(log: KernelLogWatcher, kernel: GuestKernel) -> Iterator[Seen]:
    """One for each different complaint, then one for each finding of that kernel."""
    findings = known_issues()
    found = findings.sort(log.events, kernel)
    for splat in fold(found.unknown):
        said = "; ".join([splat.headline, *findings.hints(Complaints({}, [splat]), kernel)])
        yield _of_log(SeenKind.COMPLAINT, splat.signature, said, (splat,))
    for name, splats in found.known.items():
        yield _of_log(SeenKind.FINDING, name, findings[name].title, tuple(splats))


def why_stuck(log: KernelLogWatcher, kernel: GuestKernel) -> str:
    """What the kernel has said that a command cannot come back from, and the finding it is.

    Empty if there is no such complaint.
    """
    for one in seen_in_log(log, kernel):
        if any(splat.sanitizer in _ENDS_TASKS for splat in one.splats):
            return f"the kernel had said before: {one.line}"
    return ""


def explained(late: GuestTimeout, log: KernelLogWatcher, kernel: GuestKernel) -> GuestTimeout:
    """``late``, or the same with what the kernel had said that explains it."""
    why = why_stuck(log, kernel)
    if not why:
        return late
    return GuestTimeout(f"{late.message}: {why}", remedy=late.remedy, log_path=late.log_path)


def _of_log(kind: SeenKind, name: str, text: str, splats: tuple[SplatReport, ...]) -> Seen:
    return Seen(
        kind=kind, name=name, text=text, times=sum(one.count for one in splats), splats=splats,
        detail="\n".join(describe_complaints(splats, LOG)),
    )  # fmt: skip


@dataclass(frozen=True)
class SessionAccount:
    """What card and kernel say of a session.

    ``card`` is None where there is no card, or none that answers: then ``problem`` says why.
    ``log`` is read when :attr:`seen` is: after the session's end it has its last lines, too.
    ``where`` names the session in a run of several. ``event_hash`` is the card's, up to now.
    """

    card: CardAccount | None
    log: KernelLogWatcher
    kernel: GuestKernel
    problem: TestbedError | None = None
    where: str = ""
    event_hash: str | None = None

    @classmethod
    def of(cls, session: Session, *, where: str = "") -> Self:
        """Ask now: ``session`` has been entered and not left, but may be lost."""
        card = problem = event_hash = None
        try:
            if session.has_card:
                state = session.card.state()
                card, event_hash = CardAccount.of(state), state["digest"]
            session.catch_up()
        except TestbedError as error:
            problem = error
        return cls(card, session.kernel_log, session.kernel, problem, where, event_hash)

    @property
    def seen(self) -> tuple[Seen, ...]:
        """All of it, the card's first: its verdict is the cause, a splat often what follows."""
        by_card = () if self.card is None else seen_by_card(self.card)
        seen = (*by_card, *seen_in_log(self.log, self.kernel))
        return tuple(replace(one, where=self.where) for one in seen)

    def require_answers(self) -> None:
        """Raise what kept card or machine from answering: LostVM, ModelFailure."""
        if self.problem is not None:
            raise self.problem

    def add_to(self, report: RunReport) -> None:
        """Into ``report``, beside what it has of other sessions."""
        report.seen += self.seen
        if self.card is not None:
            report.violations = sum(self.card.violations.values(), report.violations or 0)
            report.unknown_hwrm = sum(self.card.unknown_hwrm.values(), report.unknown_hwrm or 0)
            report.refused_hwrm.update(self.card.refused_hwrm)
            report.missing_hwrm.update(self.card.missing_hwrm)
