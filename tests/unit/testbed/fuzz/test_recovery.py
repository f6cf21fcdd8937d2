# SPDX-License-Identifier: GPL-2.0-only
"""What netdev_dump says of pools that outlive their driver; the rest needs a guest."""

from __future__ import annotations

import pytest

from testbed.fuzz.recovery import orphans


def test_only_detached_pools_are_left_over() -> None:
    printed = '{"orphans":[{"id":3,"detached":true},{"id":4,"detached":false}]}'
    assert orphans(printed) == [{"id": 3, "detached": True}]


@pytest.mark.parametrize(
    "printed", ["", "{}", "[]", '{"orphans":[1]}', '{"orphans":[{}]}', "[" * 99]
)
def test_a_guest_may_print_anything(printed: str) -> None:
    assert orphans(printed) == []
