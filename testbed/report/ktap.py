# SPDX-License-Identifier: GPL-2.0-only
"""results.ktap: the checks in the kernel's test output format, a subtest for each group.

Source: Documentation/dev-tools/ktap.rst; tools/testing/kunit/kunit_parser.py reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from testbed.report.results import Check, Outcome, RunReport

FILE_NAME = "results.ktap"
VERSION = "KTAP version 1"
_INDENT = "    "


def _name(text: str) -> str:
    # '#' would begin a directive, so it is escaped in a name (ktap.rst, "Test case result lines").
    return text.replace("#", "\\#")


def _comment(text: str) -> str:
    """A diagnostic line. A guest's words must not begin a subtest: "# Subtest: x" would."""
    indent = " " if text.startswith("Subtest:") else ""
    return f"# {indent}{text}".rstrip()


def _line(number: int, check: Check) -> str:
    result = "not ok" if check.outcome is Outcome.FAIL else "ok"
    word = {Outcome.SKIP: "SKIP", Outcome.FINDING: "XFAIL"}.get(check.outcome)
    directive = f" # {word} {check.reason}" if word else ""
    return f"{result} {number} {_name(check.name)}{directive}".rstrip()


def _diagnostics(check: Check) -> list[str]:
    lines = []
    if check.outcome in (Outcome.FAIL, Outcome.FINDING, Outcome.GONE) and check.reason:
        lines.append(check.reason)
    if check.measured:
        lines.append(check.measured)
    if check.not_witnessed:
        lines.append(f"not witnessed: {check.not_witnessed}")
    lines.extend(check.detail.splitlines())
    return [_comment(line) for line in lines]


def _cases(checks: Iterable[Check], first: int = 1) -> list[str]:
    """Diagnostics stand before the result they explain, as the format asks."""
    lines = []
    for number, check in enumerate(checks, start=first):
        lines += [*_diagnostics(check), _line(number, check)]
    return lines


def _group(number: int, name: str, checks: Sequence[Check]) -> list[str]:
    """A subtest and its result, which is that of its cases."""
    outcomes = {check.outcome for check in checks}
    result = "not ok" if Outcome.FAIL in outcomes else "ok"
    skipped = " # SKIP" if outcomes == {Outcome.SKIP} else ""
    inner = [VERSION, f"# Subtest: {name}", f"1..{len(checks)}", *_cases(checks)]
    return [*(f"{_INDENT}{line}" for line in inner), f"{result} {number} {_name(name)}{skipped}"]


def _ending(number: int, report: RunReport) -> list[str]:
    """A run that ended early has one more result, which is not ok."""
    reasons = [report.interruption] if report.interruption else []
    if report.problem is not None:
        reasons += report.problem.lines
    return [*map(_comment, reasons), f"not ok {number} run"]


def render(report: RunReport) -> str:
    """The whole file."""
    lines: list[str] = []
    number = 0
    for name, members in groupby(report.checks, lambda check: check.group):
        checks = list(members)
        if name:
            number += 1
            lines += _group(number, name, checks)
        else:
            lines += _cases(checks, number + 1)
            number += len(checks)
    early = report.problem is not None or bool(report.interruption)
    if early:
        number += 1
        lines += _ending(number, report)
    totals = report.totals
    end = (
        f"# Totals: pass:{totals.passed} fail:{totals.failed} xfail:{totals.findings} "
        f"xpass:{totals.gone} skip:{totals.skipped} error:{int(early)}"
    )
    return "\n".join([VERSION, f"1..{number}", *lines, end]) + "\n"
