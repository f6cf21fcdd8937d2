# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark's module says, and A against B."""

from __future__ import annotations

import pytest

from testbed.bench.page_pool import PATHS, PathCost, parse
from testbed.bench.sides import compare, document, lines
from testbed.errors import GuestCommandFailed

# time_bench.c prints 2 TSC ticks for each instruction under -icount shift=1
LINE = (
    "[  3.1] bench_page_pool: Type:{name} Per elem: {cycles} cycles(tsc) 1.000 ns (step:0) - "
    "(measurement period time:0.1 sec) - (invoke count:{count} tsc_interval:{ticks})"
)


def log(**ticks: int) -> str:
    return "\n".join(
        LINE.format(name=name, cycles=1, count=1000, ticks=ticks.get(number, 6000))
        for name, number in zip(PATHS, ("loop", "fast", "ring", "slow"), strict=True)
    )


def test_parse_counts_instructions() -> None:
    assert parse(log(fast=90_000))["fast path"] == 45.0


def test_parse_refuses_half_a_run() -> None:
    text = "\n".join(log().splitlines()[:-1])
    with pytest.raises(GuestCommandFailed, match="slow path"):
        parse(text)


def costs(fast: float, spread: float = 0.0) -> dict[str, PathCost]:
    values = {"empty loop": 3.0, "fast path": fast, "ptr_ring": 120.0, "slow path": 900.0}
    return {name: PathCost(name, (one, one * (1 + spread))) for name, one in values.items()}


def test_the_loop_around_is_taken_off() -> None:
    fast = compare(costs(43.0), costs(43.0))[0]
    assert (fast.a, fast.differs) == (40.0, False)


def test_a_few_instructions_are_seen() -> None:
    fast, ring, slow = compare(costs(43.0), costs(46.0))
    assert fast.differs
    assert fast.difference == pytest.approx(0.075)
    assert not ring.differs
    assert not slow.differs


def test_less_than_the_spread_is_no_difference() -> None:
    assert not compare(costs(43.0, 0.2), costs(46.0, 0.2))[0].differs


def test_report() -> None:
    found = compare(costs(43.0), costs(46.0))
    names = ("7.2", "x86:7.2+a.patch")
    assert any("fast path" in line and "differs" in line for line in lines(names, found))
    assert document(names, found)["paths"]["fast path"]["differs"] is True
