# SPDX-License-Identifier: GPL-2.0-only
"""What growth comes to: medians of each number, ratios to the smallest, and the files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from testbed.bench.growth import command
from testbed.bench.growth.measure import Grown
from testbed.bench.growth.plan import GrowthPlan
from testbed.bench.growth.results import points, samples_csv
from testbed.bench.wire.guests import Cost
from testbed.report.results import Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory

MB, MIB = 1_000_000, 1 << 20
ROUNDS = 6


def grown(kind: str, count: int, number: int, megabytes: int, machines: int) -> Grown:
    """Each machine has its stream of a second, 2 s of CPU time in QEMU and 1 s in the card."""
    return Grown(
        kind, count, number, (Cost(megabytes * MB, 1.0, 2.0, 1.0),) * machines,
        tuple(4.0 + one for one in range(machines)), (300 * MIB,) * machines,
        (40 * MIB,) * machines,
    )  # fmt: skip


def everything(rounds: int = ROUNDS) -> list[Grown]:
    found = []
    for number in range(1, rounds + 1):
        found += [grown("queues", count, number, 100 + count, 1) for count in (8, 1)]
        found += [grown("machines", count, number, 100 // count, count) for count in (1, 2)]
    return found


def test_points_are_in_order_and_compared_with_the_first() -> None:
    made = points(everything())
    assert [(one.kind, one.count) for one in made] == [
        ("queues", 1), ("queues", 8), ("machines", 1), ("machines", 2),
    ]  # fmt: skip
    one, eight, alone, two = made
    assert (one.rate.median, alone.rate.median) == (1.0, 1.0)
    assert eight.rate.median == pytest.approx(108 / 101)
    assert two.mbit_per_s == pytest.approx(800)  # both together
    assert two.cost.median == pytest.approx(0.5)
    assert (two.boot_s, two.qemu_mib, two.card_mib) == (4.5, 300, 40)
    assert alone.ns_per_byte == pytest.approx(30)


def test_every_machine_is_a_line() -> None:
    rows = list(csv.DictReader(samples_csv([grown("machines", 2, 1, 50, 2)]).splitlines()))
    assert [(row["count"], row["boot_s"], row["mbit_per_s"]) for row in rows] == [
        ("2", "4.00", "800.00"), ("2", "5.00", "800.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(("rounds", "code"), [(ROUNDS, 0), (ROUNDS - 1, 6)])
def test_the_exit_code_says_whether_all_can_be_told(
    rounds: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(command, "measure", lambda *_: everything(rounds))
    plan = GrowthPlan((1, 8), (1, 2), rounds=rounds, mib=1, seconds=1, mtu=1500)
    report = RunReport("bench-growth", "2026-11-22T00:00:00Z")
    folder, out = RunDirectory.create(tmp_path / "runs"), tmp_path / "out"
    command.run_growth(plan, 0.2, folder, out, report, print)
    report.checks.append(Check(name="x", title="x", outcome=Outcome.PASS))
    assert report.exit_code == code
    assert {one.name for one in out.iterdir()} == {command.RESULT, command.SAMPLES, command.PLOT}
    ratio = json.loads((out / command.RESULT).read_text())["points"][3]["cost"]
    assert ("median" in ratio) == (code == 0)
    assert ("cannot be told" in capsys.readouterr().out) == (code == 6)
