# SPDX-License-Identifier: GPL-2.0-only
"""The main job in a guest that is several times slower than usual: no false verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.driver.slow_guest import slowed

PROGRAMS = {"uml": "linux", "qemu": "qemu-system-x86_64"}
RUN_TIMEOUT_S = 3600
LEAST_STOPPED_S = 1.0


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
    assert guest.stopped_s > LEAST_STOPPED_S, "the guest was not slowed down"
    document = json.loads((testbed.folder / "runs/latest/summary.json").read_text())
    assert (document["verdict"], document["tests"]["failed"]) == ("pass", 0)
