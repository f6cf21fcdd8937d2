# SPDX-License-Identifier: GPL-2.0-only
"""A further engine is its own folder and one line: everything that needs a machine runs on it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from testbed import ROOT
from testbed.engines.open import build_options, engine_of, new_session, prepare_run
from testbed.engines.pool import SessionPool
from testbed.errors import EnvironmentProblem, ExitCode, LostVM, UsageProblem
from testbed.findings.kernel import GuestKernel
from testbed.job.main import run_main_job
from testbed.job.probe_steps import BOOT
from testbed.job.recorder import Step
from testbed.matrix.columns import Column, parse_kernels
from testbed.options import ENGINES
from testbed.report import summary
from tests.unit.testbed.engines.toy.engine import FLAVOUR, RELEASE

MODULE = "tests.unit.testbed.engines.toy.engine"
TOY = {"engine": "toy"}
UNAME = ["uname", "-r"]
PROGRAM = f"""
import sys
from testbed.options import ENGINES
ENGINES["toy"] = "{MODULE}"
from testbed.cli.main import run_app
sys.exit(run_app(sys.argv[1:]))
"""
STEP = Step("uname", "the kernel says its release", "toy", lambda job: job.dut.run(UNAME).text)


@pytest.fixture(autouse=True)
def one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole price of an engine outside its folder."""
    monkeypatch.setitem(ENGINES, "toy", MODULE)


def command_line(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command line as it is, in a process of its own that begins with the one line."""
    return subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *words], input=given, capture_output=True,
        check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_exec_and_shell_by_the_command_line(tmp_path: Path) -> None:
    where = ["--engine", "toy", "--run-dir", str(tmp_path)]
    done = command_line("exec", *where, "--", *UNAME)
    assert (done.returncode, done.stdout.decode()) == (0, f"{RELEASE}\n"), done.stderr
    assert command_line("exec", *where, "--remote", "--", "no-such-program").returncode == 127
    done = command_line("exec", *where, "--", "poweroff")
    assert done.returncode == ExitCode.LOST_VM
    assert b"the toy fell over" in done.stderr
    done = command_line("shell", *where, given=b"a script")
    assert (done.returncode, done.stdout) == (0, b"a script"), done.stderr


def test_exec_tells_what_the_kernel_said_and_its_summary_agrees(tmp_path: Path) -> None:
    where = ["--engine", "toy", "--run-dir", str(tmp_path)]
    done = command_line("exec", *where, "--", "warn")
    line, logs = done.stderr.decode().splitlines()
    assert line.startswith("kernel: WARNING")
    assert logs == f"logs: {(tmp_path / 'latest').resolve()}"
    document = summary_of(tmp_path)
    assert (done.returncode, document["exit_code"], document["verdict"]) == (0, 0, "pass")
    assert [one["line"] for one in document["seen"]] == [line]

    done = command_line("exec", *where, "--strict", "--", "warn")
    document = summary_of(tmp_path)
    assert (done.returncode, document["exit_code"], document["verdict"]) == (1, 1, "fail")
    assert document["command_status"] == 0


def test_status_of_the_command_is_the_exit_code_strict_or_not(tmp_path: Path) -> None:
    where = ["--engine", "toy", "--run-dir", str(tmp_path)]
    for more in ([], ["--strict"]):
        done = command_line("exec", *where, *more, "--", "no-such-program")
        assert (done.returncode, done.stderr) == (127, b"")
        document = summary_of(tmp_path)
        assert (document["exit_code"], document["verdict"]) == (127, "fail")


def test_exec_says_why_a_command_does_not_come_back(tmp_path: Path) -> None:
    done = command_line("exec", "--engine", "toy", "--run-dir", str(tmp_path), "--", "hang")
    said = done.stderr.decode()
    assert done.returncode == 124
    assert "was killed: the kernel had said before: kernel: oops: " in said.replace("\n", "")
    assert "open_box" in summary_of(tmp_path)["problem"]["message"]


def summary_of(runs: Path) -> dict[str, Any]:
    """Of the last run; valid."""
    document: dict[str, Any] = json.loads((runs / "latest/summary.json").read_text())
    jsonschema.validate(document, summary.schema())
    return document


def test_options_it_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="only UML counts coverage"):
        build_options({**TOY, "coverage": True}, start=tmp_path)


def test_job(tmp_path: Path) -> None:
    code = run_main_job(
        build_options({**TOY, "seed": 1}), Console(file=io.StringIO()), command=["toy"],
        run_folder=tmp_path, play=lambda recorder, job: recorder.run([BOOT, STEP], job),
    )  # fmt: skip
    document = summary_of(tmp_path)
    assert code == 0
    assert document["engine"] == "toy"
    assert document["provenance"]["toy wood"] == "beech"
    assert [check["outcome"] for check in document["checks"]] == ["pass", "pass"]


@pytest.mark.parametrize("command", ["hang", "poweroff"])
def test_job_says_why_it_ends(command: str, tmp_path: Path) -> None:
    """A step that ran out of time, and a machine that was lost before its log was judged."""
    out = io.StringIO()
    step = Step("stuck", "a command", "toy", lambda job: job.dut.run([command]).text)
    before = Step("warned", "a warning", "toy", lambda job: job.dut.run(["warn"]).text)
    code = run_main_job(
        build_options({**TOY, "seed": 1}), Console(file=out, width=300), command=["toy"],
        run_folder=tmp_path, play=lambda recorder, job: recorder.run([BOOT, before, step], job),
    )  # fmt: skip
    document = summary_of(tmp_path)
    assert code == (ExitCode.LOST_VM if command == "poweroff" else ExitCode.TEST_FAILURE)
    if command == "hang":
        assert "the kernel had said before: kernel: oops: " in document["checks"][-1]["reason"]
    else:
        assert "kernel: WARNING: " in out.getvalue()
        assert [one["kind"] for one in document["seen"]] == ["kernel"]


def test_pool(tmp_path: Path) -> None:
    pool = SessionPool(build_options(TOY), tmp_path, lambda _text: None)
    mark = pool.mark()
    with pytest.raises(LostVM):
        pool.current().dut.run(["poweroff"])
    assert isinstance(pool.since(mark).lost, LostVM)
    assert pool.current().dut.run(UNAME).text == RELEASE
    assert (pool.boots, pool.kernel, pool.has_oracle) == (
        2,
        GuestKernel.of(RELEASE, stock=False),
        False,
    )
    pool.discard()
    assert not pool.is_up


def test_pool_adds_up_what_the_cards_of_its_machines_counted(tmp_path: Path) -> None:
    pool = SessionPool(build_options(TOY), tmp_path, lambda _text: None)
    counted = {"unknown_commands": {"49": 2}, "refused_commands": {"A": 1}, "missing_commands": {}}
    for _ in range(2):
        pool._add_account({"violations": {"counts": {"x": 3}}, "digest": "", **counted})
    assert (pool.violations, pool.unknown_hwrm, pool.refused_hwrm["A"]) == (6, {"49": 4}, 2)


def test_matrix_knows_its_kernels() -> None:
    assert parse_kernels(f"{FLAVOUR}:1.0,7.2", list) == [
        Column("1.0", "toy", FLAVOUR),
        Column("7.2"),
    ]


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    options, prepared = prepare_run(build_options(TOY), lambda _text: None)
    assert not engine_of(options).can_restart
    with new_session(options, tmp_path, prepared) as session:
        for refused in (session.restart, session.plug_card, lambda: session.card):
            with pytest.raises(EnvironmentProblem):
                refused()
