# SPDX-License-Identifier: GPL-2.0-only
"""What growth comes to: medians, a ratio to the smallest number, and the files. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich import box
from rich.table import Table

from testbed.bench.growth.measure import Grown
from testbed.bench.ratio import Estimate, paired
from testbed.host.load import LoadSeen

MIB = 1 << 20
_COLUMNS = (
    "kind", "count", "round", "mbit_per_s", "ns_per_byte", "boot_s", "qemu_mib", "card_mib",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """The medians of one number: rate and CPU time of all machines, the rest of each.

    ``rate`` and ``cost`` are paired ratios, of which 1 is no loss: bytes per second to those of the
    smallest number of the same kind, and CPU time per byte of that to this one's.
    """

    kind: str
    count: int
    mbit_per_s: float
    ns_per_byte: float
    boot_s: float
    qemu_mib: float
    card_mib: float
    rate: Estimate
    cost: Estimate


def points(found: Sequence[Grown]) -> list[Point]:
    """In the order of the numbers, kind by kind."""
    made = []
    for kind in dict.fromkeys(one.kind for one in found):
        counts = sorted({one.count for one in found if one.kind == kind})
        rounds = {count: _rounds(found, kind, count) for count in counts}
        base = rounds[counts[0]]
        for count, those in rounds.items():
            made.append(
                Point(
                    kind, count,
                    median(one.bytes_per_second for one in those) * 8e-6,
                    median(one.ns_per_byte for one in those),
                    median(seconds for one in those for seconds in one.boot_s),
                    median(size for one in those for size in one.qemu_bytes) / MIB,
                    median(size for one in those for size in one.card_bytes) / MIB,
                    paired([s.bytes_per_second for s in those], [s.bytes_per_second for s in base]),
                    paired([s.ns_per_byte for s in base], [s.ns_per_byte for s in those]),
                )
            )  # fmt: skip
    return made


def _rounds(found: Sequence[Grown], kind: str, count: int) -> list[Grown]:
    those = (one for one in found if (one.kind, one.count) == (kind, count))
    return sorted(those, key=lambda one: one.round)


def table(made: Sequence[Point], widest: float) -> Table:
    """For a terminal; a kind's first number has no ratio to itself."""
    shown = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("", "count", "Mbit/s", "CPU ns/byte", "boot s", "QEMU MiB", "card MiB"):
        shown.add_column(name, justify="right")
    shown.add_column("rate by the first's")
    shown.add_column("the first's CPU per byte by this")
    first: set[str] = set()
    for one in made:
        ratios = ("", "")
        if one.kind in first:
            ratios = (one.rate.told(widest), one.cost.told(widest))
        first.add(one.kind)
        shown.add_row(
            one.kind, str(one.count), f"{one.mbit_per_s:.0f}", f"{one.ns_per_byte:.1f}",
            f"{one.boot_s:.1f}", f"{one.qemu_mib:.0f}", f"{one.card_mib:.0f}", *ratios,
        )  # fmt: skip
    return shown


def samples_csv(found: Sequence[Grown]) -> str:
    """One line for each measurement and machine; rate and CPU time are those of all together."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in found:
        for boot_s, qemu, card in zip(one.boot_s, one.qemu_bytes, one.card_bytes, strict=True):
            writer.writerow(
                [
                    one.kind, one.count, one.round, f"{one.bytes_per_second * 8e-6:.2f}",
                    f"{one.ns_per_byte:.3f}", f"{boot_s:.2f}", f"{qemu / MIB:.1f}",
                    f"{card / MIB:.1f}",
                ]
            )  # fmt: skip
    return text.getvalue()


def document(
    made: Sequence[Point], widest: float, load: LoadSeen, commit: str | None
) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "commit": commit, "load": load.document(), "widest": widest,
        "points": [
            {
                "kind": one.kind, "count": one.count, "mbit_per_s": round(one.mbit_per_s, 2),
                "ns_per_byte": round(one.ns_per_byte, 3), "boot_s": round(one.boot_s, 2),
                "qemu_mib": round(one.qemu_mib, 1), "card_mib": round(one.card_mib, 1),
                "rate": one.rate.document(widest), "cost": one.cost.document(widest),
            }
            for one in made
        ],
    }  # fmt: skip
