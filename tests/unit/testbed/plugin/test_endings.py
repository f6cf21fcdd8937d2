# SPDX-License-Identifier: GPL-2.0-only
"""However pytest ends, its exit code is that of the summary, and true."""

from __future__ import annotations

import json
import pkgutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from junitparser import JUnitXml

from testbed.engines.open import build_options
from testbed.engines.pool import SessionPool
from testbed.errors import LostVM, ModelFailure
from testbed.host import interrupt
from testbed.options import ENGINES
from tests.unit.testbed.engines.toy.engine import ToyCard

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
    assert [check["evidence"] for check in summary["checks"]] == ["vm-1", "vm-2"]


def test_what_the_host_lacks_is_no_failure(end_of: Any) -> None:
    text = """
from testbed.errors import EnvironmentProblem
def test_one(dut): raise EnvironmentProblem("the clean-up process of this run was killed")
def test_two(dut): pass
"""
    code, summary, junit_says = end_of(text)
    assert (code, summary["verdict"], junit_says) == (3, "environment", "environment")
    assert [check["fault"] for check in summary["checks"]] == ["environment", None]


@pytest.mark.parametrize(
    ("kind", "code", "verdict"),
    [("EnvironmentProblem", 3, "environment"), ("UsageProblem", 2, "usage")],
)
def test_no_machine_ends_the_run_at_the_first_test(
    end_of: Any, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], kind: str,
    code: int, verdict: str,
) -> None:  # fmt: skip
    """A lab that does not answer: one test, one line, no folder, and no verdict of a card."""
    text = f"""
import pytest
from testbed.errors import {kind}
@pytest.fixture
def gone(monkeypatch):
    def refuse(*_): raise {kind}("rack3 does not answer")
    monkeypatch.setattr("testbed.engines.pool.new_session", refuse)
@pytest.mark.parametrize("number", range(400))
def test_one(gone, dut, number): pass
"""
    ended, summary, junit_says = end_of(text)
    assert (ended, summary["verdict"], junit_says) == (code, verdict, verdict)
    assert [check["fault"] for check in summary["checks"]] == [verdict]
    assert summary["violations"] is None
    said = capsys.readouterr().out
    assert "!! there is no machine: rack3 does not answer !!" in said
    assert len(said.splitlines()) < 25
    folders = [one for one in (pytester.path / "runs/latest").iterdir() if one.is_dir()]
    assert folders == []


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


def test_a_signal_where_python_ignores_exceptions_is_an_interrupt(
    end_of: Any, pytester: pytest.Pytester
) -> None:
    text = f"""
import pathlib, time
class Loud:
    def __del__(self): signal.raise_signal({int(signal.SIGTERM)})
def test_one(dut):
    Loud()
    time.sleep(10)
    pathlib.Path("went-on").touch()
def test_never(dut): pass
"""
    code, summary, junit_says = end_of(text)
    assert (code, summary["verdict"], junit_says) == (143, "interrupted", "interrupted")
    assert summary["checks"] == []
    assert not (pytester.path / "went-on").exists()


