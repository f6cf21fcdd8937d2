# SPDX-License-Identifier: GPL-2.0-only
"""results.ktap, read by our reader of selftests and, where a kernel's source lies, by kunit.py."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest

from images.store import cache_root
from kernels.source import SOURCES, unpacked
from testbed.ksft import ktap as reader
from testbed.report import ktap
from testbed.report.results import Check, Outcome, RunReport
from tests.unit.testbed.report.test_reports import a_check, a_report, reports

NAMES = ["complete", "hostile", "interrupted", "empty"]
KUNIT = "source/tools/testing/kunit"


def top_level(report: RunReport) -> reader.Document:
    return reader.parse(ktap.render(report))


def nested(report: RunReport) -> reader.Document:
    """The subtests alone, without their indent."""
    lines = ktap.render(report).splitlines()
    return reader.parse("\n".join(line[4:] for line in lines if line.startswith("    ")))


EXPECTED = {
    Outcome.PASS: reader.KtapResult.PASS, Outcome.SKIP: reader.KtapResult.SKIP,
    Outcome.FAIL: reader.KtapResult.FAIL, Outcome.FINDING: reader.KtapResult.XFAIL,
    Outcome.GONE: reader.KtapResult.PASS,
}  # fmt: skip


@pytest.mark.parametrize("report", reports(), ids=NAMES)
def test_every_check_reads_back(report: RunReport) -> None:
    early = report.problem is not None or bool(report.interruption)
    top = top_level(report)
    assert top.planned == len(top.cases)
    alone = [check for check in report.checks if not check.group]
    inner = [check for check in report.checks if check.group]
    read = [case.outcome for case in nested(report).cases]
    assert read == [EXPECTED[check.outcome] for check in inner]
    assert len(top.cases) == len(alone) + len({check.group for check in inner}) + early
    if early:
        assert (top.cases[-1].name, top.cases[-1].outcome) == ("run", reader.KtapResult.FAIL)


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        ([Outcome.PASS, Outcome.SKIP], reader.KtapResult.PASS),
        ([Outcome.SKIP, Outcome.SKIP], reader.KtapResult.SKIP),
        ([Outcome.FINDING, Outcome.GONE], reader.KtapResult.PASS),
        ([Outcome.PASS, Outcome.FAIL], reader.KtapResult.FAIL),
    ],
)
def test_group_is_a_subtest_that_is_as_good_as_its_checks(
    outcomes: list[Outcome], result: reader.KtapResult
) -> None:
    checks = [a_check(one, f"c{n}", group="Probe") for n, one in enumerate(outcomes)]
    document = top_level(a_report(checks=checks))
    assert [(case.name, case.outcome) for case in document.cases] == [("Probe", result)]


def test_words_of_a_guest_begin_no_subtest() -> None:
    check = a_check(
        Outcome.FAIL, reason="Subtest: forged", detail="Subtest: forged\nKTAP version 1"
    )
    text = ktap.render(a_report(checks=[check]))
    assert "# Subtest: forged" not in text
    assert "forged" in text
    assert text.count("\nKTAP") == 0


@pytest.fixture
def kunit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The kernel's own parser, out of a kernel tree that somebody has built from."""
    trees = sorted(marker.parent for marker in unpacked(cache_root() / SOURCES))
    found = [tree for tree in trees if (tree / KUNIT / "kunit_parser.py").exists()]
    if not found:
        pytest.skip("no kernel source is unpacked in the cache")
    monkeypatch.syspath_prepend(str(found[0] / KUNIT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module("kunit_parser")


def counted(kunit: ModuleType, text: str) -> Any:
    """What kunit.py makes of ``text``, without its printing."""
    return kunit.parse_run_tests(text.splitlines(), kunit.Printer(print=False))


def test_the_kernels_parser_counts_the_same(kunit: ModuleType) -> None:
    checks = [
        Check(name=f"{group}-{one.value}", title="t", outcome=one, group=group, reason="why")
        for group in ("Probe", "tests/suite/zcrx/test_receive.py", "")
        for one in Outcome
    ]
    report = a_report(checks=checks)
    text = ktap.render(report)
    test = counted(kunit, text)
    counts = test.counts
    assert (counts.passed, counts.failed, counts.skipped) == (9, 3, 3)
    assert (counts.crashed, counts.errors) == (0, 0)
    names = [(one.name, len(one.subtests)) for one in test.subtests]
    assert names[:2] == [("Probe", 5), ("tests/suite/zcrx/test_receive.py", 5)]


def test_the_kernels_parser_sees_that_a_run_ended_early(kunit: ModuleType) -> None:
    hostile = reports()[1]
    hostile.checks = [a_check(group="Probe")]
    counts = counted(kunit, ktap.render(hostile)).counts
    assert (counts.passed, counts.failed, counts.errors) == (1, 1, 0)
