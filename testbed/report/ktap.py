# SPDX-License-Identifier: GPL-2.0-only
"""results.ktap: the checks in the kernel's test output format.

Source: Documentation/dev-tools/ktap.rst.
"""

from __future__ import annotations

from testbed.report.results import Check, Outcome, RunReport

FILE_NAME = "results.ktap"


def _line(number: int, check: Check) -> str:
    result = "not ok" if check.outcome is Outcome.FAIL else "ok"
    # '#' would begin a directive, so it is escaped in a name (ktap.rst, "Test case result lines").
    name = check.name.replace("#", "\\#")
    word = {Outcome.SKIP: "SKIP", Outcome.FINDING: "XFAIL"}.get(check.outcome)
    directive = f" # {word} {check.reason}" if word else ""
    return f"{result} {number} {name}{directive}".rstrip()


def _diagnostics(check: Check) -> list[str]:
    lines = []
    if check.outcome in (Outcome.FAIL, Outcome.FINDING, Outcome.GONE) and check.reason:
        lines.append(check.reason)
    if check.measured:
        lines.append(check.measured)
    if check.not_witnessed:
        lines.append(f"not witnessed: {check.not_witnessed}")
    lines.extend(check.detail.splitlines())
    return [f"# {line}".rstrip() for line in lines]


def render(report: RunReport) -> str:
    """The whole file. Diagnostics stand before the result they explain, as the format asks."""
    lines = ["KTAP version 1", f"1..{len(report.checks)}"]
    for number, check in enumerate(report.checks, start=1):
        lines += _diagnostics(check)
        lines.append(_line(number, check))
    totals = report.totals
    if report.interruption:
        lines.append(f"# {report.interruption}")
    if report.problem is not None:
        lines += [f"# {line}" for line in report.problem.lines]
    early = report.problem is not None or bool(report.interruption)
    lines.append(
        f"# Totals: pass:{totals.passed} fail:{totals.failed} xfail:{totals.findings} "
        f"xpass:{totals.gone} skip:{totals.skipped} error:{int(early)}"
    )
    return "\n".join(lines) + "\n"
