# SPDX-License-Identifier: GPL-2.0-only
"""The comparison as a table for a terminal and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.compare.groups import GROUPS, USER_SPACE, group_of
from testbed.compare.results import Measurement, PoolPaths, Summary

RUNS_CSV, FUNCTIONS_CSV = "compare.csv", "functions.csv"
LEAST_PER_KIB = 0.05
_RUN_COLUMNS = (
    "variant", "kernel", "run", "group", "instructions_per_kib", "repeats_per_kib",
    "atomics_per_kib", "atomics_per_packet", "barriers_per_packet", "bytes", "packets", "calls",
    "copied_bytes", "guest_seconds", "host_load",
)  # fmt: skip
_FUNCTION_COLUMNS = (
    "variant", "kernel", "group", "function", "module", "instructions_per_kib", "repeats_per_kib",
    "atomics_per_packet", "barriers_per_packet", "calls_per_packet",
)  # fmt: skip


def _of(summary: Summary, digits: int = 1) -> str:
    return f"{summary.median:.{digits}f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))


def table(measurements: Sequence[Measurement]) -> list[Table]:
    """What each variant costs, and by group; the first one is what the others are compared with."""
    first = measurements[0]
    costs = _table("Guest instructions per KiB received")
    for name in ("variant", "kernel"):
        costs.add_column(name)
    for name in (
        "insn/KiB", "spread", "runs", "ratio", "without\nrepeats", "ratio", "user",
        "atomics/\npacket", "atomics/\nKiB", "virtual\nGbit/s",
    ):  # fmt: skip
        costs.add_column(name, justify="right")
    for one in measurements:
        without, base = one.cost_without_repeats, first.cost_without_repeats
        costs.add_row(
            Text(one.label), Text(one.kernel), _of(one.cost), one.cost.spread_text,
            str(len(one.runs)), f"{one.cost.median / first.cost.median:.3f}", _of(without),
            f"{without.median / base.median:.3f}",
            _of(one.summary(lambda run: run.per_kib(run.user.instructions))), _of(one.atomics, 2),
            _of(one.summary(lambda run: run.per_kib(run.total.atomics)), 3),
            f"{one.summary(lambda run: run.bytes * 8e-9 / run.seconds).median:.2f}",
        )  # fmt: skip
    groups = _table("The same by group: instructions per KiB (atomics per packet)")
    groups.add_column("variant")
    for name in GROUPS:
        groups.add_column(name.replace(" and ", "\n"), justify="right")
    for one in measurements:
        cells = []
        for name in GROUPS:
            cost = one.group(name, lambda count: count.instructions)
            atomics = one.summary(
                lambda run, name=name: run.per_packet(run.groups[name].atomics)  # type: ignore[misc]
            )
            cells.append(f"{cost.median:.1f} ({atomics.median:.2f})")
        groups.add_row(Text(one.label), *cells)
    pools = _table("page_pool: buffers taken per packet")
    pools.add_column("variant")
    for name in ("cache", "ptr_ring", "allocator or provider"):
        pools.add_column(name, justify="right")
    for one in measurements:
        paths = PoolPaths.of(one.typical)
        pools.add_row(
            Text(one.label), f"{paths.fast:.4f}", f"{paths.ring:.4f}", f"{paths.slow:.4f}"
        )
    return [costs, groups, pools]


def runs_csv(measurements: Sequence[Measurement]) -> str:
    """One line per run and group; group "all" is the sum."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_RUN_COLUMNS)
    for one in measurements:
        for number, run in enumerate(one.runs, 1):
            for name, count in {**run.groups, "all": run.total}.items():
                writer.writerow(
                    [
                        one.label, one.kernel, number, name,
                        f"{run.per_kib(count.instructions):.4f}",
                        f"{run.per_kib(count.repeats):.4f}",
                        f"{run.per_kib(count.atomics):.5f}",
                        f"{run.per_packet(count.atomics):.5f}",
                        f"{run.per_packet(count.barriers):.5f}",
                        run.bytes, run.packets, run.calls,
                        "" if run.copied is None else run.copied,
                        f"{run.seconds:.6f}", f"{run.load:.1f}",
                    ]
                )  # fmt: skip
    return text.getvalue()


def functions_csv(measurements: Sequence[Measurement]) -> str:
    """One line per function of each variant's typical run, the dearest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FUNCTION_COLUMNS)
    for one in measurements:
        run = one.typical
        dearest = sorted(run.functions.items(), key=lambda item: -item[1].instructions)
        for symbol, count in dearest:
            cost = run.per_kib(count.instructions)
            if cost < LEAST_PER_KIB:
                break
            writer.writerow(
                [
                    one.label, one.kernel, group_of(symbol), symbol.name, symbol.module,
                    f"{cost:.3f}", f"{run.per_kib(count.repeats):.3f}",
                    f"{run.per_packet(count.atomics):.4f}",
                    f"{run.per_packet(count.barriers):.4f}",
                    f"{run.per_packet(count.calls):.4f}",
                ]
            )  # fmt: skip
    return text.getvalue()


def kernel_share(measurement: Measurement) -> Summary:
    """Instructions per KiB outside user space."""
    return measurement.summary(
        lambda run: run.per_kib(run.total.instructions - run.groups[USER_SPACE].instructions)
    )
