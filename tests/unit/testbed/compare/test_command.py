# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's files, in the run directory and in the folder the user names."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.compare import command, page, tables
from testbed.compare.results import Count, Measurement, Run
from testbed.compare.symbols import Symbol
from testbed.compare.variants import MeasurementPlan, Method, Variant
from testbed.report.rundir import RunDirectory


def test_reports_are_in_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(4096, 2, 1, None, 1.0, 0.5, {Symbol("tcp_ack"): Count(400)})
    measured = [Measurement("epoll", "7.2.12", [run])]
    monkeypatch.setattr(command, "measure", lambda *_: measured)
    plan = MeasurementPlan(runs=1, stream_bytes=1 << 20, boots=2, seed=3)
    out = tmp_path / "out"
    folder = RunDirectory.create(tmp_path / "runs")
    command.run_comparison([Variant(Method.EPOLL)], plan, folder, out)
    names = {tables.RUNS_CSV, tables.FUNCTIONS_CSV, command.PLOT, page.FILE_NAME}
    assert {path.name for path in out.iterdir()} == names
    for name in names:
        assert (tmp_path / "runs/latest" / name).read_bytes() == (out / name).read_bytes()
    assert "each of 2 guests" in (out / page.FILE_NAME).read_text()
    assert "7.2.12" in capsys.readouterr().out
