# SPDX-License-Identifier: GPL-2.0-only
"""The plugin in a pytest of its own, with a machine that is played."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from testbed.dut import Capability
from testbed.options import RunOptions

pytest_plugins = ["pytester"]


class Dut:
    """An end nothing is sent to."""

    netdev, ipv4, ipv6, driver = "nut0", "192.0.2.1", "2001:db8::1", "bnxt_en"
    capabilities = frozenset({Capability.ZCRX})


class Keeper:
    """A keeper whose machine is played: tests set what card and kernel complain of."""

    boots, prepared, last_boot_seconds = 0, None, 7.5
    violations, kernel_release = 0, None
    unknown_hwrm: ClassVar[dict[str, int]] = {}
    options = RunOptions(seed=1)

    def __init__(self, *_: object) -> None:
        self.is_up = False
        self.events: list[SimpleNamespace] = []
        self.found: dict[str, int] = {}

    def current(self) -> SimpleNamespace:
        if not self.is_up:
            self.is_up, self.boots = True, self.boots + 1
        return SimpleNamespace(dut=Dut(), remote=Dut())

    def mark(self) -> None:
        self.current()
        self.events, self.found = [], {}

    def since(self, _: None) -> tuple[list[SimpleNamespace], dict[str, int]]:
        return self.events, self.found

    def discard(self) -> None:
        self.is_up = False


ARGUMENTS = ("-p", "testbed.pytest_plugin", "-p", "no:hypothesispytest", "--strict-markers", "-ra")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run one test file; return the result and summary.json."""
    monkeypatch.setattr("testbed.pytest_plugin.SessionKeeper", Keeper)
    monkeypatch.setattr("testbed.job.provenance.repository_commit", lambda: "c0ffee")

    def run_file(text: str) -> tuple[pytest.RunResult, dict[str, Any]]:
        pytester.makepyfile(text)
        result = pytester.runpytest_inprocess(*ARGUMENTS, "--testbed-run-dir", "runs")
        written = Path(pytester.path / "runs/latest/summary.json")
        return result, json.loads(written.read_text())

    return run_file


def test_pass_and_report(run: Any) -> None:
    result, summary = run(
        "def test_probe(dut, remote):\n    '''It binds.'''\n    assert dut.netdev"
    )
    result.assert_outcomes(passed=1)
    assert summary["verdict"] == "pass"
    assert summary["job"] == "suite"
    assert summary["checks"][0]["title"] == "It binds."


def test_skip_names_what_is_lacking_and_counts(run: Any) -> None:
    result, summary = run(
        """
import pytest
from testbed.dut import Capability
@pytest.mark.needs(Capability.HW_GRO)
def test_gro(dut): assert False
@pytest.mark.needs(Capability.ZCRX)
def test_zcrx(dut): pass
"""
    )
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*1 x hardware GRO"])
    assert summary["tests"] == {"passed": 1, "failed": 0, "skipped": 1, "findings": 0}


def test_failing_undo_fails_the_test_and_replaces_the_machine(run: Any) -> None:
    result, summary = run(
        """
def test_change(defer): defer(int, "no number")
def test_next(session_keeper, dut): assert session_keeper.boots == 2
"""
    )
    result.assert_outcomes(passed=2, errors=1)
    assert summary["verdict"] == "fail"


def test_failed_test_leaves_its_machine_to_nobody(run: Any) -> None:
    result, _ = run(
        """
def test_fails(dut): assert False
def test_next(session_keeper, dut): assert session_keeper.boots == 2
def test_third(session_keeper, dut): assert session_keeper.boots == 2
"""
    )
    result.assert_outcomes(passed=2, failed=1)


def test_undo_runs_after_a_failure(run: Any) -> None:
    result, _ = run(
        """
done = []
def test_fails(defer):
    defer(done.append, "undone")
    assert False
def test_next(): assert done == ["undone"]
"""
    )
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("mark", "found", "outcome"),
    [
        ("", "{'doorbell_range': 2}", {"passed": 1, "errors": 1}),
        ("@pytest.mark.expect_violation('doorbell_range')", "{'doorbell_range': 2}", {"passed": 1}),
        ("@pytest.mark.expect_violation('doorbell_range')", "{}", {"passed": 1, "errors": 1}),
        (
            "@pytest.mark.expect_violation('doorbell_range')",
            "{'doorbell_range': 1, 'dma_fault': 1}",
            {"passed": 1, "errors": 1},
        ),
    ],
    ids=["unexpected", "expected", "did not come", "another one"],
)
def test_violations_fail_the_test(run: Any, mark: str, found: str, outcome: dict[str, int]) -> None:
    result, _ = run(
        f"import pytest\n{mark}\ndef test_it(dut, session_keeper): session_keeper.found = {found}\n"
    )
    result.assert_outcomes(**outcome)


def test_kernel_complaint_fails_the_test(run: Any) -> None:
    result, _ = run(
        """
from types import SimpleNamespace
def test_it(dut, session_keeper):
    session_keeper.events = [SimpleNamespace(excerpt=["WARNING: net/core/dev.c:1"])]
"""
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*WARNING: net/core/dev.c:1"])


@pytest.mark.parametrize(
    ("error", "category", "verdict"),
    [("LostVM", "lost VM", "lost-vm"), ("ModelFailure", "model", "model")],
)
def test_lost_machine_is_no_failed_test(run: Any, error: str, category: str, verdict: str) -> None:
    result, summary = run(
        f"""
from testbed.errors import {error}
undone = []
def test_loses(defer):
    defer(undone.append, 1)
    raise {error}("it is gone")
def test_next(dut, session_keeper):
    assert session_keeper.boots == 2
    assert not undone
"""
    )
    result.stdout.fnmatch_lines([f"*1 passed, 1 {category}*"])
    result.assert_outcomes(passed=1)
    assert result.ret != 0
    assert summary["verdict"] == verdict


def test_no_machine_for_tests_that_do_not_ask(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)
    assert not (pytester.path / "runs").exists()
