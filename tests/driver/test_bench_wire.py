# SPDX-License-Identifier: GPL-2.0-only
"""A benchmark of the wire on real guests, as short as can be: what is counted, not how fast."""

from __future__ import annotations

from pathlib import Path

from testbed.bench.wire.contenders import CONTENDERS
from testbed.bench.wire.measure import measure
from testbed.bench.wire.plan import Cell, Direction, WirePlan
from testbed.report.results import RunReport

CELL = Cell(Direction.RX, 4096, 2)


def test_every_contender_receives_and_computes(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    names = ("bnxt-zcrx", "igb")
    plan = WirePlan(
        tuple(CONTENDERS[name] for name in names), (CELL,), rounds=1, mib=1, seconds=5, widest=0.2
    )
    report = RunReport("bench-wire", "2026-11-22T00:00:00Z")
    found = measure(plan, tmp_path, report, lambda _text: None)
    assert [one.contender.name for one in found.samples] == ["igb", "bnxt-zcrx"]  # it turns
    for one in found.samples:
        assert one.cost.bytes > one.start.bytes == 1
        assert one.cost.qemu_cpu_s > 0
        assert (one.cost.card_cpu_s > 0) == one.contender.is_ours
    report.judge_seen(strict=True)
    assert not report.totals.failed, report.checks
    assert report.violations == 0
