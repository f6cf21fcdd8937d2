# SPDX-License-Identifier: GPL-2.0-only
"""What one selftest file did, and how that reads in the reports of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from testbed.ksft.ktap import Case, KtapResult, count
from testbed.ksft.select import TestFile
from testbed.report import results as report
from testbed.report.seen import Seen
from testbed.workloads.seen import SessionAccount

_OUTCOMES = {
    KtapResult.PASS: report.Outcome.PASS,
    KtapResult.FAIL: report.Outcome.FAIL,
    KtapResult.SKIP: report.Outcome.SKIP,
    # The author says it cannot work here: no success, and nobody's fault.
    KtapResult.XFAIL: report.Outcome.SKIP,
}


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """``seconds`` is the test program's time, ``boot_seconds`` its guest's.

    ``account`` is what card and kernel said that no case asserted on, unless the guest was lost
    before it ran.
    ``case_seconds`` has an entry per case that reported.
    """

    test: TestFile
    cases: tuple[Case, ...]
    seconds: float
    boot_seconds: float | None = None
    exit_code: int | None = None
    account: SessionAccount | None = None
    case_seconds: Sequence[float] = field(default_factory=tuple)

    @property
    def counts(self) -> dict[KtapResult, int]:
        """Cases by outcome."""
        return count(self.cases)

    @cached_property
    def seen(self) -> tuple[Seen, ...]:
        """What card and kernel said."""
        return () if self.account is None else self.account.seen

    @property
    def complaints(self) -> list[Seen]:
        """What fails the file, whatever its cases say."""
        return [one for one in self.seen if one.wrong]

    @property
    def findings(self) -> list[Seen]:
        """What is on record of this kernel."""
        return [one for one in self.seen if not one.wrong]

    @property
    def passed(self) -> bool:
        """Whether nothing failed and nothing was found that is no known issue."""
        return not self.complaints and not self.counts[KtapResult.FAIL]

    def checks(self) -> Iterator[report.Check]:
        """One check per case, complaint and finding, grouped by file."""
        for number, case in enumerate(self.cases):
            reason = case.reason
            if case.outcome is KtapResult.XFAIL:
                reason = f"expected to fail: {reason}" if reason else "expected to fail"
            yield report.Check(
                name=case.name, title=case.name, outcome=_OUTCOMES[case.outcome],
                seconds=self.case_seconds[number] if number < len(self.case_seconds) else 0.0,
                reason=reason, detail="\n".join(case.diagnostics), group=self.test.path,
            )  # fmt: skip
        yield from (report.Check.of_seen(one, group=self.test.path) for one in self.seen)
