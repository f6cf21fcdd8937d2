# SPDX-License-Identifier: GPL-2.0-only
"""docs/results.json: of each job what its last run on record found, and when a bug was last caught.

Tables in documents are made of this file alone, so that a test can compare them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from testbed import ROOT
from tests.jobs.results import JobRun, Outcome
from tests.jobs.seeds import PROMISED
from tests.seeded.choice import TRIED

FILE = ROOT / "docs" / "results.json"
CAUGHT = "tests/driver/test_seeded.py::test_bug_is_caught"


def load() -> dict[str, Any]:
    """The record: ``jobs``, ``promised`` and ``caught``, each by name."""
    record: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return record


def save(record: Mapping[str, Any]) -> None:
    """Write it, sorted."""
    FILE.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def update(record: dict[str, Any], runs: Sequence[JobRun]) -> None:
    """Put ``runs`` in the place of what the record has of the same jobs."""
    for run in runs:
        counted = Counter(case.outcome.value for case in run.cases)
        skips = Counter(case.reason for case in run.cases if case.outcome is Outcome.SKIP)
        record["jobs"][run.job] = {
            "date": run.date, "seconds": round(run.seconds), "skips": dict(skips),
            **{outcome.value: counted[outcome.value] for outcome in Outcome},
        }  # fmt: skip
        for row in PROMISED:
            found = Counter(case.outcome.value for case in run.cases if row.covers(case.node))
            jobs = record["promised"].setdefault(row.feature, {})
            jobs.pop(run.job, None)
            if found:
                jobs[run.job] = dict(found)
    update_caught(record, runs)


def update_caught(record: dict[str, Any], runs: Iterable[JobRun]) -> None:
    """Only which seeded bugs ``runs``, which may be parts of jobs, have seen caught."""
    known = {f"{CAUGHT}[{bug}]": str(bug) for bug in TRIED}
    for run in runs:
        for case in run.cases:
            if case.node in known and case.outcome is Outcome.PASS:
                record["caught"][known[case.node]] = run.date
    _forget(record)


def _forget(record: dict[str, Any]) -> None:
    """What has no row any more."""
    bugs, features = {str(bug) for bug in TRIED}, {row.feature for row in PROMISED}
    record["caught"] = {bug: date for bug, date in record["caught"].items() if bug in bugs}
    record["promised"] = {one: jobs for one, jobs in record["promised"].items() if one in features}
