# SPDX-License-Identifier: GPL-2.0-only
"""Arithmetic of page pool counters."""

from __future__ import annotations

from dataclasses import asdict

from testbed.dut.page_pool import Pools, PoolStats

ONE = PoolStats(alloc_fast=10, alloc_slow=2, alloc_refill=1, recycle_cached=6, recycle_ring=4)
TWO = PoolStats(alloc_fast=1, recycle_ring_full=2, recycle_released_refcnt=1)


def test_pages_out_and_back() -> None:
    assert (ONE.handed_out, ONE.recycled, ONE.returned) == (13, 10, 10)
    assert (TWO.recycled, TWO.returned) == (0, 3)


def test_sum_and_difference_are_counter_by_counter() -> None:
    total = Pools({1: ONE, 2: TWO}, ()).total
    assert total.alloc_fast == 11
    assert total - TWO == ONE


def test_counters_come_by_name() -> None:
    assert PoolStats.of({**asdict(ONE), "id": 7}) == ONE
