# SPDX-License-Identifier: GPL-2.0-only
"""A benchmark of the wire from the plan to the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from testbed.bench import files
from testbed.bench.ratio import summary
from testbed.bench.wire import plot, tables
from testbed.bench.wire.measure import measure
from testbed.bench.wire.plan import WirePlan
from testbed.bench.wire.results import compare, document, samples_csv
from testbed.host.console import console as console_of
from testbed.host.load import Load, LoadSeen
from testbed.report import provenance
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

RESULT, SAMPLES, PLOT = "wire.json", "wire.csv", "wire.svg"


def run_wire(
    plan: WirePlan, folder: RunDirectory, out: Path | None, report: RunReport,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Measure, write plot, JSON and CSV to ``folder`` and to ``out``, print the tables.

    A ratio that cannot be told makes ``report`` one of exit code 6. Raises what
    :func:`testbed.bench.wire.measure.measure` does.
    """
    before = Load.now()
    measured = measure(plan, folder.path, report, say)
    load = LoadSeen.since(before)
    commit = provenance.repository_commit()
    report.kernel_release = measured.kernel
    report.accelerator, report.cpus = measured.accelerator, plan.cpus
    report.note("repository commit", commit)
    report.note("host load", str(load))
    found = compare(measured, plan)
    result = document(measured, plan, found, load, commit)
    texts = {
        RESULT: json.dumps(result, indent=1) + "\n",
        SAMPLES: samples_csv(measured),
        PLOT: plot.drawing(found, plan.widest),
    }
    files.write(texts, folder, out)
    console = console_of()
    console.print(Text(tables.RATES), tables.rates(measured, plan))
    console.print(Text(tables.RATIOS), tables.ratios(found, plan.widest))
    console.print(Text(str(load)))
    untold = summary([one for pair in found for one in (pair.rate, pair.cpu)], plan.widest)
    if untold:
        report.changed = True
        console.print(Text(untold))
    report.judge_seen(strict=True)
