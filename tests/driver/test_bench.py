# SPDX-License-Identifier: GPL-2.0-only
"""The page_pool benchmark: a kernel is like itself, and unlike one with a few instructions more.

A kernel is built for each side, so CI leaves it to the night (``--all-bugs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from testbed.bench.kernels import bench_kernel
from testbed.bench.page_pool import PathCost, measure
from testbed.bench.sides import SAME, compare

PATCH = Path(__file__).parent / "bench" / "page_pool_fast_path_counter.patch"
KERNEL = "x86:7.2"
MOST_ADDED = 10  # instructions of that patch


def cost_of(name: str, folder: Path) -> Mapping[str, PathCost]:
    folder.mkdir()
    return measure(bench_kernel(name, print), folder, say=print)


def test_same_and_slower_kernel(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("all_bugs"):
        pytest.skip("--all-bugs builds the kernels for it")
    once, again = (cost_of(KERNEL, tmp_path / name) for name in ("a", "b"))
    slower = cost_of(f"{KERNEL}+{PATCH}", tmp_path / "c")
    for path in compare(once, again):
        assert abs(path.difference) < SAME, path
        assert not path.differs, path
    fast, *_ = compare(once, slower)
    assert fast.differs, fast
    assert 1 <= fast.b - fast.a <= MOST_ADDED
