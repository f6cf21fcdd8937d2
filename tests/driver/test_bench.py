# SPDX-License-Identifier: GPL-2.0-only
"""The page_pool benchmark: a kernel is like itself, and unlike one with a few instructions more.

A kernel is built for each side, so CI leaves it to the night (``--all-seeded``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from testbed.bench.kernels import bench_kernel
from testbed.bench.page_pool import PathCost, measure
from testbed.bench.sides import SAME, compare
from tests.seeded.record import Benchmark, Seeded
from tests.seeded.table import SEEDED

KERNEL = "x86:7.2"


def cost_of(name: str, folder: Path) -> Mapping[str, PathCost]:
    folder.mkdir()
    return measure(bench_kernel(name, print), folder, say=print)


@pytest.mark.parametrize(
    ("bug", "most_added"),
    [(bug, bug.caught_by.most_added) for bug in SEEDED if isinstance(bug.caught_by, Benchmark)],
    ids=str,
)
def test_same_and_slower_kernel(
    bug: Seeded, most_added: int, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("all_seeded"):
        pytest.skip("--all-seeded builds the kernels for it")
    once, again = (cost_of(KERNEL, tmp_path / name) for name in ("a", "b"))
    slower = cost_of(f"{KERNEL}+{bug.patch}", tmp_path / "c")
    for path in compare(once, again):
        assert abs(path.difference) < SAME, path
        assert not path.differs, path
    fast, *_ = compare(once, slower)
    assert fast.differs, fast
    assert 1 <= fast.b - fast.a <= most_added
