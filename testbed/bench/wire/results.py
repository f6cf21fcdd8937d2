# SPDX-License-Identifier: GPL-2.0-only
"""What the samples come to: for each cell and pair, two ratios or why there is none. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from testbed.bench.ratio import Estimate, paired
from testbed.bench.wire.contenders import Contender, pairs
from testbed.bench.wire.measure import Measured
from testbed.bench.wire.plan import Cell, WirePlan
from testbed.host.load import LoadSeen

_COLUMNS = (
    "cell", "direction", "mtu", "flows", "nic", "round", "bytes", "seconds", "mbit_per_s",
    "qemu_cpu_s", "card_cpu_s", "qemu_ns_per_byte", "card_ns_per_byte",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """One of ours and one of theirs in a cell. More than 1 is good for ours in both ratios:

    ``rate`` is bytes per second, ours by theirs; ``cpu`` CPU time per byte, theirs by ours.
    """

    cell: Cell
    ours: Contender
    theirs: Contender
    rate: Estimate
    cpu: Estimate

    @property
    def name(self) -> str:
        """For tables: "rx 1500, 1 flow, bnxt : igb"."""
        return f"{self.cell}, {self.ours.name} : {self.theirs.name}"


def compare(measured: Measured, plan: WirePlan) -> list[Comparison]:
    """Every pair in every cell that both took part in."""
    found = []
    for cell in plan.cells:
        for ours, theirs in pairs(plan.contenders):
            one, other = measured.of(ours, cell), measured.of(theirs, cell)
            if not one or not other:
                continue
            rate = paired([s.bytes_per_second for s in one], [s.bytes_per_second for s in other])
            cpu = paired([s.ns_per_byte for s in other], [s.ns_per_byte for s in one])
            found.append(Comparison(cell, ours, theirs, rate, cpu))
    return found


def samples_csv(measured: Measured) -> str:
    """One line for each stream."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in measured.samples:
        cell, cost = one.cell, one.cost
        writer.writerow(
            [
                str(cell), cell.direction.value, cell.mtu, cell.flows, one.contender.name,
                one.round, cost.bytes, f"{cost.seconds:.6f}",
                f"{one.bytes_per_second * 8e-6:.2f}", f"{cost.qemu_cpu_s:.2f}",
                f"{cost.card_cpu_s:.2f}", f"{one.qemu_ns_per_byte:.3f}",
                f"{one.card_ns_per_byte:.3f}",
            ]
        )  # fmt: skip
    return text.getvalue()


def document(
    measured: Measured, plan: WirePlan, comparisons: Sequence[Comparison], load: LoadSeen,
    commit: str | None,
) -> dict[str, Any]:  # fmt: skip
    """All of it for programs; a ratio that cannot be told has ``why`` and no number."""
    return {
        "commit": commit, "kernel": measured.kernel, "accelerator": measured.accelerator,
        "cpus": plan.cpus, "rounds": plan.rounds, "mib": plan.mib, "widest": plan.widest,
        "load": load.document(),
        "medians": [
            {
                "cell": str(cell), "nic": contender.name,
                "mbit_per_s": round(median(s.bytes_per_second for s in found) * 8e-6, 2),
                "qemu_ns_per_byte": round(median(s.qemu_ns_per_byte for s in found), 3),
                "card_ns_per_byte": round(median(s.card_ns_per_byte for s in found), 3),
            }
            for cell in plan.cells
            for contender in plan.contenders
            if (found := measured.of(contender, cell))
        ],
        "ratios": [
            {
                "name": one.name, "cell": str(one.cell), "ours": one.ours.name,
                "theirs": one.theirs.name, "rate": one.rate.document(plan.widest),
                "cpu": one.cpu.document(plan.widest),
            }
            for one in comparisons
        ],
    }  # fmt: skip
