# SPDX-License-Identifier: GPL-2.0-only
"""summary.json, whose published schema is ``summary.schema.json`` in this folder.

The schema's major version changes when a field goes or changes its meaning; new fields may be
added within one. Readers must ignore fields they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from signal import Signals
from typing import Any

from testbed.options import ENGINES
from testbed.report.results import Check, RunReport

SCHEMA_VERSION = 2
FILE_NAME = "summary.json"
_MACHINE = (
    "seed", "engine", "accelerator", "iommu", "cpus", "timing", "kernel_release", "module_sha256",
)  # fmt: skip
"""Fields of the report that are in the summary under the same name and as they are."""


def schema() -> dict[str, Any]:
    """The published JSON schema (draft 2020-12), with the engines there are."""
    text = files(__package__).joinpath("summary.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    loaded["properties"]["engine"]["enum"] = [*ENGINES, None]
    return loaded


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name, "title": check.title, "group": check.group,
        "outcome": check.outcome.value, "seconds": round(check.seconds, 3), "reason": check.reason,
        "fault": check.fault or None, "measured": check.measured, "findings": list(check.findings),
        "gone": list(check.gone),
        "splats": [splat.as_document() for splat in check.splats],
        "splats_left_out": check.splats_left_out,
        "not_witnessed": check.not_witnessed or None,
        "file": check.file or None, "line": check.line, "evidence": check.evidence or None,
    }  # fmt: skip


def _on_record(checks_of: Mapping[str, Sequence[Check]]) -> list[dict[str, Any]]:
    return [
        {"id": name, "file": f"docs/findings/{name}.md", "checks": [one.name for one in checks]}
        for name, checks in checks_of.items()
    ]


def as_document(report: RunReport) -> dict[str, Any]:
    """``report`` as the schema wants it."""
    problem = report.problem
    return {
        "schema_version": SCHEMA_VERSION,
        "job": report.job,
        "verdict": report.verdict.value,
        "exit_code": report.exit_code,
        "command_status": report.command_status,
        "interrupted_by": Signals(report.interrupted_by).name if report.interrupted_by else None,
        "started_at": report.started_at,
        "command": list(report.command),
        **{name: getattr(report, name) for name in _MACHINE},
        "wall_seconds": round(report.wall_seconds, 3),
        "boot_seconds": None if report.boot_seconds is None else round(report.boot_seconds, 3),
        "tests": asdict(report.totals),
        "zcrx": asdict(report.zcrx),
        "queue_restarts": report.queue_restarts,
        "event_hash": report.event_hash,
        "violations": report.violations,
        "unknown_hwrm": report.unknown_hwrm,
        "refused_hwrm": dict(sorted(report.refused_hwrm.items())),
        "missing_hwrm": dict(sorted(report.missing_hwrm.items())),
        "problem": problem and {**asdict(problem), "lines": list(problem.lines)},
        "findings": _on_record(report.by_finding()),
        "gone": _on_record(report.by_gone()),
        "checks": [_check(check) for check in report.checks],
        "seen": [
            {"kind": one.kind.value, "name": one.name, "times": one.times, "line": one.line}
            for one in report.seen
        ],
        "not_witnessed": dict(report.not_witnessed),
        "provenance": dict(report.provenance),
    }


def render(report: RunReport) -> str:
    """summary.json's text."""
    return json.dumps(as_document(report), indent=2, ensure_ascii=True) + "\n"
