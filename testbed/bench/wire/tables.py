# SPDX-License-Identifier: GPL-2.0-only
"""A benchmark of the wire as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich import box
from rich.table import Table

from testbed.bench.wire.measure import Measured
from testbed.bench.wire.plan import WirePlan
from testbed.bench.wire.results import Comparison

RATES = "Mbit/s; CPU ns per byte of QEMU + card (medians)"
RATIOS = "Median of paired ratios and its 95 % interval; more than 1: the first is better"


def rates(measured: Measured, plan: WirePlan) -> Table:
    """Medians of each contender. They depend on the host's load: the ratios are what counts."""
    found = _table()
    found.add_column("cell")
    for contender in plan.contenders:
        found.add_column(contender.name, justify="right")
    for cell in plan.cells:
        row = [str(cell)]
        for contender in plan.contenders:
            samples = measured.of(contender, cell)
            if not samples:
                row.append("")
                continue
            mbit = median(one.bytes_per_second for one in samples) * 8e-6
            qemu = median(one.qemu_ns_per_byte for one in samples)
            card = median(one.card_ns_per_byte for one in samples)
            row.append(f"{mbit:.0f}; {qemu:.1f}" + (f" + {card:.1f}" if contender.is_ours else ""))
        found.add_row(*row)
    return found


def ratios(comparisons: Sequence[Comparison], widest: float) -> Table:
    """Medians of paired ratios, with their intervals."""
    found = _table()
    for name in ("cell", "pair", "rate", "CPU time per byte"):
        found.add_column(name)
    for one in comparisons:
        pair = f"{one.ours.name} : {one.theirs.name}"
        found.add_row(str(one.cell), pair, one.rate.told(widest), one.cpu.told(widest))
    return found


def _table() -> Table:
    return Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
