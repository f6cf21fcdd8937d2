# SPDX-License-Identifier: GPL-2.0-only
"""Main job and suite in a guest that is several times slower than usual: no false verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed import ROOT
from tests.driver.slow_guest import SlowGuest, slowed

PROGRAMS = {"uml": "linux", "qemu": "qemu-system-x86_64"}
RUN_TIMEOUT_S = 7200
SAMPLE = "1/12"
LEAST_USED_S = 0.1  # of CPU time, which a fast machine needs for a probe


@pytest.mark.parametrize("factor", [5, 20])
def test_main_job_on_uml(testbed: Any, factor: int) -> None:
    """Time-outs in the guest are of its own simulated time; those around it are not."""
    check_main_job(testbed, "uml", factor)


@pytest.mark.nightly
def test_main_job_on_qemu(testbed: Any, request: pytest.FixtureRequest) -> None:
    """Probe to remove; twenty times slower it takes ten minutes."""
    check_main_job(testbed, "qemu", request.config.getoption("slow_qemu"))


def check_main_job(testbed: Any, engine: str, factor: int) -> None:
    """It passes, it only takes longer."""
    process = testbed.start("run", "--engine", engine, "--seed", "5")
    with slowed(process.pid, PROGRAMS[engine], factor) as guest:
        out, err = process.communicate(timeout=RUN_TIMEOUT_S)
    assert process.returncode == 0, out.decode() + err.decode()
    check_slowed(guest, factor)
    document = json.loads((testbed.folder / "runs/latest/summary.json").read_text())
    assert (document["verdict"], document["tests"]["failed"]) == ("pass", 0)


def check_slowed(guest: SlowGuest, factor: int) -> None:
    """It was watched while it ran, and stood for as long as it was to."""
    assert guest.ran_s <= guest.used_s / 2, "it ran while it was to stand"
    assert guest.used_s >= LEAST_USED_S, "the guest was not found while it ran"
    assert guest.stopped_s >= guest.used_s * (factor - 1) * 0.9, "the guest was not slowed down"


@pytest.mark.nightly
@pytest.mark.parametrize(("engine", "factor"), [("uml", 5), ("uml", 20), ("qemu", 5)])
def test_sample_of_the_suite(engine: str, factor: int, tmp_path: Path) -> None:
    """None of its tests fails for want of time; some of them are streams and floods."""
    words = ["-q", "-p", "no:cacheprovider", "tests/suite", "--sample", SAMPLE]
    words += ["--testbed-engine", engine, "--testbed-seed", "1", "--testbed-run-dir", str(tmp_path)]
    ran = subprocess.Popen(
        [sys.executable, "-P", "-m", "pytest", *words, "--deselect", "tests/suite/faults"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with slowed(ran.pid, PROGRAMS[engine], factor) as guest:
        said, _ = ran.communicate(timeout=RUN_TIMEOUT_S)
    assert ran.returncode == 0, said
    check_slowed(guest, factor)
    counts = json.loads((tmp_path / "latest/summary.json").read_text())["tests"]
    assert counts["failed"] == 0
    assert counts["passed"] > 20, counts
