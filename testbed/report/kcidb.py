# SPDX-License-Identifier: GPL-2.0-only
"""A run for KCIDB, the kernel community's database of test results (schema 5.0).

Source: kcidb-io, ``kcidb_io/schema/v05_00.py``. A bug on record is an issue, and each check that
showed it an incident of that issue; one that looked for it in vain says that it is not present.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from testbed.errors import UsageProblem
from testbed.report.summary import FILE_NAME

VERSION = {"major": 5, "minor": 0}
ORIGIN = re.compile(r"[a-z0-9_]+")
ROOT = "bnxt_testbed"
EXCERPT_CHARACTERS = 16384

_STATUS = {"pass": "PASS", "gone": "PASS", "finding": "FAIL", "fail": "FAIL", "skip": "SKIP"}
_BY_FAULT = {"lost VM": "ERROR", "testbed": "ERROR"}
_OTHER = re.compile(r"[^a-zA-Z0-9_-]+")


def export(run: Path, origin: str) -> str:
    """The report of a run directory as JSON; ``origin`` names the CI system.

    Raises UsageProblem.
    """
    if ORIGIN.fullmatch(origin) is None:
        raise UsageProblem(f"--origin {origin!r}", remedy="allowed: small letters, digits, _")
    file = run / FILE_NAME if run.is_dir() else run
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        return json.dumps(as_document(summary, origin), indent=1) + "\n"
    except OSError as err:
        raise UsageProblem(f"{file} cannot be read: {err.strerror}") from err
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise UsageProblem(f"{file} is no summary of a run") from err


def as_document(summary: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """What KCIDB's schema wants of a summary (testbed/report/summary.schema.json)."""
    provenance = {key: value for key, value in summary["provenance"].items() if value is not None}
    kernel = _hash(summary["kernel_release"], *sorted(provenance.items()))
    name = f"{origin}:{kernel}"
    run = _hash(kernel, summary["started_at"], *summary["command"])
    release = summary["kernel_release"] or "unknown"
    checkout = {"id": name, "origin": origin, "comment": f"Linux {release}", "misc": provenance}
    build = {
        "id": name, "checkout_id": name, "origin": origin, "comment": f"Linux {release}",
        "architecture": "um" if summary["engine"] == "uml" else "x86_64", "status": "PASS",
    }  # fmt: skip
    tests = [
        _test(summary, check, f"{origin}:{run}.{number}", name, origin)
        for number, check in enumerate(summary["checks"])
    ]
    issues, incidents = _issues(summary, [one["id"] for one in tests], origin)
    return {
        "version": VERSION, "checkouts": [checkout], "builds": [build], "tests": tests,
        "issues": issues, "incidents": incidents,
    }  # fmt: skip


def _hash(*parts: object) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _path(*parts: str) -> str:
    words = (_OTHER.sub("_", part.removesuffix(".py")).strip("_") for part in parts)
    return ".".join(word for word in words if word)


def _test(
    summary: Mapping[str, Any], check: Mapping[str, Any], name: str, build: str, origin: str
) -> dict[str, Any]:
    fault = check["fault"]
    status = _BY_FAULT.get(fault, "MISS") if fault else _STATUS[check["outcome"]]
    machine = {key: summary[key] for key in ("engine", "accelerator", "iommu", "cpus", "seed")}
    group = str(check["group"]).split("/")
    test = {
        "id": name, "build_id": build, "origin": origin, "status": status,
        "path": _path(ROOT, str(summary["job"]), *group, str(check["name"])),
        "comment": check["title"], "duration": check["seconds"],
        "start_time": summary["started_at"],
        "environment": {
            "comment": "an emulated BCM57508, and the machine beside it",
            "misc": {key: value for key, value in machine.items() if value is not None},
        },
        "misc": {"measured": check["measured"]} if check["measured"] else {},
    }  # fmt: skip
    said = check["reason"] or "; ".join(one["headline"] for one in check["splats"])
    return {**test, "log_excerpt": said[:EXCERPT_CHARACTERS]} if said else test


def _issues(
    summary: Mapping[str, Any], tests: list[str], origin: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    issues: dict[str, dict[str, Any]] = {}
    incidents = []
    for test, check in zip(tests, summary["checks"], strict=True):
        for key, present in (("findings", True), ("gone", False)):
            for finding in check.get(key, ()):
                issue = f"{origin}:{finding}"
                issues[finding] = {
                    "id": issue, "version": 1, "origin": origin, "comment": finding,
                    "culprit": {"code": True},
                }  # fmt: skip
                incidents.append({
                    "id": f"{test}.{finding}", "origin": origin, "issue_id": issue,
                    "issue_version": 1, "test_id": test, "present": present,
                })  # fmt: skip
    return list(issues.values()), incidents
