# SPDX-License-Identifier: GPL-2.0-only
"""Faults that a test arms, of a machine that does not live to the end of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from testbed.errors import ModelFailure
from testbed.plugin.faults import FaultInjection

pytest_plugins = ["pytester"]

LOST_IRQ = {"at": "irq", "action": "drop"}


def test_machine_that_was_lost_is_not_replaced_in_the_middle_of_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbed.plugin.faults.check_plan", lambda plan: plan)
    session = Mock()
    session.card.trace_path = tmp_path / "trace.jsonl"
    session.card.trace_path.touch()
    session.check.side_effect = ModelFailure("the card died")
    pool = Mock()
    pool.current.return_value = session
    injection = FaultInjection(pool)
    with pytest.raises(ModelFailure), injection.inject(LOST_IRQ):
        pool.current.return_value = Mock()  # the next one
    session.card.faults_disarm.assert_not_called()


@pytest.mark.parametrize(
    ("verdict", "counted"),
    [
        ("PASS", {"passed": 1, "failed": 0, "findings": 0, "gone": 0}),
        ("FINDING", {"passed": 0, "failed": 0, "findings": 1, "gone": 0}),
        ("GONE", {"passed": 0, "failed": 0, "findings": 0, "gone": 1}),
        ("FAIL", {"passed": 0, "failed": 1, "findings": 0, "gone": 0}),
        ("NEVER_FIRED", {"passed": 0, "failed": 1, "findings": 0, "gone": 0}),
    ],
)
def test_a_trial_is_counted_as_it_ended(run: Any, verdict: str, counted: dict[str, int]) -> None:
    result, summary = run(
        f"""
import pytest
from unittest.mock import Mock
from testbed.faults.judge import TrialVerdict

@pytest.fixture(scope="session")
def fault_series(session_pool):
    trial = Mock(verdict=TrialVerdict.{verdict})
    trial.judgement.findings = trial.judgement.gone = ("tx-warning",)
    trial.lines.return_value = ["it hangs"]
    return Mock(cannot=lambda _: "", run_past_known=lambda _: trial)

def test_it(dut, try_fault):
    try_fault(None)
"""
    )
    assert result.ret == counted["failed"]
    assert {name: summary["tests"][name] for name in counted} == counted


def test_what_was_injected_is_told_behind_the_reason_of_a_failure(run: Any) -> None:
    result, summary = run(
        """
import pytest
from testbed.plugin.faults import _injection_key
from unittest.mock import Mock

def test_it(request, dut):
    request.node.stash[_injection_key] = Mock(**{"injected.return_value": ["injected #1 lost"]})
    assert dut.netdev == "eth7", "another name"
"""
    )
    (check,) = summary["checks"]
    assert check["reason"].startswith("AssertionError: another name"), check["reason"]
    result.stdout.fnmatch_lines(["*another name*", "*before that*", "injected #1 lost"])
