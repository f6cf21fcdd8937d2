# SPDX-License-Identifier: GPL-2.0-only
"""What samples come to: ratios, refusals, and the files of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.bench.wire import command, plot
from testbed.bench.wire.contenders import CONTENDERS
from testbed.bench.wire.guests import Cost
from testbed.bench.wire.measure import Measured, Sample
from testbed.bench.wire.plan import Cell, Direction, WirePlan
from testbed.bench.wire.results import compare, document, samples_csv
from testbed.host.load import Load, LoadSeen
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory

OURS, IGB, ZCRX = (CONTENDERS[name] for name in ("bnxt", "igb", "bnxt-zcrx"))
CELL = Cell(Direction.RX, 1500, 1)
MB = 1_000_000
START = Cost(1, 0.1, 0.2, 0.1)
LOAD = LoadSeen(Load(1.0, 10, 1000), Load(2.0, 30, 2000), 2)


def plan_of(rounds: int) -> WirePlan:
    return WirePlan((OURS, IGB, ZCRX), (CELL,), rounds=rounds, mib=1, seconds=1, widest=0.2)


def measured_of(ours: Sequence[int]) -> Measured:
    """igb receives 100 MB in a second of every round, with 3 s of CPU time; ``ours`` in MB."""
    samples = []
    for number, megabytes in enumerate(ours, 1):
        costs = ((OURS, Cost(megabytes * MB, 1.0, 2.2, 1.1)), (IGB, Cost(100 * MB, 1.0, 3.2, 0.0)))
        for contender, cost in costs:
            start = START if contender is OURS else Cost(1, 0.1, 0.2, 0.0)
            samples.append(Sample(contender, CELL, number, cost, start))
    return Measured(samples, "7.2.12", "tcg")


def test_cpu_time_of_start_and_end_is_left_out() -> None:
    sample = measured_of([50]).samples[0]
    assert sample.qemu_ns_per_byte == pytest.approx(40.0)
    assert sample.card_ns_per_byte == pytest.approx(20.0)
    assert sample.ns_per_byte == pytest.approx(60.0)
    assert sample.bytes_per_second == 50 * MB


def test_ratios_are_more_than_one_where_ours_is_better() -> None:
    (found,) = compare(measured_of([120] * 6), plan_of(6))
    assert found.name == "rx 1500, 1 flow, bnxt : igb"
    assert found.rate.median == pytest.approx(1.2)
    assert found.cpu.median == pytest.approx(30 / 25)  # 30 ns a byte by 25
    assert found.rate.word == "better"


def test_wide_interval_is_no_ratio_in_any_file() -> None:
    measured, plan = measured_of([50, 150, 50, 150, 50, 150]), plan_of(6)
    found = compare(measured, plan)
    told = document(measured, plan, found, LOAD, "0123")
    assert told["ratios"][0]["rate"] == {"why": "interval 100% wide"}
    assert "cannot tell" in plot.drawing(found, plan.widest)


def test_a_plot_has_room_for_every_ratio_and_says_on_which_side_of_one_it_is() -> None:
    plan = plan_of(6)
    wide = plot.drawing(compare(measured_of([110, 300, 110, 300, 110, 300]), plan), plan.widest)
    assert ">better</text>" in wide
    assert "cannot tell" not in wide
    far = plot.drawing(compare(measured_of([400] * 6), plan), plan.widest)
    assert ">4.0</text>" in far, "the axis has a mark there"
    assert ">2.00</text>" in plot.drawing(compare(measured_of([90] * 6), plan), plan.widest)


def test_document() -> None:
    measured, plan = measured_of([100] * 6), plan_of(6)
    told = document(measured, plan, compare(measured, plan), LOAD, "0123")
    assert told["ratios"][0]["rate"] == {"median": 1.0, "low": 1.0, "high": 1.0, "is": "like"}
    assert told["medians"][0] == {
        "cell": "rx 1500, 1 flow", "nic": "bnxt", "mbit_per_s": 800.0, "qemu_ns_per_byte": 20.0,
        "card_ns_per_byte": 10.0,
    }  # fmt: skip
    assert [one["nic"] for one in told["medians"]] == ["bnxt", "igb"]
    assert told["load"] == {"before": 1.0, "after": 2.0, "stolen": 0.02, "cpus": 2}
    assert told["commit"] == "0123"


def test_every_stream_is_a_line() -> None:
    rows = list(csv.DictReader(samples_csv(measured_of([50, 60])).splitlines()))
    assert [(row["nic"], row["round"]) for row in rows] == [
        ("bnxt", "1"), ("igb", "1"), ("bnxt", "2"), ("igb", "2"),
    ]  # fmt: skip
    assert rows[0]["mbit_per_s"] == "400.00"
    assert rows[0]["card_ns_per_byte"] == "20.000"


@pytest.mark.parametrize(("rounds", "code"), [(6, 0), (3, 6)])
def test_files_are_in_both_places_and_the_exit_code_tells(
    rounds: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(command, "measure", lambda *_: measured_of([120] * rounds))
    folder, out = RunDirectory.create(tmp_path / "runs"), tmp_path / "out"
    report = RunReport("bench-wire", "2026-11-22T00:00:00Z")
    command.run_wire(plan_of(rounds), folder, out, report, print)
    report.checks.append(Check(name="x", title="x", outcome=Outcome.PASS))
    assert report.exit_code == code
    for name in (command.RESULT, command.SAMPLES, command.PLOT):
        assert (folder.path / name).read_bytes() == (out / name).read_bytes()
    ratio = json.loads((out / command.RESULT).read_text())["ratios"][0]["rate"]
    printed = capsys.readouterr().out
    assert ("median" in ratio) == (code == 0)
    assert ("1.20, 1.20..1.20 better" in printed) == (code == 0)
    assert ("2 of 2 ratios cannot be told" in printed) == (code == 6)
    assert "load average" in printed
