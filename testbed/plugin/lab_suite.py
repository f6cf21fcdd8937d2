# SPDX-License-Identifier: GPL-2.0-only
"""The suite on a lab machine: what ``testbed run --lab`` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from testbed import ROOT
from testbed.engines.lab.config import find_dut
from testbed.errors import ExitCode
from testbed.report.rundir import LATEST, RUNS
from testbed.report.summary import FILE_NAME

SUITE = "tests/suite"


def run_suite(lab: Path, dut: str | None, seed: int | None, run_dir: Path | None) -> int:
    """Run it and return the exit code of its verdict. Raises ConfigProblem."""
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
    with subprocess.Popen(words, cwd=ROOT, env=environment) as process:
        while process.poll() is None:
            with suppress(KeyboardInterrupt):  # it got the same one, and puts things back
                process.wait()
    summary = _summary_of(runs)
    if summary is None or summary == before:
        return int(ExitCode.TEST_FAILURE if process.returncode else ExitCode.PASS)
    return int(json.loads(summary.read_text())["exit_code"])


def _summary_of(runs: Path) -> Path | None:
    """That of the latest run, if it has one."""
    file = (runs / LATEST).resolve() / FILE_NAME
    return file if file.is_file() else None
