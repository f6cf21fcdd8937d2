# SPDX-License-Identifier: GPL-2.0-only
"""A benchmark of growth from the plan to the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from testbed.bench import files
from testbed.bench.growth import plot, results
from testbed.bench.growth.measure import measure
from testbed.bench.growth.plan import GrowthPlan
from testbed.bench.ratio import summary
from testbed.host.console import console as console_of
from testbed.host.load import Load, LoadSeen
from testbed.report import provenance
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

RESULT, SAMPLES, PLOT = "growth.json", "growth.csv", "growth.svg"


def run_growth(
    plan: GrowthPlan, widest: float, folder: RunDirectory, out: Path | None, report: RunReport,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Measure, write plot, JSON and CSV, print the table.

    A ratio that cannot be told makes ``report`` one of exit code 6. Raises what
    :func:`testbed.bench.growth.measure.measure` does.
    """
    before = Load.now()
    found = measure(plan, folder.path, report, say)
    load = LoadSeen.since(before)
    commit = provenance.repository_commit()
    report.cpus = plan.cpus
    report.note("repository commit", commit)
    report.note("host load", str(load))
    made = results.points(found)
    texts = {
        RESULT: json.dumps(results.document(made, widest, load, commit), indent=1) + "\n",
        SAMPLES: results.samples_csv(found),
        PLOT: plot.drawing(made),
    }
    files.write(texts, folder, out)
    console = console_of()
    console.print(results.table(made, widest), Text(str(load)))
    untold = summary([each for one in made for each in (one.rate, one.cost)], widest)
    if untold:
        report.changed = True
        console.print(Text(untold))
    report.judge_seen(strict=True)
