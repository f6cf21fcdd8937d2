# SPDX-License-Identifier: GPL-2.0-only
"""Mappings that outlive the driver, and those that may."""

from __future__ import annotations

import pytest

from devmodel.clock import Clock
from devmodel.dma import Access, DmaSpace, Mapping
from devmodel.oracle.leaks import MAX_NAMED, MappingLeaks
from devmodel.oracle.oracle import Oracle
from devmodel.oracle.rules import DMA_RULES
from devmodel.trace import Trace

SECOND_NS = 10**9
FIRST = 0xFFFF_0000


class Function:
    """A function with 20 pages mapped by its driver, strictly."""

    def __init__(self, page_bytes: int = 4096) -> None:
        self.clock = Clock(1)
        self.trace = Trace()
        self.trace.now = lambda: self.clock.now_ns
        self.dma = DmaSpace()
        self.dma.bus_master_enabled = True
        self.leaks = MappingLeaks(Oracle(self.dma, self.trace, DMA_RULES), self.clock)
        self.pages = [FIRST + i * page_bytes for i in range(20)]
        for at in self.pages:
            self.dma.map(Mapping(at, page_bytes, Access.READ | Access.WRITE, None, 0))

    def wait(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now_ns + round(seconds * SECOND_NS))

    def set_bus_master(self, on: bool, *, is_awake: bool = True) -> None:
        self.dma.bus_master_enabled = on
        self.leaks.power_changed(is_awake=is_awake)

    def unmap(self, *pages: int) -> None:
        for at in pages:
            self.dma.unmap(at, 4096)

    @property
    def leaked(self) -> int:
        return self.trace.violation_counts["mapping_leaked"]


@pytest.fixture
def function() -> Function:
    return Function()


def test_everything_unmapped(function: Function) -> None:
    function.leaks.driver_left()
    function.unmap(*function.pages[:10])
    function.set_bus_master(False)
    function.unmap(*function.pages[10:])
    function.wait(60)
    assert not function.trace.violations


def test_one_page_left(function: Function) -> None:
    function.leaks.driver_left()
    function.unmap(*function.pages[1:])
    function.set_bus_master(False)
    function.wait(60)
    (found,) = function.trace.violations
    assert (found["rule"], found["address"], found["culprit"]) == (
        "mapping_leaked", FIRST, "driver",
    )  # fmt: skip
    assert found["history"] == ["0.000000 s mapped 0xffff0000, 0x1000 bytes"]


def test_a_removal_that_takes_its_time(function: Function) -> None:
    function.leaks.driver_left()
    function.set_bus_master(False)
    for at in function.pages:
        function.wait(1.9)
        function.unmap(at)
    function.wait(60)
    assert not function.leaked


def test_while_the_driver_is_there_nothing_is_leaked(function: Function) -> None:
    function.leaks.driver_left()
    function.wait(60)
    assert not function.leaked


def test_devlink_reload_keeps_mappings(function: Function) -> None:
    function.leaks.driver_left()
    function.leaks.driver_came()
    function.wait(60)
    assert not function.leaked


def test_suspend_keeps_mappings(function: Function) -> None:
    function.leaks.driver_left()
    function.set_bus_master(False)
    function.set_bus_master(False, is_awake=False)
    function.wait(60)
    function.set_bus_master(True)
    function.leaks.driver_came()
    assert not function.leaked


def test_the_next_driver_finds_what_the_last_one_left(function: Function) -> None:
    function.leaks.driver_left()
    function.set_bus_master(False)
    function.unmap(*function.pages[:-1])
    function.set_bus_master(True)
    function.dma.map(Mapping(0x1000, 4096, Access.READ, None, 0))
    function.leaks.driver_came()
    (found,) = function.trace.violations
    assert found["address"] == function.pages[-1]


def test_a_flood_is_summed_up(function: Function) -> None:
    function.leaks.driver_left()
    function.set_bus_master(False)
    function.wait(60)
    assert function.leaked == MAX_NAMED
    assert function.trace.violations[0]["mappings"] == 20


def test_without_an_iommu_there_is_nothing_to_say() -> None:
    function = Function(page_bytes=4 << 20)
    function.leaks.driver_left()
    function.set_bus_master(False)
    function.wait(60)
    assert not function.leaked
