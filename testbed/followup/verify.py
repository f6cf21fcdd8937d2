# SPDX-License-Identifier: GPL-2.0-only
"""Whether a patch makes a finding go, and breaks nothing else of its area."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed import ROOT
from testbed.errors import ModelFailure, UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.findings.head import Verified
from testbed.findings.load import Finding
from testbed.followup.check import kernel_for
from testbed.followup.replay import Replays, pytest_command, read_summary
from testbed.followup.replay import replay as run_reproducer
from testbed.followup.target import ANYWHERE, KernelChoice, NotHad, Target, Where
from testbed.host.child import run_python
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import LATEST

FIXES = ROOT / "kernels" / "fixes"
TIMES_ALWAYS, TIMES_SOMETIMES = 3, 20
"""Runs that have to show nothing, of a finding that every run shows, and of one that some do."""

TESTS_LIMIT_S = 5400.0
REPLAY, TESTS = "reproducer", "tests"
CATALOGUE = "tests/suite/faults"
ALL_FAULTS = "--all-faults"
"""An option of our tests; without it QEMU tries a sample."""
_SUFFIXES = (" (teardown)", " (setup)")


def own_fix(name: str) -> Path:
    """The folder with our fix of a finding. Raises UsageProblem if there is none."""
    folder = FIXES / name
    if not folder.is_dir():
        raise UsageProblem(
            f"{folder.relative_to(ROOT)} does not exist", remedy="name the patches with --series"
        )
    return folder


def times_for(finding: Finding) -> int:
    """How many runs without it say that it has gone."""
    return TIMES_ALWAYS if finding.reproducer.deterministic else TIMES_SOMETIMES


def area_of(finding: Finding) -> list[str]:
    """Its tests, for pytest; of the catalogue only faults of its own fault's class, if it has one.

    All of them, each with and without its fault, would take an hour.
    """
    catalogue = load_catalogue()
    own = catalogue.get(finding.reproducer.fault or "")
    if own is None or CATALOGUE not in finding.tests:
        return list(finding.tests)
    near = (
        name for name, one in catalogue.items()
        if one.fault_class is own.fault_class or one.expect.finding == finding.id
    )  # fmt: skip
    trials = [f"{CATALOGUE}/test_catalogue.py::test_fault[{name}]" for name in near]
    return [*(one for one in finding.tests if one != CATALOGUE), *trials]


@dataclass(frozen=True)
class Verification:
    """A finding, and the kernel with the patches that are to mend it.

    :ivar tests: what else has to pass, for pytest; the finding's own if empty.
    """

    finding: Finding
    target: Target
    folder: Path
    report: RunReport
    say: Callable[[str], None]
    times: int
    where: Where = ANYWHERE
    tests: Sequence[str] = ()

    def run(self) -> Verified | None:
        """Build, replay, test; each result goes into the report.

        What can be put on record; None unless the fix is good, or if the kernel is nobody else's.

        Raises UsageProblem for a patch that does not apply or build and for tests that are not
        there, EnvironmentProblem, Interrupted.
        """
        self._look_for_tests()
        choice = KernelChoice(self.target, self.say)
        try:
            flavour, options = kernel_for(self.finding, choice, self.where)
        except NotHad as problem:
            raise UsageProblem(f"{self.finding.id}: {problem}") from problem
        replays = run_reproducer(
            self.finding, options, self.times, _made(self.folder / REPLAY), self.say
        )
        self.report.kernel_release = replays.kernel.release if replays.kernel else None
        self._judge(replays)
        if self.report.totals.failed:
            return None
        tests = self._test(options, flavour)
        kernel = replays.kernel
        good = tests and replays.told >= self.times and not self.report.totals.failed
        if not good or kernel is None or kernel.version is None:
            return None
        return Verified(
            kernel=kernel.version, flavour=kernel.flavour, date=datetime.now(UTC).date(),
            runs=replays.told, tests=tests,
        )  # fmt: skip

    def _look_for_tests(self) -> None:
        key = "--tests" if self.tests else f"{self.finding.path.name}: tests"
        for test in self.tests or self.finding.tests:
            if not (ROOT / test.partition("::")[0]).exists():
                raise UsageProblem(
                    f"{key}: {test} does not exist", remedy="name files or folders of tests/suite"
                )

    def _judge(self, replays: Replays) -> None:
        outcome, reason = Outcome.PASS, ""
        if replays.shown:
            outcome, reason = Outcome.FAIL, f"{replays.shown} of {replays.told} runs still show it"
        elif replays.unknown:
            outcome, reason = Outcome.FAIL, f"something else is wrong: {replays.unknown[0]}"
        elif replays.told < self.times:
            outcome = Outcome.SKIP
            reason = f"cannot tell: {'; '.join(replays.problems) or 'nothing was run'}"
            self.report.changed = True
        self.report.checks.append(
            Check(
                name=self.finding.id, title="The reproducer does not show it any more",
                group=REPLAY, outcome=outcome, reason=reason,
                measured=f"0 of {replays.told} runs",
            )
        )  # fmt: skip
        if replays.model_failure:
            self.report.end_with(ModelFailure(replays.model_failure))

    def _test(self, options: Mapping[str, str], flavour: str) -> int:
        """How many tests ended well."""
        tests = self.tests or area_of(self.finding)
        checks = self._run_tests("with", tests, options)
        bad = [one for one in checks if one["outcome"] == Outcome.FAIL]
        before = self._failing_before(bad, flavour) if bad else set()
        for one in bad:
            known = _node(one) in before
            self.report.checks.append(
                Check(
                    name=one["name"], title=one["title"], group=one["group"],
                    outcome=Outcome.SKIP if known else Outcome.FAIL,
                    reason=f"fails without the patches as well: {one['reason']}" if known
                    else one["reason"],
                )
            )  # fmt: skip
        counts = {kind: sum(one["outcome"] == kind for one in checks) for kind in Outcome}
        told = ", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count)
        good: int = sum(counts[kind] for kind in (Outcome.PASS, Outcome.FINDING, Outcome.GONE))
        self.report.checks.append(
            Check(
                name=TESTS, group=TESTS,
                title=f"Tests of its area: {', '.join(self.tests or self.finding.tests)}",
                outcome=Outcome.PASS if good else Outcome.FAIL,
                reason="" if good else f"no test passed: {told or 'none ran'}",
                measured=told,
            )
        )  # fmt: skip
        return good

    def _failing_before(self, bad: Sequence[Mapping[str, Any]], flavour: str) -> set[str]:
        """Of the tests that fail those that do so on the kernel without the patches.

        Empty if there is no such kernel, as beside a build that is taken as it is.
        """
        if not self.target.series:
            return set()
        choice = KernelChoice(replace(self.target, series=()), self.say)
        try:
            options = choice.options(flavour)
        except NotHad:
            return set()
        self.say(f"{len(bad)} tests fail: do they without the patches?")
        checks = self._run_tests("without", sorted({_node(one) for one in bad}), options)
        return {_node(one) for one in checks if one["outcome"] == Outcome.FAIL}

    def _run_tests(
        self, name: str, tests: Sequence[str], options: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        folder = _made(self.folder / TESTS)
        seed = self.finding.reproducer.seed
        given = {**options, "seed": str(1 if seed is None else seed)}
        runs = folder / name
        faults = [ALL_FAULTS] if any(one.startswith(CATALOGUE) for one in tests) else []
        words = pytest_command([*tests, *faults], options=given, runs=runs)
        ended = run_python(words, folder / f"{name}.log", TESTS_LIMIT_S)
        summary = read_summary(runs / LATEST)
        if summary is None:
            raise UsageProblem(f"the tests gave no result: {ended.reason}")
        return list(summary["checks"])


def _node(check: Mapping[str, Any]) -> str:
    name = str(check["name"])
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return f"{check['group']}::{name}"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
