# SPDX-License-Identifier: GPL-2.0-only
"""summary.html: the run on one self-contained page. Jinja2 escapes every value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from testbed.host.terminal import escape_text
from testbed.report.limits import shorten
from testbed.report.pages import templates
from testbed.report.quantities import binary_bytes, seconds_text
from testbed.report.results import Check, Outcome, RunReport, RunVerdict

FILE_NAME = "summary.html"

_HEADLINES = {
    RunVerdict.PASS: "Every check passed",
    RunVerdict.FAIL: "Checks failed",
    RunVerdict.USAGE: "What was requested is impossible",
    RunVerdict.ENVIRONMENT: "The host lacks something",
    RunVerdict.MODEL: "The card itself failed",
    RunVerdict.LOST_VM: "The guest was lost",
    RunVerdict.INTERRUPTED: "Interrupted",
    RunVerdict.CHANGED: "Known issues are not as on record",
}
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_GOOD, _BAD, _NEUTRAL = "good", "bad", "neutral"


@dataclass(frozen=True)
class Figure:
    """One number of the page's head."""

    label: str
    value: str
    note: str = ""
    tone: str = _NEUTRAL


@dataclass(frozen=True)
class Alike:
    """Checks that went wrong in the same way: the first, and the others."""

    first: Check
    others: Sequence[Check]


def alike(checks: Iterable[Check]) -> list[Alike]:
    """``checks`` by what went wrong, in the order in which it first came; numbers do not count."""
    found: dict[tuple[object, ...], list[Check]] = {}
    for check in checks:
        signatures = tuple(sorted(splat.signature for splat in check.splats))
        reason = _NUMBER.sub("#", check.reason)
        found.setdefault((check.outcome, check.fault, reason, signatures), []).append(check)
    return [Alike(first, others) for first, *others in found.values()]


def evidence_of(check: Check, files: Iterable[tuple[str, int]]) -> list[str]:
    """Of the run's files those that the check's own folder holds."""
    folder = f"{check.evidence}/"
    return [name for name, _ in files if check.evidence and name.startswith(folder)]


def _count_tone(count: int | None) -> str:
    if count is None:
        return _NEUTRAL
    return _BAD if count else _GOOD


def _zcrx_figures(report: RunReport) -> Iterable[Figure]:
    zcrx = report.zcrx
    if zcrx.sha256_equal is None:
        return
    yield Figure(
        "received by zero copy",
        binary_bytes(zcrx.bytes),
        "SHA-256 equal at both ends" if zcrx.sha256_equal else "SHA-256 differs",
        _GOOD if zcrx.sha256_equal else _BAD,
    )
    if zcrx.copied_bytes is None:
        yield Figure("copied by the kernel", "unknown", "this kernel does not count copies")
        return
    note = "the kernel's own count"
    if zcrx.control_copied_bytes is not None:
        note += f"; control run: {binary_bytes(zcrx.control_copied_bytes)}"
    yield Figure(
        "copied by the kernel", binary_bytes(zcrx.copied_bytes), note,
        _count_tone(zcrx.copied_bytes),
    )  # fmt: skip


def figures(report: RunReport) -> list[Figure]:
    """The numbers at the head of the page; only those this run has."""
    totals = report.totals
    parts = [f"{totals.failed} failed", f"{totals.findings} findings", f"{totals.skipped} skipped"]
    parts += [f"{totals.gone} gone"] if totals.gone else []
    found = [
        Figure("checks passed", str(totals.passed), ", ".join(parts), _count_tone(totals.failed))
    ]
    found += _zcrx_figures(report)
    if report.queue_restarts:
        note = "while other queues carry traffic"
        found.append(Figure("queue restarts", str(report.queue_restarts), note))
    if report.violations is not None:
        unknown = report.unknown_hwrm or 0
        found.append(
            Figure(
                "violations", str(report.violations), f"{unknown} unknown firmware requests",
                _count_tone(report.violations + unknown),
            )
        )  # fmt: skip
        refused = sum(report.refused_hwrm.values()) + sum(report.missing_hwrm.values())
        found.append(Figure("requests refused", str(refused), report.refused_text))
    boot = "" if report.boot_seconds is None else f"boot {seconds_text(report.boot_seconds)}"
    found.append(Figure("wall clock", seconds_text(report.wall_seconds), boot))
    return found


def _subtitle(report: RunReport) -> list[str]:
    parts: list[str | None] = [report.started_at]
    parts.append(f"kernel {report.kernel_release}" if report.kernel_release else None)
    parts.append(f"QEMU {report.accelerator}" if report.accelerator else None)
    parts.append(f"{report.cpus} vCPUs" if report.cpus else None)
    parts.append(f"vIOMMU {report.iommu}" if report.iommu else None)
    parts.append(f"{report.timing} timing" if report.timing else None)
    parts.append(f"seed {report.seed}" if report.seed is not None else None)
    return [part for part in parts if part]


def _grouped(checks: Sequence[Check]) -> list[tuple[str, list[Check]]]:
    return [(name, list(members)) for name, members in groupby(checks, lambda check: check.group)]


def render(report: RunReport, files: Sequence[tuple[str, int]]) -> str:
    """The page. ``files`` are (name, bytes) of what lies beside it."""
    environment = templates("testbed.report")
    environment.filters["seconds"] = seconds_text
    environment.filters["size"] = binary_bytes
    longest = max((check.seconds for check in report.checks), default=0.0)
    bad = [c for c in report.checks if c.outcome in (Outcome.FAIL, Outcome.FINDING)]
    headline = _HEADLINES[report.verdict]
    if report.verdict is RunVerdict.PASS and report.by_finding():
        headline = f"Nothing but what is on record: {', '.join(report.by_finding())}"
    return environment.get_template("summary.html.j2").render(
        report=report, verdict=report.verdict, headline=headline, subtitle=_subtitle(report),
        figures=figures(report), groups=_grouped(report.checks), failing=bad, alike=alike(bad),
        evidence_of=lambda check: evidence_of(check, files),
        gone=report.by_gone(),
        unjudged=[
            (one.line, shorten(escape_text(one.detail)))
            for one in report.unjudged
        ],
        longest=longest or 1.0, files=files, command=shlex.join(report.command),
    )  # fmt: skip
