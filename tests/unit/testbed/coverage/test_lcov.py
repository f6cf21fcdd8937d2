# SPDX-License-Identifier: GPL-2.0-only
"""The lcov tracefile, record by record."""

from __future__ import annotations

from pathlib import Path

from testbed.coverage import lcov
from testbed.coverage.account import account
from testbed.coverage.program import Frame, Function, Point

ZCRX = Function("io_zcrx_recv", "io_uring/zcrx.c", 10)
LEFT = Function("io_zcrx_unmap", "io_uring/zcrx.c", 40)
POINTS = [
    Point(1, (Frame(ZCRX, "io_uring/zcrx.c", 11),)),
    Point(2, (Frame(ZCRX, "io_uring/zcrx.c", 12),)),
    Point(3, (Frame(LEFT, "io_uring/zcrx.c", 41),)),
]


def test_functions_and_lines_with_their_counts() -> None:
    text = lcov.render(account(POINTS, {1: 7}), Path("/src"))
    assert text.splitlines() == [
        "TN:testbed", "SF:/src/io_uring/zcrx.c", "FN:10,io_zcrx_recv", "FN:40,io_zcrx_unmap",
        "FNDA:7,io_zcrx_recv", "FNDA:0,io_zcrx_unmap", "FNF:2", "FNH:1", "DA:11,7", "DA:12,0",
        "DA:41,0", "LF:3", "LH:1", "end_of_record",
    ]  # fmt: skip
