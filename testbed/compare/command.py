# SPDX-License-Identifier: GPL-2.0-only
"""A comparison from the plan to the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from testbed.compare import page, plot, tables
from testbed.compare.measure import measure
from testbed.compare.variants import MeasurementPlan, Variant
from testbed.report.rundir import RunDirectory, now_utc

PLOT = "compare.svg"
FILE_WIDTH = 160
"""Columns of the tables where no terminal limits them."""


def run_comparison(
    variants: Sequence[Variant], plan: MeasurementPlan, folder: RunDirectory, out: Path | None
) -> None:
    """Measure, write plot, page and CSV to ``folder`` and to ``out``, print the tables.

    Raises what :func:`testbed.compare.measure.measure` does.
    """
    errors = Console(stderr=True)
    found = measure(
        variants, plan, folder.path, lambda text: errors.print(Text(text, style="dim")), errors
    )
    guests = "one guest" if plan.boots == 1 else f"each of {plan.boots} guests"
    facts = [
        now_utc(),
        f"{plan.runs} runs of {plan.stream_bytes >> 20} MiB, where no mib is given, in {guests}",
        f"seed {plan.seed}", "TCG, -icount shift=1,sleep=off", "one flow, sender inside the card",
    ]  # fmt: skip
    drawing = plot.drawing(found)
    texts = {
        tables.RUNS_CSV: tables.runs_csv(found),
        tables.FUNCTIONS_CSV: tables.functions_csv(found),
        PLOT: drawing,
        page.FILE_NAME: page.render(found, drawing, facts),
    }
    for name, text in texts.items():
        folder.write(name, text)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, encoding="utf-8")
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    for each in tables.table(found):
        console.print(each)
    console.print(Text(f"report: {folder.path / page.FILE_NAME}"))
