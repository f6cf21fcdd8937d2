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

OOPS = "[    7.5] BUG: unable to handle page fault for address: 0000000000001210\n"
REFUSED = "[    7.5] bnxt_en 0000:01:00.0 nut0: hwrm req_type 0x50 seq id 0xf0 error 0x4\n"


def attempt(
    monkeypatch: pytest.MonkeyPatch, repair: Repair, log: str = "", *, simulated: bool = True
) -> tuple[Trial, Mock]:
    """A trial of an entry with that repair, while the kernel logs; what was done afterwards."""
    fault = next(one for one in load_catalogue().values() if one.expect.repair is repair)
    watcher, done = KernelLogWatcher(), Mock()
    work = Mock(channels=0, removes=False)
    work.work = lambda _context: watcher.feed(log.encode())
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
    session = Mock(card=card, kernel_log=watcher)
    return try_fault(session, fault, Findings([]), "7.2.12", simulated=simulated), done


@pytest.mark.parametrize("simulated", [True, False])
def test_machine_with_a_dead_task_is_lost(simulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command that needs its lock would run into a time limit of minutes."""
    trial, done = attempt(monkeypatch, Repair.RELOAD, OOPS, simulated=simulated)
    assert "a task died in the kernel" in str(trial.lost)
    assert "0000000000001210" in str(trial.lost)
    assert not done.mock_calls


def test_refused_command_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, done = attempt(monkeypatch, Repair.RELOAD, REFUSED)
    assert trial.lost is None
    assert [call[0] for call in done.mock_calls] == ["rebind", "check_traffic"]


@pytest.mark.parametrize(("simulated", "tried"), [(True, ["rebind", "check_traffic"]), (False, [])])
def test_repair_that_takes_minutes(
    simulated: bool, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried in simulated time; elsewhere the machine is not used again."""
    trial, done = attempt(monkeypatch, Repair.SLOW_RELOAD, simulated=simulated)
    assert [call[0] for call in done.mock_calls] == tried
    assert trial.worn is not simulated
