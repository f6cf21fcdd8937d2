# SPDX-License-Identifier: GPL-2.0-only
"""Which findings show on a kernel, and whether that is as on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from testbed.engines.open import engine_named
from testbed.errors import ModelFailure
from testbed.findings.head import Checked, Status
from testbed.findings.load import Finding
from testbed.followup.replay import Replays, replay
from testbed.followup.target import ANYWHERE, UML, KernelChoice, NotHad, Where, engine_for
from testbed.report.results import Check, Outcome, RunReport


class Verdict(StrEnum):
    """What a kernel has of a finding."""

    SHOWN = "shown"
    GONE = "gone"
    CANNOT_TELL = "cannot tell"
    BACK = "back"
    NEW = "new"


_OUTCOMES = {
    Verdict.SHOWN: Outcome.FINDING, Verdict.GONE: Outcome.GONE, Verdict.CANNOT_TELL: Outcome.SKIP,
    Verdict.BACK: Outcome.FAIL, Verdict.NEW: Outcome.FAIL,
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One finding on one kernel.

    ``reason`` says what is not as on record, in one line; empty if all is.
    """

    finding: Finding
    verdict: Verdict
    reason: str = ""
    flavour: str = ""
    replays: Replays = field(default_factory=Replays)

    @property
    def as_on_record(self) -> bool:
        """Whether nothing has to be written down."""
        return not self.reason

    @property
    def cell(self) -> str:
        """All of it that fits into a grid."""
        counts = f"{self.replays.shown}/{self.replays.told}" if self.replays.told else ""
        words = counts if self.verdict is Verdict.SHOWN else f"{self.verdict.value} {counts}"
        return words.strip()

    def check(self, group: str) -> Check:
        """As a check of a report."""
        outcome = _OUTCOMES[self.verdict]
        if self.verdict is Verdict.GONE and self.as_on_record:
            outcome = Outcome.PASS
        return Check(
            name=self.finding.id, title=self.finding.title, group=group, outcome=outcome,
            reason=self.reason, measured=self.cell,
            findings=(self.finding.id,) if outcome is Outcome.FINDING else (),
            gone=(self.finding.id,) if outcome is Outcome.GONE else (),
        )  # fmt: skip


def judge(finding: Finding, replays: Replays) -> tuple[Verdict, str]:
    """What the runs say of ``finding``, and what of that is not as on record."""
    if replays.unknown:
        return Verdict.NEW, f"not on record: {replays.unknown[0]}"
    if not replays.told or replays.kernel is None:
        return Verdict.CANNOT_TELL, "; ".join(replays.problems) or "nothing was run"
    kernel = replays.kernel
    known = next((one for one in finding.checked if one.is_of(kernel)), None)
    expected = known.shown > 0 if known is not None else finding.may_be_in(kernel)
    always = finding.reproducer.deterministic
    if replays.shown:
        fixed = finding.fixed
        if fixed is not None and kernel.version is not None and fixed.is_in(kernel.version):
            return Verdict.BACK, f"fixed in {fixed.version}, and shows on {kernel.release}"
        if not expected:
            return Verdict.SHOWN, f"shows on {kernel.release}, which does not have it on record"
        if always and replays.shown < replays.told:
            return Verdict.SHOWN, "every run should show it"
        return Verdict.SHOWN, ""
    if not expected:
        return Verdict.GONE, ""
    if not always:
        return Verdict.CANNOT_TELL, f"not seen in {replays.told} runs, and not every run shows it"
    return Verdict.GONE, f"does not show on {kernel.release}"


def flavours_of(finding: Finding, where: Where) -> list[str]:
    """Flavours ``where`` includes that show ``finding``, the reproducer's first."""
    shows = finding.reproducer
    default = "uml" if shows.engine == UML else "debian"
    wanted = [shows.flavour or default, *finding.flavours]
    return [one for one in dict.fromkeys(wanted) if where.includes(one)]


def kernel_for(
    finding: Finding, choice: KernelChoice, where: Where
) -> tuple[str, Mapping[str, str]]:
    """The flavour to run ``finding`` on, and the options that choose it. Raises NotHad."""
    problems = []
    for flavour in flavours_of(finding, where):
        try:
            return flavour, choice.options(flavour)
        except NotHad as problem:
            problems.append(f"{flavour}: {problem}")
    raise NotHad(problems[0] if problems else f"does not show on {where}")


def check_one(
    finding: Finding, choice: KernelChoice, folder: Path, say: Callable[[str], None], *,
    where: Where = ANYWHERE, times: int = 1,
) -> Answer:  # fmt: skip
    """Run the reproducer on the kernel of ``choice``. Raises EnvironmentProblem, Interrupted.

    A kernel that cannot be had as the finding wants it is a verdict.
    """
    try:
        flavour, options = kernel_for(finding, choice, where)
    except NotHad as problem:
        return Answer(finding, Verdict.CANNOT_TELL, str(problem))
    replays = replay(finding, options, times, folder, say)
    return Answer(finding, *judge(finding, replays), flavour, replays)


def check_all(
    findings: Sequence[Finding], choice: KernelChoice, folder: Path, report: RunReport,
    answered: Callable[[Answer], None], say: Callable[[str], None], *,
    where: Where = ANYWHERE, times: int = 1,
) -> None:  # fmt: skip
    """Check one finding after the other; each goes into ``report``, then to ``answered``.

    Raises EnvironmentProblem, Interrupted.
    """
    for finding in findings:
        place = folder / finding.id
        place.mkdir(parents=True)
        answer = check_one(finding, choice, place, say, where=where, times=times)
        report.checks.append(answer.check(choice.target.label))
        report.changed |= not answer.as_on_record
        if answer.replays.model_failure:
            report.end_with(ModelFailure(f"{finding.id}: {answer.replays.model_failure}"))
        answered(answer)


def to_check(
    findings: Sequence[Finding], names: Sequence[str], where: Where = ANYWHERE
) -> list[Finding]:
    """Those that are named; without names all that show on some kernel ``where`` includes.

    Those that are others by another name are not among them.
    """
    if names:
        return [one for one in findings if one.id in names]
    different = [one for one in findings if one.status is not Status.DUPLICATE]
    return [one for one in different if flavours_of(one, where)]


def as_checked(answer: Answer) -> Checked | None:
    """What ``--record`` writes of it; None if nothing can be told.

    A kernel that once has shown it has it: that it does not show there now is no news of the bug.
    """
    replays, kernel = answer.replays, answer.replays.kernel
    if kernel is None or kernel.version is None or not replays.told or replays.unknown:
        return None
    if not replays.shown and any(one.is_of(kernel) and one.shown for one in answer.finding.checked):
        return None
    simulated = answer.flavour in engine_named(engine_for(answer.flavour)).simulated
    return Checked(
        kernel=kernel.version, flavour=kernel.flavour, date=datetime.now(UTC).date(),
        runs=replays.told, shown=replays.shown,
        event_hashes=min(len(replays.hashes), replays.told) if simulated else 0,
    )  # fmt: skip
