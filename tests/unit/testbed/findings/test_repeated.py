# SPDX-License-Identifier: GPL-2.0-only
"""Many complaints in few words."""

from __future__ import annotations

import pytest

from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.repeated import COMPLAINTS_SHOWN, describe_complaints, fold
from testbed.findings.splat_report import SplatReport, reports


def complaints(*lines: str) -> list[SplatReport]:
    watcher = KernelLogWatcher()
    for line in lines:
        watcher.feed(f"[ 1.0] {line}\n".encode())
    return reports(watcher.events)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            "WARNING: CPU: 0 PID: 7 at net/core/dev.c:7 odd+0x1/0x2",
            "WARNING: CPU: 1 PID: 12 at net/core/dev.c:7 odd+0x1/0x2",
        ),
        (
            "WARNING: net/core/dev.c:7 at odd+0x1/0x2, CPU#0: ip/46",
            "WARNING: net/core/dev.c:7 at odd+0x1/0x2, CPU#1: stream_tx/9",
        ),
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000048",
            "BUG: kernel NULL pointer dereference, address: 0000000000000050",
        ),
        (
            "INFO: task ip:99 blocked for more than 120 seconds.",
            "INFO: task ip:101 blocked for more than 120 seconds.",
        ),
    ],
)
def test_the_same_complaint_is_counted(first: str, then: str) -> None:
    end = "---[ end trace 0 ]---"
    (one,) = fold(complaints(first, end, then, end, then, end))
    assert (one.count, one.headline) == (3, first)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            "WARNING: CPU: 0 PID: 7 at net/core/dev.c:7 odd+0x1/0x2",
            "WARNING: CPU: 0 PID: 7 at net/core/dev.c:8 odd+0x1/0x2",
        ),
        (
            "bnxt_en 0000:01:00.0 nut0: hwrm req_type 0x50 seq id 0x21 error 0x4",
            "bnxt_en 0000:01:00.0 nut0: hwrm req_type 0x51 seq id 0x21 error 0x4",
        ),
        (
            "page_pool_empty_ring() page_pool refcnt 2 violation",
            "page_pool_empty_ring() page_pool refcnt 3 violation",
        ),
    ],
)
def test_another_complaint_is_another_one(first: str, then: str) -> None:
    end = "---[ end trace 0 ]---"
    assert [one.count for one in fold(complaints(first, end, then, end))] == [1, 1]


def test_folding_what_is_folded_keeps_the_count() -> None:
    line = "page_pool_empty_ring() page_pool refcnt 2 violation"
    once = fold(complaints(line, line))
    assert [one.count for one in fold([*once, *complaints(line)])] == [3]


def test_short_complaint_is_told_whole() -> None:
    line = "page_pool_empty_ring() page_pool refcnt 2 violation"
    assert describe_complaints(complaints(line), "kernel.log") == [f"[ 1.0] {line}"]


def test_what_is_left_out_is_counted_and_the_log_named() -> None:
    lines = [
        f"bnxt_en 0000:01:00.0 nut0: hwrm req_type {number:#x} error" for number in range(100, 130)
    ]
    *shown, rest, where = describe_complaints(complaints(*lines, *lines), "x/kernel.log")
    assert len(shown) == COMPLAINTS_SHOWN
    assert shown[0].endswith("req_type 0x64 error\n(2 times; shown is the first)")
    assert rest == f"... and {2 * (30 - COMPLAINTS_SHOWN)} more complaints, 22 different ones"
    assert where == "all of it: x/kernel.log"


def test_long_trace_is_cut() -> None:
    found = complaints("BUG: KASAN: odd in f+0x1/0x2", *(f" g{n}+0x1/0x2" for n in range(20)))
    told, where = describe_complaints(found, "kernel.log", lines=5)
    assert told.split("\n")[-1] == "... 16 more lines"
    assert len(told.split("\n")) == 6
    assert where == "all of it: kernel.log"
