# SPDX-License-Identifier: GPL-2.0-only
"""A trial: how far it goes on after the work."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from testbed.faults import run
from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Repair
from testbed.faults.evidence import Evidence, TrialBaseline
from testbed.faults.judge import Judgement, TrialVerdict
from testbed.faults.run import Trial, try_fault
from testbed.findings.judge import Findings
from testbed.findings.kernel_log import KernelLogWatcher

PANIC_ON_OOPS = ["sh", "-c", "echo 1 >/proc/sys/kernel/panic_on_oops"]


def attempt(
    monkeypatch: pytest.MonkeyPatch, repair: Repair, *, simulated: bool
) -> tuple[Trial, Mock, Mock]:
    """A trial of an entry with that repair, its session, and what was done afterwards."""
    fault = next(one for one in load_catalogue().values() if one.expect.repair is repair)
    done, work = Mock(), Mock(channels=0, removes=False)
    monkeypatch.setattr(run, "WORKLOADS", {fault.workload: work})
    monkeypatch.setattr(run, "take_baseline", lambda _: TrialBaseline(0, 0, 0, {}, {}, {}, {}))
    monkeypatch.setattr(run, "protocol_counts", lambda *_: {})
    monkeypatch.setattr(run, "gather", lambda *_, **__: Evidence())
    monkeypatch.setattr(run, "judge", lambda *_: Judgement(TrialVerdict.PASS))
    monkeypatch.setattr(run, "rebind", done.rebind)
    monkeypatch.setattr(run, "check_traffic", done.check_traffic)
    card = SimpleNamespace(
        failure=None, faults_arm=lambda _: 1,
        faults_disarm=lambda _: [{"id": "a", "fired": 1}],
    )  # fmt: skip
    session = Mock(card=card, kernel_log=KernelLogWatcher())
    trial = try_fault(session, fault, Findings([]), simulated=simulated)
    return trial, session, done


@pytest.mark.parametrize(("simulated", "told"), [(True, []), (False, [PANIC_ON_OOPS])])
def test_oops_ends_the_machine(
    simulated: bool, told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it would not anyway: each command that needs a dead task's lock would time out."""
    _trial, session, _done = attempt(monkeypatch, Repair.RELOAD, simulated=simulated)
    assert [call.args[0] for call in session.dut.run.call_args_list] == told


@pytest.mark.parametrize(("simulated", "tried"), [(True, ["rebind", "check_traffic"]), (False, [])])
def test_repair_that_takes_minutes(
    simulated: bool, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried in simulated time; elsewhere the machine is not used again."""
    trial, _session, done = attempt(monkeypatch, Repair.SLOW_RELOAD, simulated=simulated)
    assert [call[0] for call in done.mock_calls] == tried
    assert trial.worn is not simulated
