# SPDX-License-Identifier: GPL-2.0-only
"""The whole command without a guest: selection, reports, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from images.debian import Package
from testbed.cli.main import run_app
from testbed.errors import LostVM, TestbedError, UsageProblem
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.ksft import job
from testbed.ksft.ktap import Case, KtapResult
from testbed.ksft.results import FileResult
from testbed.ksft.run import SelftestPlan
from testbed.ksft.select import TestFile
from testbed.options import Accel, RunOptions
from testbed.workloads.judge import CardAccount
from testbed.workloads.seen import SessionAccount

Result = tuple[FileResult, TestbedError | None]
Ksft = Callable[..., tuple[int, Any]]


def result(name: str, *outcomes: KtapResult, **more: Any) -> FileResult:
    cases = tuple(Case(f"case{i}", outcome, "why") for i, outcome in enumerate(outcomes))
    test = TestFile("drivers/net", name)
    return FileResult(test=test, cases=cases, seconds=1.0, boot_seconds=4.0, **more)


def account(
    violations: dict[str, int] | None = None, unknown_hwrm: dict[str, int] | None = None
) -> SessionAccount:
    card = CardAccount(violations or {}, (), unknown_hwrm or {}, 0, {}, 0)
    return SessionAccount(card, KernelLogWatcher(), GuestKernel.of("7.2.12"), where="hds.py")


@pytest.fixture
def ksft(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ksft:
    kernel = SimpleNamespace(release="7.2.12", module_sha256="0" * 64, packages={"linux": "1"})
    prepared = SimpleNamespace(kernel=kernel, provenance={"qemu": {"version": "11"}})
    image = tmp_path / "ksft.erofs"
    image.write_bytes(b"image")
    built = job.Selftests(
        image, "drivers/net:hds.py\ndrivers/net:queues.py\n", Package("linux-source", "1", "00", 1)
    )
    options = RunOptions(seed=7, accel=Accel.TCG)
    monkeypatch.setattr(job, "QEMU", replace(job.QEMU, prepare=lambda *_: (options, prepared)))
    monkeypatch.setattr(job, "build", lambda *_: built)

    def run(results: list[Result] | type[BaseException], *paths: str) -> tuple[int, Any]:
        def run_all(plan: SelftestPlan, *_: object) -> Iterator[Result]:
            if isinstance(results, list):
                yield from results
            else:
                yield result("hds.py", KtapResult.PASS), None
                raise results

        monkeypatch.setattr(job, "run_all", run_all)
        request = job.SelftestRequest(
            paths=paths or ("drivers/net",), options=options, limit_s=9.0, runs=tmp_path / "runs"
        )
        screen = StringIO()
        code = job.run(request, Console(file=screen, width=200))
        summary = json.loads((tmp_path / "runs/latest/summary.json").read_text())
        return code, {**summary, "screen": screen.getvalue()}

    return run


def test_all_passed(ksft: Ksft, tmp_path: Path) -> None:
    well = account()
    code, summary = ksft(
        [
            (result("hds.py", KtapResult.PASS, KtapResult.SKIP, account=well), None),
            (result("queues.py", KtapResult.PASS, account=well), None),
        ]
    )
    assert code == 0
    assert summary["verdict"] == "pass"
    assert summary["tests"] == {"passed": 2, "failed": 0, "skipped": 1, "findings": 0, "gone": 0}
    assert (summary["violations"], summary["unknown_hwrm"]) == (0, 0)
    assert summary["provenance"]["selftests source"] == "linux-source 1"
    ktap = (tmp_path / "runs/latest/results.ktap").read_text()
    assert "ok 2 case1 # SKIP why" in ktap
    assert 'skipped="1"' in (tmp_path / "runs/latest/junit.xml").read_text()


def test_failed_case_and_complaint_fail_the_run(ksft: Ksft) -> None:
    assert ksft([(result("hds.py", KtapResult.FAIL), None)])[0] == 1
    found = result("hds.py", KtapResult.PASS, account=account({"ring_unknown": 3}))
    code, summary = ksft([(found, None)])
    assert code == 1
    assert summary["tests"]["failed"] == 1
    assert [one["line"] for one in summary["seen"]] == ["hds.py: violation: ring_unknown ×3"]  # noqa: RUF001
    assert "hds.py: violation: ring_unknown" in summary["screen"]


def test_lost_guest_decides_the_exit_code_and_the_rest_is_there(ksft: Ksft) -> None:
    code, summary = ksft(
        [
            (result("hds.py", KtapResult.FAIL), LostVM("panic")),
            (result("queues.py", KtapResult.PASS), None),
        ]
    )
    assert code == 5
    assert summary["problem"]["message"] == "panic"
    assert summary["tests"]["passed"] == 1


def test_violations_are_summed(ksft: Ksft) -> None:
    found = account({"rule": 2}, {"18": 1})
    summary = ksft([(result("a", KtapResult.PASS, account=found), None)] * 2)[1]
    assert (summary["violations"], summary["unknown_hwrm"]) == (4, 2)


def test_interrupt_leaves_reports_of_what_was_done(ksft: Ksft) -> None:
    code, summary = ksft(KeyboardInterrupt)
    assert code == 130
    assert summary["verdict"] == "interrupted"
    assert summary["tests"]["passed"] == 1


def test_unknown_path_is_a_usage_problem(ksft: Ksft) -> None:
    with pytest.raises(UsageProblem):
        ksft([], "hdz.py")


def test_no_path_is_a_usage_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["ksft"]) == 2
    assert "--list" in capsys.readouterr().err
