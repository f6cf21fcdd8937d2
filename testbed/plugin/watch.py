# SPDX-License-Identifier: GPL-2.0-only
"""One test under watch: what card and kernel reported meanwhile, and what that makes of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest

from testbed.engines.pool import SessionPool
from testbed.engines.watched import KERNEL_LOG
from testbed.errors import UNKILLED, LostVM, TestbedError
from testbed.faults.complaints import EXCUSABLE
from testbed.findings.judge import Complaints, Findings, gone
from testbed.findings.kernel import GuestKernel
from testbed.findings.load import Finding
from testbed.findings.repeated import describe_complaints
from testbed.findings.splat_report import SplatReport
from testbed.report.verdicts import describe_all

FINDING = "finding"
GONE = "gone"
"""Categories of the terminal report, and names of the properties that carry a finding's id."""

LOST = "lost VM"
"""Name of the property that carries the fault of a failure that says nothing of the kernel."""


def findings_of(report: pytest.TestReport, what: str = FINDING) -> tuple[str, ...]:
    """Ids of the findings that a test, or its undo, has shown; of those GONE, if that is asked."""
    properties = getattr(report, "user_properties", ())
    # the properties of a test are handed on from phase to phase
    own = (str(value) for name, value in properties if name == f"{what}:{report.when}")
    return tuple(dict.fromkeys(own))


def property_of(report: pytest.TestReport, wanted: str) -> str:
    """The value of a property of a report, or nothing."""
    properties = getattr(report, "user_properties", ())
    return next((str(value) for name, value in properties if name == wanted), "")


def skip_reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
    return str(reason).removeprefix("Skipped: ")