@pytest.mark.parametrize(
    "place",
    [
        "testbed.report.rundir.RunDirectory.make",
        "testbed.engines.pool.SessionPool.current",
        "testbed.engines.pool.SessionPool.discard",
        "testbed.report.provenance.repository_commit",
    ],
)
@pytest.mark.parametrize("number", interrupt.SIGNALS)
def test_a_run_directory_has_reports_wherever_a_signal_comes(
    end_of: Any, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    owner, _, name = place.rpartition(".")
    target = pkgutil.resolve_name(owner)
    undisturbed, left = getattr(target, name), 1

    def disturbed(*given: Any, **more: Any) -> Any:
        nonlocal left
        done, left = undisturbed(*given, **more), left - 1
        if not left:
            signal.raise_signal(number)
        return done

    monkeypatch.setattr(target, name, disturbed)
    code, summary, junit_says = end_of("def test_one(dut): pass")
    assert (code, summary["verdict"], junit_says) == (128 + number, "interrupted", "interrupted")


ITS_END = {
    "by pytest": """
import os
def test_one(dut):
    there = os.chdir
    def disturbed(place):
        os.chdir = there
        signal.raise_signal(15)
        there(place)
    os.chdir = disturbed
""",
    "by a plugin": """
def test_one(dut, request): request.config.pluginmanager.register(End())
class End:
    def pytest_sessionfinish(self): signal.raise_signal(15)
""",
}


@pytest.mark.parametrize("text", ITS_END.values(), ids=ITS_END)
def test_a_signal_when_the_tests_have_ended_is_an_interrupt(end_of: Any, text: str) -> None:
    code, summary, junit_says = end_of(text)
    assert (code, summary["verdict"], junit_says) == (143, "interrupted", "interrupted")


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


DYING = """
from testbed.errors import LostVM, ModelFailure
from tests.unit.testbed.engines.toy.engine import ToyCard

def die(session):
    session.toy_card = ToyCard(ModelFailure("the card died"))
    session.dut.run(["panic"])

"""
"""A card that ends takes its guest along, which says so in its log."""


@pytest.mark.parametrize(
    "text",
    [
        "def test_one(session_pool, dut): die(session_pool.current())",
        "def test_one(session_pool, dut, defer): defer(die, session_pool.current())",
        """
def test_one(session_pool, dut):
    try:
        die(session_pool.current())
    finally:
        assert not "what the test makes of it"
""",
        """
import pytest
@pytest.fixture
def change(session_pool, dut): die(session_pool.current())
def test_one(change): pass
""",
        """
def test_one(session_pool, dut):
    session_pool.current().toy_card = ToyCard(ModelFailure("the card died"))
def test_two(dut): pass
""",
    ],
    ids=["in the test", "in its undo", "the test fails besides", "in a fixture", "in silence"],
)
def test_dead_card_is_no_failure_of_a_test(end_of: Any, text: str) -> None:
    code, summary, junit_says = end_of(DYING + text)
    assert (code, summary["verdict"], junit_says) == (4, "model", "model")
    assert [check["fault"] for check in summary["checks"] if check["outcome"] == "fail"] == [
        "model"
    ]


@pytest.mark.parametrize(
    ("look", "checks"),
    [(1, ["pass", "fail", "pass"]), (2, ["pass", "fail"])],
    ids=["before its undo", "before the next test"],
)
def test_card_that_dies_once_a_test_was_looked_at(
    end_of: Any, monkeypatch: pytest.MonkeyPatch, look: int, checks: list[str]
) -> None:
    """Whoever asks for the machine next is told of it, and does not get another one."""
    since, left = SessionPool.since, look

    def then_die(self: SessionPool, mark: Any) -> Any:
        nonlocal left
        window, left = since(self, mark), left - 1
        if not left:
            session: Any = self.current()
            session.toy_card = ToyCard(ModelFailure("the card died"))
            with suppress(LostVM):
                session.dut.run(["panic"])
        return window

    monkeypatch.setattr(SessionPool, "since", then_die)
    text = "def test_one(dut, defer): defer(dut.run, ['uname', '-r'])\ndef test_two(dut): pass"
    code, summary, junit_says = end_of(text)
    assert (code, summary["verdict"], junit_says) == (4, "model", "model")
    assert [check["outcome"] for check in summary["checks"]] == checks


def test_what_the_host_lacks_may_show_when_a_test_is_looked_at(end_of: Any) -> None:
    text = """
from testbed.errors import EnvironmentProblem
def test_one(session_pool, dut):
    session_pool.current().toy_card = ToyCard(EnvironmentProblem("no space for the card's trace"))
"""
    code, summary, junit_says = end_of(DYING + text)
    assert (code, summary["verdict"], junit_says) == (3, "environment", "environment")
    assert [check["fault"] for check in summary["checks"]] == ["environment"]


def test_guest_that_is_lost_to_an_undo_is_no_failure(end_of: Any) -> None:
    """Its machine has not noticed: what the undo has raised says so."""
    text = """
from testbed.errors import LostVM
def lose(): raise LostVM("the guest's agent sent a malformed response")
def test_one(dut, defer): defer(lose)
"""
    assert end_of(text)[0] == 5


def test_a_process_that_cannot_be_killed_waits_somewhere(
    end_of: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is told with the loss, in what can be printed, and not without end."""
    where = "in devl_lock\n[<0>] devl_lock+0x19/0x20\n\x1b[2J" + "\nx" * 10_000 + "\nthe last"
    monkeypatch.setattr("testbed.engines.pool.stuck_tasks", lambda _: where)
    text = """
from testbed.errors import UNKILLED, LostVM
def test_one(dut): raise LostVM(f"process 7 of the guest {UNKILLED}")
"""
    assert end_of(text)[0] == 5
    said = capfd.readouterr().out
    assert "tasks that wait in its kernel:\n  in devl_lock\n  [<0>] devl_lock+0x19/0x20" in said
    assert "\x1b[2J" not in said
    assert "the last" not in said


def test_what_the_kernel_says_of_the_last_undo_is_that_tests(end_of: Any) -> None:
    code, summary, _ = end_of("def test_one(dut, defer): defer(dut.run, ['warn'])")
    assert (code, summary["verdict"]) == (1, "fail")
    assert [check["outcome"] for check in summary["checks"]] == ["pass", "fail"]
    assert summary["checks"][1]["splats"][0]["sanitizer"] == "WARNING"
