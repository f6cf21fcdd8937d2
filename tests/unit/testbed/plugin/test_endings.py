# SPDX-License-Identifier: GPL-2.0-only
"""However pytest ends, its exit code is that of the summary, and true."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from junitparser import JUnitXml

from testbed.engines.open import build_options
from testbed.engines.pool import SessionPool
from testbed.errors import ModelFailure
from testbed.host import interrupt
from testbed.options import ENGINES

pytest_plugins = ["pytester"]

ARGUMENTS = ("-p", "testbed.plugin.main", "-p", "no:hypothesispytest", "--testbed-run-dir", "runs")
Ended = tuple[int, Mapping[str, Any], str]


@pytest.fixture
def end_of(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Ended]:
    """Run a test file on the toy; exit code, summary and the type of JUnit's error."""
    monkeypatch.setitem(ENGINES, "toy", "tests.unit.testbed.engines.toy.engine")
    toy = build_options({"engine": "toy", "seed": 1})
    monkeypatch.setattr("testbed.plugin.main._options", lambda _config: toy)

    def run(text: str) -> Ended:
        pytester.makepyfile("import signal\n" + text)
        result = pytester.runpytest_inprocess(*ARGUMENTS)
        folder = pytester.path / "runs/latest"
        suite = next(iter(JUnitXml.fromfile(str(folder / "junit.xml"))))
        errors = [case.result[0].type for case in suite if case.name == "run" and case.result]
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["exit_code"] == result.ret
        return int(result.ret), summary, errors[0] if errors else ""

    return run


def test_pass_and_failure(end_of: Any) -> None:
    assert end_of("def test_one(dut): pass")[0] == 0
    assert end_of("def test_one(dut): assert False")[0] == 1


def test_lost_machine_is_no_failure(end_of: Any) -> None:
    text = "def test_one(dut): dut.run(['poweroff'])\ndef test_two(dut): pass"
    code, summary, junit_says = end_of(text)
    assert (code, summary["verdict"], junit_says) == (5, "lost-vm", "lost VM")
    assert [check["outcome"] for check in summary["checks"]] == ["fail", "pass"]


def test_what_the_host_lacks_is_no_failure(end_of: Any) -> None:
    text = """
from testbed.errors import EnvironmentProblem
def test_one(dut): raise EnvironmentProblem("the clean-up process of this run was killed")
def test_two(dut): pass
"""
    code, summary, junit_says = end_of(text)
    assert (code, summary["verdict"], junit_says) == (3, "environment", "environment")
    assert [check["fault"] for check in summary["checks"]] == ["environment", None]


@pytest.mark.parametrize("number", interrupt.SIGNALS)
@pytest.mark.parametrize(
    "after",
    ["pass", "dut.run(['poweroff'])", "assert False", "defer(dut.run, ['poweroff'])"],
    ids=["nothing", "the machine is lost", "an assertion fails", "the undo loses the machine"],
)
def test_a_signal_is_an_interrupt_whatever_comes_after_it(
    end_of: Any, number: int, after: str
) -> None:
    text = f"""
    def test_one(dut, defer):
        try:
            signal.raise_signal({int(number)})
        finally:
            {after}

    def test_never(dut): pass
    """
    code, summary, junit_says = end_of("\n".join(line[4:] for line in text.splitlines()))
    assert (code, summary["verdict"], junit_says) == (128 + number, "interrupted", "interrupted")
    assert summary["checks"] == []


def test_error_of_a_machines_end_that_no_test_saw_is_told(
    end_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account = SessionPool.current

    def current(self: SessionPool) -> Any:
        session = add_account(self)

        def fail() -> None:
            raise ModelFailure("the card hangs: it did not quit")

        if self.boots and not session.seconds.get("spoiled"):
            session.seconds["spoiled"] = 1.0
            session._stack.callback(fail)
        return session

    monkeypatch.setattr(SessionPool, "current", current)
    code, summary, junit_says = end_of("def test_one(dut): pass")
    assert (code, summary["verdict"], junit_says) == (4, "model", "model")
    assert summary["checks"][0]["outcome"] == "pass"
