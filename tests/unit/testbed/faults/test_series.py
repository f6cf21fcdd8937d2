# SPDX-License-Identifier: GPL-2.0-only
"""What the catalogue says where it cannot be tried."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.faults.series import TrialSeries
from testbed.findings.judge import Findings
from testbed.report.results import REQUIRES


@pytest.mark.parametrize(
    ("engine", "reason"),
    [("lab", f"{REQUIRES}scripted faults"), ("qemu", "not on qemu")],
)
def test_reason_without_a_machine(engine: str, reason: str, tmp_path: Path) -> None:
    """A real card lacks a capability; nothing boots to find that out."""
    fault = next(fault for fault in load_catalogue().values() if "qemu" not in fault.engines)
    pool = SimpleNamespace(options=SimpleNamespace(engine=engine))
    series = TrialSeries(pool, Findings([]), tmp_path)  # type: ignore[arg-type]
    assert series.cannot(fault) == reason
