# SPDX-License-Identifier: GPL-2.0-only
"""Each file in a guest of its own: what is kept when a guest is lost, what ends the whole run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from testbed.artifacts.prepare import Prepared
from testbed.dut.protocols import Completed
from testbed.errors import EnvironmentProblem, GuestTimeout, LostVM, ModelFailure, TestbedError
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.ksft import run as module
from testbed.ksft.ktap import KtapResult
from testbed.ksft.run import SelftestPlan, run_all
from testbed.ksft.select import TestFile
from testbed.options import Accel, Nic, RunOptions

HDS, QUEUES = TestFile("drivers/net", "hds.py"), TestFile("drivers/net", "queues.py")
GOOD = b"TAP version 13\n1..1\nok 1 a\n"

CLEAN = {
    "violations": {"counts": {}, "kept": []}, "unknown_commands": {}, "live_mappings": 0,
    "refused_commands": {}, "missing_commands": {},
    "digest": "c0ffee",
    "card": {"resources": {}, "receive": {"buffer_writes_after_free": 0}},
}  # fmt: skip
PREPARED = SimpleNamespace(kernel=SimpleNamespace(release="7.2.12+deb13-amd64"))


class PlayedSession:
    """A session whose guest does what ``scripts`` says for each file, in order."""

    scripts: ClassVar[list[Mapping[str, Any]]] = []

    def __init__(self, options: RunOptions, *_: object, **__: object) -> None:
        self.script = self.scripts.pop(0)
        self.boot_seconds = 4.0
        self.kernel = GuestKernel.of(PREPARED.kernel.release)
        self.has_card = options.nic is Nic.BNXT
        self.kernel_log = KernelLogWatcher()
        self.kernel_log.feed(self.script.get("kernel", b""))
        state = {**CLEAN, **self.script.get("state", {})}
        self.card = SimpleNamespace(state=lambda: state)
        self.dut = self
        self.netdev = "nut0"

    def __enter__(self) -> PlayedSession:
        if error := self.script.get("enter"):
            raise error
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if failure := self.script.get("exit"):
            raise failure from error

    def check(self) -> None:
        """Both ends are well."""

    def catch_up(self) -> None:
        """The log is there."""

    def run(self, argv: list[str], **how: Any) -> Completed:
        if "on_output" in how:
            how["on_output"]("stdout", self.script.get("output", GOOD))
            if error := self.script.get("run"):
                raise error
        return Completed(tuple(argv), self.script.get("exit_code", 0), b"", b"", 0.0)


Results = list[tuple[module.FileResult, TestbedError | None]]
Play = Callable[..., Results]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Play:
    """``play(*scripts)``: run a file for each script, one after the other."""

    def run(*scripts: Mapping[str, Any], nic: Nic = Nic.BNXT) -> Results:
        monkeypatch.setattr(module, "QemuSession", PlayedSession)
        PlayedSession.scripts = list(scripts)
        plan = SelftestPlan(
            options=RunOptions(seed=1, accel=Accel.TCG, nic=nic),
            prepared=cast("Prepared", PREPARED), image=tmp_path / "ksft.erofs",
            tests=[HDS, QUEUES][: len(scripts)], limit_s=9.0,
        )  # fmt: skip
        return list(run_all(plan, tmp_path, lambda _test: None))

    return run


def test_output_and_logs_lie_in_a_folder_per_file(play: Play, tmp_path: Path) -> None:
    results = play({}, {})
    assert [result.test for result, _ in results] == [HDS, QUEUES]
    assert all(result.passed and problem is None for result, problem in results)
    assert (tmp_path / "hds.py" / "output.ktap").read_bytes().startswith(GOOD)


@pytest.mark.parametrize("error", [LostVM("panic"), ModelFailure("the card raised")])
def test_lost_guest_does_not_lose_the_next_file(play: Play, error: TestbedError) -> None:
    (first, problem), (second, well) = play({"run": error}, {})
    assert problem is error
    assert not first.passed
    assert second.passed
    assert well is None


def test_card_that_died_beneath_a_lost_guest_is_the_problem(play: Play) -> None:
    failure = ModelFailure("the card raised")
    script = {"run": LostVM("QEMU died"), "exit": failure}
    ((result, problem),) = play(script)
    assert problem is failure
    assert result.cases[0].outcome is KtapResult.PASS  # it was printed before


def test_guest_that_does_not_come_up_is_a_failed_file(play: Play) -> None:
    ((result, problem), (second, _)) = play({"enter": LostVM("did not boot")}, {})
    assert isinstance(problem, LostVM)
    assert "did not boot" in result.cases[0].reason
    assert second.passed


def test_time_limit_is_a_test_failure_and_no_lost_guest(play: Play) -> None:
    ((result, problem),) = play({"run": GuestTimeout("9 s")})
    assert problem is None
    assert not result.passed


def test_environment_problem_ends_the_run(play: Play) -> None:
    with pytest.raises(EnvironmentProblem):
        play({"enter": EnvironmentProblem("disk full")}, {})


def test_kernel_warning_and_violation_are_complaints(play: Play) -> None:
    script = {
        "kernel": b"[    1.000000] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 f+0x1/0x2\n",
        "state": {
            "violations": {"counts": {"ring_unknown": 2}, "kept": []},
            "unknown_commands": {"1": 1},
        },
    }
    ((result, _),) = play(script)
    lines = [one.line for one in result.complaints]
    assert lines[:2] == [
        "hds.py: violation: ring_unknown ×2",  # noqa: RUF001
        "hds.py: unknown firmware request: 0x1",
    ]
    assert lines[2].startswith("hds.py: kernel: WARNING")
    assert result.account is not None
    assert result.account.card is not None
    assert result.account.card.violations == {"ring_unknown": 2}
    assert not result.passed


def test_other_nic_has_no_card_to_ask(play: Play) -> None:
    ((result, _),) = play({}, nic=Nic.IGB)
    assert result.account is not None
    assert result.account.card is None
