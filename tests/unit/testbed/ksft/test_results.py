# SPDX-License-Identifier: GPL-2.0-only
"""How a selftest file's results read in the reports of the run."""

from __future__ import annotations

from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.ksft.ktap import Case, KtapResult
from testbed.ksft.results import FileResult
from testbed.ksft.select import TestFile
from testbed.report import results as report
from testbed.workloads.seen import SessionAccount

HDS = TestFile("drivers/net", "hds.py")


def result(*cases: Case, **more: object) -> FileResult:
    return FileResult(test=HDS, cases=cases, seconds=2.0, **more)  # type: ignore[arg-type]


def test_each_case_is_a_check_of_its_file() -> None:
    checks = list(
        result(
            Case("hds.a", KtapResult.PASS),
            Case(
                "hds.b",
                KtapResult.FAIL,
                "Check failed 1 != 2",
                ("Check| At x", "Check failed 1 != 2"),
            ),
            Case("hds.c", KtapResult.SKIP, "no HDS"),
            case_seconds=(0.5, 1.0, 0.25),
        ).checks()
    )
    assert [check.outcome for check in checks] == [
        report.Outcome.PASS, report.Outcome.FAIL, report.Outcome.SKIP,
    ]  # fmt: skip
    assert {check.group for check in checks} == {"drivers/net/hds.py"}
    assert checks[1].detail == "Check| At x\nCheck failed 1 != 2"
    assert checks[0].seconds == 0.5


def test_expected_failure_is_no_pass_and_says_what_it_is() -> None:
    (check,) = result(Case("hds.a", KtapResult.XFAIL, "too fast")).checks()
    assert check.outcome is report.Outcome.SKIP
    assert check.reason == "expected to fail: too fast"


WARNING = b"[    1.000000] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 f+0x1/0x2\n"
ON_RECORD = b"[    1.000000] bnxt_en 0000:01:00.0: Unable to create workqueue.\n"
"""As docs/findings/probe-workqueue-killed.md has it."""


def said(kernel_line: bytes) -> SessionAccount:
    log = KernelLogWatcher()
    log.feed(kernel_line)
    return SessionAccount(None, log, GuestKernel.of("7.2.12+deb13-amd64"), where=HDS.short)


def test_complaint_fails_a_file_whose_cases_passed() -> None:
    found = result(Case("hds.a", KtapResult.PASS), account=said(WARNING))
    assert not found.passed
    complaint = list(found.checks())[-1]
    assert complaint.outcome is report.Outcome.FAIL
    assert complaint.name.startswith("hds.py kernel: WARNING")
    assert "net/core/dev.c:1" in complaint.reason


def test_finding_on_file_does_not_fail_a_file() -> None:
    found = result(Case("hds.a", KtapResult.PASS), account=said(ON_RECORD))
    assert found.passed
    finding = list(found.checks())[-1]
    assert finding.outcome is report.Outcome.FINDING
    assert finding.findings == ("probe-workqueue-killed",)


def test_passed_and_counts() -> None:
    good = result(Case("hds.a", KtapResult.PASS), Case("hds.b", KtapResult.SKIP))
    assert good.passed
    assert good.counts[KtapResult.PASS] == 1
    assert not result(Case("hds.a", KtapResult.FAIL)).passed
