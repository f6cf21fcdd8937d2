# SPDX-License-Identifier: GPL-2.0-only
"""The suite on a lab machine: what ``testbed run --lab`` does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from testbed import ROOT
from testbed.engines.lab.config import find_dut
from testbed.errors import EnvironmentProblem, ExitCode, describe_returncode
from testbed.host import interrupt
from testbed.host.parent import die_with_parent
from testbed.report.rundir import LATEST, RUNS
from testbed.report.summary import FILE_NAME

SUITE = "tests/suite"


def run_suite(
    lab: Path, dut: str | None, seed: int | None, run_dir: Path | None, *,
    stdout: int | None = None,
) -> int:  # fmt: skip
    """Run it and return the exit code of its verdict; pytest prints to ``stdout``, a descriptor.

    Raises ConfigProblem, EnvironmentProblem.
    """
    name = find_dut(lab, dut).name  # says at once what is wrong with the file
    runs = (run_dir or Path.cwd() / RUNS).absolute()
    words = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", SUITE, "-v"]
    words += ["--testbed-run-dir", str(runs)]
    words += ["--testbed-lab", str(lab.absolute()), "--testbed-dut", name]
    if seed is not None:
        words += ["--testbed-seed", str(seed)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    before = _summary_of(runs)
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, preexec_fn=partial(die_with_parent, os.getpid()),
        stdout=stdout,
    ) as process:  # fmt: skip
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt as told:  # it puts things back
                process.send_signal(getattr(told, "number", signal.SIGINT))
    summary = _summary_of(runs)
    if summary is not None and summary != before:
        return int(json.loads(summary.read_text())["exit_code"])
    interrupt.check()
    if process.returncode not in (ExitCode.PASS, ExitCode.TEST_FAILURE):
        how = describe_returncode(process.returncode)
        raise EnvironmentProblem(f"the suite wrote no summary and ended with {how}")
    return process.returncode


def _summary_of(runs: Path) -> Path | None:
    """That of the latest run, if it has one."""
    file = (runs / LATEST).resolve() / FILE_NAME
    return file if file.is_file() else None
