# SPDX-License-Identifier: GPL-2.0-only
"""Which of the kernel's complaints are on record, and what that makes of a test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from testbed.errors import UsageProblem
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
        """Every complaint."""
        return [*(one for found in self.known.values() for one in found), *self.unknown]


class Findings:
    """The findings on record, asked about one kernel (``release`` is its `uname -r`)."""

    def __init__(self, found: Sequence[Finding]) -> None:
        self._by_id = {finding.id: finding for finding in found}

    def __getitem__(self, name: str) -> Finding:
        """The finding of that id. Raises UsageProblem."""
        try:
            return self._by_id[name]
        except KeyError:
            allowed = ", ".join(sorted(self._by_id)) or "none"
            raise UsageProblem(
                f"no finding {name!r} is on record", remedy=f"on record in docs/findings: {allowed}"
            ) from None

    def sort(
        self, events: Sequence[KernelEvent], release: str, *, asked_for: Collection[str] = ()
    ) -> Complaints:
        """Sort complaints: those on record for that kernel, and the others.

        ``asked_for``: ids of the findings that may be provoked here. Others that need a misbehaving
        card explain nothing.
        """
        complaints = Complaints()
        for report in reports(events):
            finding = next(
                (
                    f
                    for f in self._explaining(report)
                    if f.is_in(release) and (not f.provoked or f.id in asked_for)
                ),
                None,
            )
            if finding is None:
                complaints.unknown.append(report)
            else:
                complaints.known.setdefault(finding.id, []).append(report)
        return complaints

    def hints(self, complaints: Complaints, release: str) -> list[str]:
        """Complaints that look like something on record which does not explain them here.

        At most one finding for a complaint, the one that says most of it; none if two say as much.
        """
        likely = ((report, self._likeliest(report, release)) for report in fold(complaints.unknown))
        return [
            f"{report.signature} looks like the finding {finding.id}, {_why_not(finding, release)}"
            for report, finding in likely
            if finding is not None
        ]

    def _likeliest(self, report: SplatReport, release: str) -> Finding | None:
        def says(finding: Finding) -> tuple[bool, bool]:
            named = any(one.function and one.matches(report) for one in finding.splat)
            return named, finding.is_in(release)

        found = sorted(self._explaining(report), key=says)
        if not found or (len(found) > 1 and says(found[-1]) == says(found[-2])):
            return None
        return found[-1]

    def _explaining(self, report: SplatReport) -> list[Finding]:
        return [finding for finding in self._by_id.values() if finding.explains(report)]


def _why_not(finding: Finding, release: str) -> str:
    if finding.is_in(release):
        return "which only a misbehaving card shows: is the card's model at fault?"
    return (
        f"whose file does not list this kernel ({release}): if it is, add it to {finding.path.name}"
    )


def gone(finding: Finding, release: str) -> str:
    """What to say where a finding does not show any more."""
    return (
        f"finding gone: {finding.id} ({finding.title}) does not show on {release}, which its file"
        f" lists: if it is mended there, say so in docs/findings/{finding.path.name}"
    )
