# SPDX-License-Identifier: GPL-2.0-only
"""What a guest prints of what is left: pools, DMA buffers; the rest needs one."""

from __future__ import annotations

import pytest

from testbed.fuzz.recovery import left_dmabufs, orphans


def test_only_detached_pools_are_left_over() -> None:
    printed = '{"orphans":[{"id":3,"detached":true},{"id":4,"detached":false}]}'
    assert orphans(printed) == [{"id": 3, "detached": True}]


@pytest.mark.parametrize(
    "printed", ["", "{}", "[]", '{"orphans":[1]}', '{"orphans":[{}]}', "[" * 99]
)
def test_a_guest_may_print_anything(printed: str) -> None:
    assert orphans(printed) == []


@pytest.mark.parametrize(
    ("printed", "left"),
    [("Total 2 objects, 8388608 bytes", 2), ("Total 0 objects, 0 bytes", 0), ("", 0),
     ("Total -1 objects", 0), ("Total many objects", 0), ("x Total 3 objects", 0)],
)  # fmt: skip
def test_dmabufs_are_counted_as_the_kernel_prints_them(printed: str, left: int) -> None:
    assert left_dmabufs(printed) == left