class TestWatch:
    """Begins when it is made. :meth:`judge` is called once per phase of the test's run.

    Raises UsageProblem if the test is marked with a finding that is no known issue.
    """

    def __init__(self, item: pytest.Item, pool: SessionPool, findings: Findings) -> None:
        self._pool = pool
        self._findings = findings
        ids = (marker.args[0] for marker in item.iter_markers("finding"))
        self._marked: list[Finding] = [findings[name] for name in dict.fromkeys(ids)]
        marker = item.get_closest_marker("expect_violation")
        self._expected: set[str] = set(marker.args) if marker else set()
        self._violations: Counter[str] = Counter()
        marker = item.get_closest_marker("expect_complaint")
        self._words: set[str] = set(marker.args) if marker else set()
        self._words_of: str | None = marker.kwargs.get("of") if marker else None
        self._said: set[str] = set()
        pool.let_kernel_warn_again()
        self._mark = pool.mark()
        self._kernel = pool.kernel or GuestKernel.of("")
        self._on_file: dict[str, set[str]] = {
            marked.id: set(marked.violations)
            for marked in self._marked
            if marked.may_be_in(self._kernel)
        }
        self._hung: list[Finding] = []
        self.seen: list[SplatReport] = []

    def expect_nothing(self) -> None:
        """The test is skipped: what it was to make card and driver say does not come."""
        self._expected, self._words = set(), set()

    def judge(self, report: pytest.TestReport, lost: TestbedError | None) -> TestbedError | None:
        """Make ``report`` what card and kernel say it is; return what has ended the machine.

        ``lost`` is what the test itself has noticed of that. Afterwards :attr:`seen` has the
        kernel's complaints of this phase.
        """
        look = self._pool.since(self._mark)
        lost = lost or look.lost
        asked_for = tuple(marked.id for marked in self._marked)
        complaints = self._findings.sort(look.events, self._kernel, asked_for=asked_for)
        complaints.unknown[:] = self._not_expected(complaints.unknown)
        self.seen = complaints.all
        self._violations.update(look.violations)
        problems = self._problems(complaints, look.violations, report)
        allowed = self._allowed
        unexpected = [one for one in look.verdicts if one["rule"] not in allowed]
        if unexpected:
            problems.insert(0, describe_all(unexpected))  # the cause; the splats are what follows
        if lost is not None and not report.failed:
            _fail(report, ["\n".join(lost.lines())])
        reported = [name for name, rules in self._on_file.items() if rules & set(look.violations)]
        ids = list(dict.fromkeys([*reported, *complaints.known]))
        shown = self._shown(report, complaints, ids, problems, lost)
        if report.when == "call" and self._words_of not in (None, *shown) and not report.failed:
            problems += [
                f"the driver said {words!r}, and {self._words_of} does not show"
                for words in sorted(self._said)
            ]
            self._words = set()
        if shown:
            if report.failed or (self._words_of is None and {*asked_for} & {*shown}):
                self._said |= self._words  # a driver with the bug may have no reason to say it
            report.outcome, report.longrepr = "passed", None
            name = f"{FINDING}:{report.when}"
            report.user_properties.extend((name, finding) for finding in shown)
        elif problems:
            _fail(report, [f"card or kernel complained: {problems[0]}", *problems[1:]])
        if not report.failed and report.when == "call":
            report.user_properties += [(f"{GONE}:call", name) for name in self._missed(shown)]
        if look.end is not None and report.when == "call":
            self._mark = look.end
        return lost

    @property
    def _allowed(self) -> set[str]:
        """Rules whose violations are no problem here."""
        return self._expected.union(*self._on_file.values())

    def _not_expected(self, unknown: Sequence[SplatReport]) -> list[SplatReport]:
        """Those that are not what the test has the driver say."""
        rest = []
        for report in unknown:
            fit = {words for words in self._words if re.search(words, report.headline)}
            if fit and report.sanitizer in EXCUSABLE:
                self._said |= fit
            else:
                rest.append(report)
        return rest

    def _problems(
        self, complaints: Complaints, violations: dict[str, int], report: pytest.TestReport
    ) -> list[str]:
        unexpected = {rule: n for rule, n in violations.items() if rule not in self._allowed}
        problems = [f"violation {rule} (x{count})" for rule, count in unexpected.items()]
        if report.when == "teardown":
            missing = sorted(self._expected - set(self._violations))
            problems += [f"expected violation {rule} did not come" for rule in missing]
            missing = sorted(self._words - self._said)
            problems += [f"the driver was to say {words!r}, and did not" for words in missing]
        log = self._pool.log_folder / KERNEL_LOG
        problems += describe_complaints(complaints.unknown, log)
        return problems + self._findings.hints(complaints, self._kernel)

    def _shown(
        self, report: pytest.TestReport, complaints: Complaints, known: list[str],
        problems: list[str], lost: TestbedError | None,
    ) -> list[str]:  # fmt: skip
        """Of the ``known`` findings those that explain all that went wrong.

        Adds to ``problems`` if none does.
        """
        if lost is not None and not isinstance(lost, LostVM):
            return []
        panicked = any(one.panicked for found in complaints.known.values() for one in found)
        explained = not report.failed or (isinstance(lost, LostVM) and panicked)
        marked = self._may_show() if report.when == "call" else []
        failed_so = [one for one in marked if report.failed and one.is_failure(_message(report))]
        if report.when == "call":
            self._hung = [one for one in failed_so if one.lasting]
        elif lost is not None and UNKILLED in lost.message:  # what hung then is still there
            marked = failed_so = self._hung
        shown = [one.id for one in marked if one.id in known or one in failed_so]
        if not report.failed:
            problems += [
                gone(one, self._kernel)
                for one in marked
                if one.id not in shown and one.shows_every_time_on(self._kernel)
            ]
        if problems or not (explained or failed_so):
            return []
        return list(dict.fromkeys([*shown, *known]))

    def _may_show(self) -> list[Finding]:
        """The findings that the test is about, as far as this kernel may have them."""
        return [marked for marked in self._marked if marked.may_show_on(self._kernel)]

    def _missed(self, shown: list[str]) -> list[str]:
        """Those of them that have not shown."""
        return [marked.id for marked in self._may_show() if marked.id not in shown]


def _message(report: pytest.TestReport) -> str:
    """What the test failed with, without the source lines that pytest shows beside it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return report.longreprtext if crash is None else str(crash.message)


def say_too(report: pytest.TestReport, title: str, lines: Sequence[str]) -> None:
    """A failed report says ``lines`` behind its own reason, and what it failed with stays that."""
    text = "\n".join(lines)
    add_section = getattr(report.longrepr, "addsection", None)
    if add_section is not None:
        add_section(title, text)
    else:
        report.longrepr = "\n".join([report.longreprtext, f"{title}:", text])


def _fail(report: pytest.TestReport, lines: list[str]) -> None:
    """A failed test keeps its own reason ahead of what is added here."""
    if report.failed:
        say_too(report, "also", lines)
    else:
        report.outcome, report.longrepr = "failed", "\n".join(lines)
