# SPDX-License-Identifier: GPL-2.0-only
"""A report does not grow with what a kernel prints."""

from __future__ import annotations

from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.splat_report import SplatReport, reports
from testbed.report.limits import (
    DETAIL_LINES,
    LINE_CHARACTERS,
    SPLATS_KEPT,
    shorten,
    shorten_line,
)
from testbed.report.results import Check, Outcome


def test_a_short_text_stays() -> None:
    text = "\n".join("x" * DETAIL_LINES)
    assert shorten(text) == text


def test_a_long_text_keeps_both_ends_and_counts() -> None:
    lines = shorten("\n".join(map(str, range(1000)))).split("\n")
    assert len(lines) == DETAIL_LINES + 1
    assert (lines[0], lines[-1]) == ("0", "999")
    assert "[600 lines left out]" in lines


def test_a_long_line_is_cut_and_counted() -> None:
    assert shorten_line("x" * LINE_CHARACTERS) == "x" * LINE_CHARACTERS
    assert shorten_line("x" * 5000) == "x" * LINE_CHARACTERS + " [904 characters left out]"


def many(count: int) -> tuple[SplatReport, ...]:
    watcher = KernelLogWatcher()
    for number in range(count):
        watcher.feed(f"bnxt_en 0000:01:00.0 nut0: hwrm req_type {number:#x} error\n".encode() * 2)
    return tuple(reports(watcher.events))


def test_a_check_keeps_a_few_complaints_and_counts_all() -> None:
    check = Check(
        name="a", title="a", outcome=Outcome.FAIL, splats=many(50), reason="x" * 9000,
        detail="y\n" * 9000, splats_left_out=1,
    )  # fmt: skip
    assert len(check.splats) == SPLATS_KEPT
    assert sum(one.count for one in check.splats) + check.splats_left_out == 101
    assert len(check.reason) < 5000
    assert len(check.detail.split("\n")) == DETAIL_LINES + 1
