# SPDX-License-Identifier: GPL-2.0-only
"""Many complaints told in few words: the same one is counted, and of many the first are shown.

One bug in a receive path complains with every packet. What is left out is counted, and the log
that has all of it is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from testbed.findings.splat_report import SplatReport

COMPLAINTS_SHOWN = 8
LINES_SHOWN = 60

# What differs between two reports of one bug: addresses, the CPU and the task it happened on.
_INCIDENTAL = re.compile(
    r"0x[0-9a-f]{6,}|\b[0-9a-f]{8,}\b|CPU: \d+( PID: \d+)?|CPU#\d+|(?<=[\s\[])[\w.:-]+/\d+\b"
    r"|(?<=task )\S+:\d+"
)


def fold(reports: Iterable[SplatReport]) -> list[SplatReport]:
    """Each different complaint once, as it came first; ``count`` says how often it came."""
    found: dict[tuple[object, ...], SplatReport] = {}
    for one in reports:
        headline = _INCIDENTAL.sub("", one.headline)
        key = (one.signature, one.location, headline, one.panicked)
        first = found.get(key)
        found[key] = one if first is None else replace(first, count=first.count + one.count)
    return list(found.values())


def describe_complaints(
    reports: Sequence[SplatReport], log: Path | str, *, lines: int = LINES_SHOWN
) -> list[str]:
    """One text for each different complaint: how it was printed, ``lines`` at most, how often.

    ``log``: where all of it is, for whoever reads that something was left out.
    """
    different = fold(reports)
    told = [_describe(one, lines) for one in different[:COMPLAINTS_SHOWN]]
    rest = different[COMPLAINTS_SHOWN:]
    if rest:
        count = sum(one.count for one in rest)
        told.append(f"... and {count} more complaints, {len(rest)} different ones")
    if rest or any(_left_out(one, lines) for one in different):
        told.append(f"all of it: {log}")
    return told


def _excerpt(report: SplatReport) -> list[str]:
    return [line for event in report.events for line in event.excerpt]


def _left_out(report: SplatReport, lines: int) -> bool:
    return report.count > 1 or len(_excerpt(report)) > lines


def _describe(report: SplatReport, lines: int) -> str:
    every = _excerpt(report)
    told = every[:lines]
    if len(every) > lines:
        told.append(f"... {len(every) - lines} more lines")
    if report.count > 1:
        told.append(f"({report.count} times; shown is the first)")
    return "\n".join(told)
