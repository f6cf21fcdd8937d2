# SPDX-License-Identifier: GPL-2.0-only
"""pytest fixtures: scripted faults in a test, and trials of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from testbed.card.plans import check_plan
from testbed.dut.protocols import Capability, Dut
from testbed.engines.pool import SessionPool
from testbed.errors import LostVM, ModelFailure
from testbed.faults.entry import PLAN_VERSION, Fault
from testbed.faults.evidence import describe_injections, read_trace
from testbed.faults.judge import TrialVerdict
from testbed.faults.null import GOOD, NullVerdict
from testbed.faults.run import Trial
from testbed.faults.series import TrialSeries
from testbed.findings.judge import Findings
from testbed.plugin.watch import FINDING, GONE, say_too
from testbed.report.results import REQUIRES

_injection_key = pytest.StashKey["FaultInjection"]()


class FaultInjection:
    """The fault engine, as a test sees it."""

    def __init__(self, pool: SessionPool) -> None:
        self._pool = pool
        session = pool.current()
        session.card.faults_status()  # what was recorded so far is in the file now
        self._trace = session.card.trace_path
        self._trace_bytes = self._trace.stat().st_size

    def injected(self) -> list[str]:
        """What was injected since, for a report; from the file, which outlives card and guest."""
        with suppress(OSError):
            records = [r for r in read_trace(self._trace, self._trace_bytes) if r["k"] == "fault"]
            return describe_injections(records)
        return []

    @contextmanager
    def inject(self, *faults: Mapping[str, Any], seed: int | None = None) -> Iterator[None]:
        """Arm ``faults`` (tables of a plan; docs/faults.md) for the block.

        Fails the test if one of them never fired. Raises UsageProblem for a plan that is not valid.
        """
        named = [{"id": f"fault-{i}", **one} for i, one in enumerate(faults, 1)]
        document: dict[str, Any] = {"version": PLAN_VERSION, "fault": named}
        if seed is not None:
            document["seed"] = seed
        session = self._pool.current()
        card = session.card
        handle = card.faults_arm(check_plan(document))
        try:
            yield
        except (LostVM, ModelFailure):
            raise
        except BaseException:
            if self._pool.is_up:
                card.faults_disarm(handle)
            raise
        session.check()
        status = card.faults_disarm(handle)
        silent = [
            f"{one['id']} never fired: {one['considered']} events at {one['where']},"
            f" {one['matched']} of them fit"
            for one in status
            if not one["fired"]
        ]
        if silent:
            pytest.fail("\n".join(silent), pytrace=False)


@pytest.fixture
def faults(
    request: pytest.FixtureRequest, watched_session: SessionPool, dut: Dut
) -> FaultInjection:
    """Scripted faults of the card. Skips where the NIC is no emulated card."""
    if Capability.FAULTS not in dut.capabilities:
        pytest.skip(f"{REQUIRES}{Capability.FAULTS.value}")
    injection = FaultInjection(watched_session)
    request.node.stash[_injection_key] = injection
    return injection


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A report that is bad, or shows a finding, names the faults injected before."""
    report = yield
    injection = item.stash.get(_injection_key, None)
    if injection is not None and report.when == "call":
        lines = injection.injected()
        if lines:
            report.sections.append(("injected faults", "\n".join(lines)))
        if lines and report.failed:
            say_too(report, "before that", lines)
    return report


@pytest.fixture(scope="session")
def fault_series(session_pool: SessionPool, findings_on_file: Findings) -> TrialSeries:
    """Trials one after the other in the machine all tests share, or its successors."""
    folder = session_pool.current().run_dir.parent / "faults"
    return TrialSeries(session_pool, findings_on_file, folder)


@pytest.fixture
def try_fault(
    request: pytest.FixtureRequest, fault_series: TrialSeries
) -> Callable[[Fault], Trial]:
    """``try_fault(entry)``: one trial; fails the test unless it passes or shows its finding."""

    def trial_of(fault: Fault) -> Trial:
        reason = fault_series.cannot(fault)
        if reason:
            pytest.skip(reason)
        trial = fault_series.run_past_known(fault)
        if trial.verdict is TrialVerdict.FINDING:
            request.node.user_properties.extend(
                (f"{FINDING}:call", name) for name in trial.judgement.findings
            )
        elif trial.verdict is TrialVerdict.GONE:
            request.node.user_properties.extend(
                (f"{GONE}:call", name) for name in trial.judgement.gone
            )
        elif trial.verdict is not TrialVerdict.PASS:
            pytest.fail("\n".join(trial.lines()), pytrace=False)
        return trial

    return trial_of


@pytest.fixture
def try_null_fault(fault_series: TrialSeries) -> Callable[[Fault], NullVerdict]:
    """``try_null_fault(entry)``: one trial of the null fault; fails the test if it is blind."""

    def trial_of(fault: Fault) -> NullVerdict:
        reason = fault_series.cannot(fault)
        if reason:
            pytest.skip(reason)
        trial, verdict = fault_series.run_null(fault)
        if verdict not in GOOD:
            lines = [f"without its fault the entry is {verdict.value}", *trial.lines()]
            pytest.fail("\n".join(lines), pytrace=False)
        return verdict

    return trial_of
