# SPDX-License-Identifier: GPL-2.0-only
"""Steps become checks; what they need, and what ends a run."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from testbed.dut.permissions import RequirementMissing
from testbed.errors import GuestCommandFailed, LostVM
from testbed.host.interrupt import Interrupted
from testbed.job.recorder import Recorder, Step
from testbed.report.results import Check, Outcome, RunReport
from testbed.workloads.judge import CheckFailed, FindingShown, require


class Log:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def began(self, group: str, title: str, number: int, total: int) -> None:
        self.lines.append(f"{number}/{total} {title}")

    def ended(self, check: Check) -> None:
        self.lines.append(f"{check.name} {check.outcome.value}")


def raising(error: Exception) -> object:
    def run(_: None) -> str:
        raise error

    return run


def step(name: str, run: object = lambda _: "42 things", needs: tuple[str, ...] = ()) -> Step[None]:
    return Step(name, f"Title of {name}", "group", run, needs)  # type: ignore[arg-type]


def record(*steps: Step[None]) -> tuple[RunReport, Log]:
    report, log = RunReport("run", "2026-11-20T08:00:00Z"), Log()
    Recorder(report, log, len(steps)).run(steps, None)
    return report, log


def outcomes(report: RunReport) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in report.checks}


def test_passed_step_keeps_what_it_measured() -> None:
    report, log = record(step("boot"))
    assert report.checks[0].measured == "42 things"
    assert log.lines == ["1/1 Title of boot", "boot pass"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CheckFailed("data differs", detail="port 1"), Outcome.FAIL),
        (GuestCommandFailed("ethtool returned 1"), Outcome.FAIL),
        (FindingShown("on file", findings=["a"], splats=[]), Outcome.FINDING),
        (RequirementMissing("IOMMU"), Outcome.SKIP),
    ],
)
def test_error_decides_outcome_and_the_run_goes_on(error: Exception, outcome: Outcome) -> None:
    report, _ = record(step("first", raising(error)), step("second"))
    assert outcomes(report) == {"first": outcome, "second": Outcome.PASS}
    assert str(error) in report.checks[0].reason


def test_step_is_skipped_when_one_it_needs_did_not_pass() -> None:
    report, _ = record(
        step("mtu", raising(CheckFailed("no"))),
        step("zcrx", needs=("mtu",)),
        step("restart", needs=("zcrx",)),
    )
    assert outcomes(report) == {
        "mtu": Outcome.FAIL, "zcrx": Outcome.SKIP, "restart": Outcome.SKIP,
    }  # fmt: skip
    assert report.checks[1].reason == "needs mtu"


def test_lost_vm_ends_the_run_and_is_recorded() -> None:
    report, log = RunReport("run", "2026-11-20T08:00:00Z"), Log()
    steps = [step("traffic", raising(LostVM("the guest paniced"))), step("never")]
    with pytest.raises(LostVM):
        Recorder(report, log, 2).run(steps, None)
    assert outcomes(report) == {"traffic": Outcome.FAIL}
    assert "paniced" in report.checks[0].reason


@pytest.mark.parametrize(
    "after",
    [CheckFailed("a setting could not be undone"), LostVM("the agent is gone"), KeyError(1)],
)
def test_what_fails_after_a_signal_is_no_check(after: Exception) -> None:
    def run(_: None) -> str:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            raise after
        return "never"

    report, log = RunReport("run", "2026-11-20T08:00:00Z"), Log()
    with pytest.raises(Interrupted, match="SIGTERM"):
        Recorder(report, log, 2).run([step("first"), step("traffic", run), step("never")], None)
    assert outcomes(report) == {"first": Outcome.PASS}


def test_a_step_whose_interrupt_was_lost_is_the_last() -> None:
    def run(_: None) -> str:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        return "went on"

    report, log = RunReport("run", "2026-11-20T08:00:00Z"), Log()
    with pytest.raises(Interrupted):
        Recorder(report, log, 2).run([step("deaf", run), step("never")], None)
    assert list(outcomes(report)) == ["deaf"]


def test_require() -> None:
    require(True, "fine")
    with pytest.raises(CheckFailed, match="queue 3"):
        require(False, "queue 3 is stuck")
