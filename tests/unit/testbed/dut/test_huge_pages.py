# SPDX-License-Identifier: GPL-2.0-only
"""What is set and put back, by a guest that prints what we say."""

from __future__ import annotations

from testbed.dut.huge_pages import reserve_huge_pages
from tests.unit.testbed.dut.test_streams import End, completed


def test_the_number_of_before_comes_back() -> None:
    end = End({"cat": completed(["cat"], out="3\n"), "sysctl": completed(["sysctl"])})
    undo: list[tuple[object, ...]] = []
    reserve_huge_pages(end, 16, lambda *what, **_: undo.append(what))
    assert end.commands[1:] == [("sysctl", "-qw", "vm.nr_hugepages=16")]
    ((_, put_back),) = undo
    assert put_back == ["sysctl", "-qw", "vm.nr_hugepages=3"]


def test_nothing_is_asked_of_a_kernel_that_has_none() -> None:
    end = End({"cat": completed(["cat"], code=1)})
    undo: list[object] = []
    reserve_huge_pages(end, 16, lambda *what, **_: undo.append(what))
    assert ([argv[0] for argv in end.commands], undo) == (["cat"], [])
