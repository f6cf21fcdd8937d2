# SPDX-License-Identifier: GPL-2.0-only
"""The plugin in a pytest of its own, with a machine that is played."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.errors import ExitCode, NotPutBack
from tests.unit.testbed.plugin.played import ARGUMENTS, PlayedPool

pytest_plugins = ["pytester"]


def test_pass_and_report(run: Any) -> None:
    result, summary = run(
        "def test_probe(dut, remote):\n    '''It binds.'''\n    assert dut.netdev"
    )
    result.assert_outcomes(passed=1)
    assert summary["verdict"] == "pass"
    assert summary["job"] == "suite"
    assert summary["checks"][0]["title"] == "It binds."


def test_what_is_not_allowed_is_a_skip_also_in_the_middle(run: Any) -> None:
    result, summary = run(
        """
        from testbed.dut.driver import reload_driver

        def test_reload(dut):
            reload_driver(dut)
        """
    )
    result.assert_outcomes(skipped=1)
    assert summary["checks"][0]["reason"] == "requires permission to reload the driver"


def test_a_machine_not_put_back_is_no_pass(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left = NotPutBack("alpha: ens1 is not as it was found:\nMTU 9000")
    monkeypatch.setattr(PlayedPool, "problem", left)
    result, summary = run("def test_probe(dut):\n    pass")
    assert result.ret == ExitCode.ENVIRONMENT
    assert summary["verdict"] == "environment"
    result.stdout.fnmatch_lines(["*NOT PUT BACK*", "MTU 9000"])


def test_what_only_the_oracle_sees_is_not_witnessed_without_it(
    run: Any, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    text = """
        import pytest
        pytestmark = pytest.mark.only_oracle("no page is used twice")
        def test_one(dut): pass
        def test_bad(dut): assert False
        def test_pure(): pass
        """
    _, summary = run(text)
    assert summary["not_witnessed"] == {}
    monkeypatch.setattr(PlayedPool, "has_oracle", False)
    result, summary = run(text)
    what = "no oracle: no page is used twice"
    assert [check["not_witnessed"] for check in summary["checks"]] == [what, None, None]
    assert summary["not_witnessed"] == {what: 1}
    result.stdout.fnmatch_lines([f"not witnessed: {what}, in 1 tests"])
    folder = pytester.path / "runs/latest"
    for name in ("results.ktap", "junit.xml", "summary.html"):
        assert f"not witnessed: {what}" in (folder / name).read_text()


def test_what_the_test_sees_itself_needs_no_oracle(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedPool, "has_oracle", False)
    _, summary = run("def test_one(dut): pass")
    assert summary["not_witnessed"] == {}


def test_skip_names_what_is_lacking_and_counts(run: Any) -> None:
    result, summary = run(
        """
import pytest
from testbed.dut.protocols import Capability
@pytest.mark.needs(Capability.HW_GRO)
def test_gro(dut): assert False
@pytest.mark.needs(Capability.ZCRX)
def test_zcrx(dut): pass
"""
    )
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*1 x hardware GRO"])
    assert summary["tests"] == {"passed": 1, "failed": 0, "skipped": 1, "findings": 0, "gone": 0}


def test_failing_undo_fails_the_test_and_replaces_the_machine(run: Any) -> None:
    result, summary = run(
        """
def test_change(defer): defer(int, "no number")
def test_next(session_pool, dut): assert session_pool.boots == 2
"""
    )
    result.assert_outcomes(passed=2, errors=1)
    assert summary["verdict"] == "fail"


def test_failed_test_leaves_its_machine_to_nobody(run: Any) -> None:
    result, _ = run(
        """
def test_fails(dut): assert False
def test_next(session_pool, dut): assert session_pool.boots == 2
def test_third(session_pool, dut): assert session_pool.boots == 2
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


def test_new_machine_for_a_test_that_asks_for_one(run: Any) -> None:
    result, _ = run(
        """
import pytest
def test_first(dut): pass
@pytest.mark.new_machine
def test_it(dut, session_pool):
    assert session_pool.boots == 2
"""
    )
    result.assert_outcomes(passed=2)


def test_what_is_said_once_may_be_said_to_each_test(run: Any) -> None:
    result, _ = run(
        """
def test_first(dut, session_pool):
    assert session_pool.renewed == 1
def test_next(dut, session_pool):
    assert session_pool.renewed == 2
"""
    )
    result.assert_outcomes(passed=2)


def test_no_new_machine_for_a_test_that_is_skipped(run: Any) -> None:
    result, _ = run(
        """
import pytest
from testbed.dut.protocols import Capability
def test_first(dut): pass
@pytest.mark.new_machine
@pytest.mark.needs(Capability.IOMMU)
def test_it(dut): pass
def test_last(dut, session_pool):
    assert session_pool.boots == 1
"""
    )
    result.assert_outcomes(passed=2, skipped=1)


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
def test_next(dut, session_pool):
    assert session_pool.boots == 2
    assert not undone
"""
    )
    result.stdout.fnmatch_lines(
        [f"*{category}: *test_loses*", "it is gone", f"*1 passed, 1 {category}*"]
    )
    result.assert_outcomes(passed=1)
    assert result.ret != 0
    assert summary["verdict"] == verdict
    assert [check["fault"] for check in summary["checks"]] == [category, None]


def test_no_machine_for_tests_that_do_not_ask(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess(*ARGUMENTS).assert_outcomes(passed=1)
    assert not (pytester.path / "runs").exists()
