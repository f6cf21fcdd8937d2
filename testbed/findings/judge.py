# SPDX-License-Identifier: GPL-2.0-only
"""Which of the kernel's complaints are on record, and what that makes of a test."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from testbed.errors import UsageProblem
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent
from testbed.findings.load import Finding
from testbed.findings.repeated import fold
from testbed.findings.splat_report import SplatReport, reports


@dataclass(frozen=True)
class Complaints:
    """What the kernel complained of: ``known`` by id of the finding, and what nobody expected."""

    known: dict[str, list[SplatReport]] = field(default_factory=dict)
    unknown: list[SplatReport] = field(default_factory=list)

    @property
    def all(self) -> list[SplatReport]:
        """Every complaint; first what nobody expected, since whoever names one names the first."""
        return [*self.unknown, *(one for found in self.known.values() for one in found)]


class Findings:
    """The findings on record, asked about one kernel."""

    def __init__(self, found: Sequence[Finding]) -> None:
        self._by_id = {finding.id: finding for finding in found}

    def __iter__(self) -> Iterator[Finding]:
        """All of them, by id."""
        return iter(self._by_id.values())

    def __getitem__(self, name: str) -> Finding:
        """The finding of that id. Raises UsageProblem."""
        try:
            return self._by_id[name]
        except KeyError:
            allowed = ", ".join(sorted(self._by_id)) or "none"
            raise UsageProblem(
                f"no finding {name!r} is on record", remedy=f"on record in docs/findings: {allowed}"
            ) from None

    def without(self, names: Collection[str]) -> Findings:
        """These but for some, by id: those that are mended in a kernel explain nothing there."""
        return Findings([one for one in self if one.id not in names])

    def sort(
        self, events: Sequence[KernelEvent], kernel: GuestKernel, *, asked_for: Collection[str] = ()
    ) -> Complaints:
        """Sort complaints: those on record for that kernel, and the others.

        ``asked_for``: ids of the findings that the test or trial is about. Others that need a
        misbehaving card explain nothing.
        """
        complaints = Complaints()
        for report in reports(events):
            may = [
                f
                for f in self._explaining(report)
                if f.may_be_in(kernel) and (not f.where_asked_only or f.id in asked_for)
            ]
            finding = max(may, key=lambda f: f.id in asked_for, default=None)
            if finding is None:
                complaints.unknown.append(report)
            else:
                complaints.known.setdefault(finding.id, []).append(report)
        return complaints

    def hints(self, complaints: Complaints, kernel: GuestKernel) -> list[str]:
        """Complaints that look like something on record which does not explain them here.

        At most one finding for a complaint, the one that says most of it; none if two say as much.
        """
        likely = ((report, self._likeliest(report, kernel)) for report in fold(complaints.unknown))
        return [
            f"{report.signature} looks like the finding {finding.id}, {_why_not(finding, kernel)}"
            for report, finding in likely
            if finding is not None
        ]

    def _likeliest(self, report: SplatReport, kernel: GuestKernel) -> Finding | None:
        def says(finding: Finding) -> tuple[bool, bool]:
            named = any(one.function and one.matches(report) for one in finding.splat)
            return named, finding.may_be_in(kernel)

        found = sorted(self._explaining(report), key=says)
        if not found or (len(found) > 1 and says(found[-1]) == says(found[-2])):
            return None
        return found[-1]

    def _explaining(self, report: SplatReport) -> list[Finding]:
        return [finding for finding in self._by_id.values() if finding.explains(report)]


def _why_not(finding: Finding, kernel: GuestKernel) -> str:
    if not finding.may_be_in(kernel):
        return (
            f"which {kernel.release} does not have as far as {finding.path.name} says: if it has,"
            " correct introduced, fixed or [[checked]] there"
        )
    if finding.only_marked:
        return "which explains only tests that are marked with it"
    return "which only a misbehaving card shows: is the card's model at fault?"


NOT_SHOWN = "finding gone:"
"""How it is told where a finding does not show; its id follows."""


def gone(finding: Finding, kernel: GuestKernel) -> str:
    """What to say where a finding does not show on a kernel that showed it every time."""
    return (
        f"{NOT_SHOWN} {finding.id} ({finding.title}) does not show on {kernel.release}, which"
        f" showed it every time: if it is mended there, say so in docs/findings/{finding.path.name}"
    )
