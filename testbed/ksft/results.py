# SPDX-License-Identifier: GPL-2.0-only
"""What one selftest file did, and how that reads in the reports of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from testbed.ksft.ktap import Case, KtapResult, count
from testbed.ksft.select import TestFile
from testbed.report import results as report
from testbed.workloads.judge import CardAccount

_OUTCOMES = {
    KtapResult.PASS: report.Outcome.PASS,
    KtapResult.FAIL: report.Outcome.FAIL,
    KtapResult.SKIP: report.Outcome.SKIP,
    # The author says it cannot work here: no success, and nobody's fault.
    KtapResult.XFAIL: report.Outcome.SKIP,
}


def card_complaints(card: CardAccount) -> Iterator[tuple[str, str]]:
    """One per rule that was broken and per command the card does not know, as (name, text)."""
    for rule, times in card.violations.items():
        yield f"violation: {rule}", f"{times} times; the card's trace has each one"
    for command, times in card.unknown_hwrm.items():
        yield f"unknown firmware request {command}", f"{times} times"


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """``seconds`` is the test program's time, ``boot_seconds`` its guest's.

    ``complaints`` are kernel warnings and violations that no case asserted on, as (name, text);
    ``findings`` what of the kernel's is on record, as (id, text).
    ``case_seconds`` has an entry per case that reported.
    """

    test: TestFile
    cases: tuple[Case, ...]
    seconds: float
    boot_seconds: float | None = None
    exit_code: int | None = None
    complaints: tuple[tuple[str, str], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()
    card: CardAccount | None = None
    case_seconds: Sequence[float] = field(default_factory=tuple)

    @property
    def counts(self) -> dict[KtapResult, int]:
        """Cases by outcome."""
        return count(self.cases)

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
        for name, text in (*self.complaints, *self.findings):
            on_file = (name, text) in self.findings
            yield report.Check(
                name=f"{self.test.short} {name}", title=f"{self.test.short} {name}",
                outcome=report.Outcome.FINDING if on_file else report.Outcome.FAIL,
                reason=text.partition("\n")[0], detail=text, group=self.test.path,
                findings=(name,) if on_file else (),
            )  # fmt: skip
