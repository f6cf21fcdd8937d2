# SPDX-License-Identifier: GPL-2.0-only
"""What is new, fixed, flaky, slower: each planted into a history, and told as what it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from testbed.nightly.config import KnownTable, SlowerTable
from testbed.nightly.judge import State, Told, curves_of, judge, series_of
from testbed.nightly.reading import Attempt, Value
from testbed.nightly.store import Store
from tests.unit.testbed.nightly.nights import PLACE, add_night, attempt, result

Nights = Sequence[Sequence[Attempt]]


def judged(folder: Path, nights: Nights, known: Sequence[KnownTable] = ()) -> list[Told]:
    with Store.open(folder) as store:
        for attempts in nights:
            add_night(store, *attempts)
        last = store.nights()[-1]
        day = date.fromisoformat(last.started_at[:10])
        series, curves = series_of(store.results(1)), curves_of(store.values(1))
        return judge(series, curves, last.number, day, known, SlowerTable())


def of(*outcomes: str, key: str = "k1") -> list[Attempt]:
    """A night in which test a ended so, try by try, on the kernel ``key``."""
    return [attempt(result("a", one), key=key) for one in outcomes]


@pytest.mark.parametrize(
    ("nights", "state", "why"),
    [
        ([of("pass"), of("fail", "fail")], State.NEW, "night 1: pass"),
        ([of("fail", "fail")], State.NEW, "never ran before"),
        ([of("skip"), of("lost-vm", "lost-vm")], State.NEW, "never ran before"),
        ([of("fail"), of("fail")], State.STILL, "since night 1"),
        ([of("pass"), of("fail"), of("fail")], State.STILL, "since night 2"),
        ([of("fail", "fail"), of("pass")], State.FIXED, "night 1: fail"),
        ([of("pass"), of("fail", "pass")], State.FLAKY, "failed 1 of 2 tries tonight"),
        ([of("fail"), of("fail", "pass")], State.FLAKY, "failed 1 of 2 tries tonight"),
        ([of("pass"), of("fail"), of("pass")], State.FLAKY, "turned 2 times"),
        ([of("pass"), of("finding")], State.RECORDED, ""),
        ([of("pass"), of("skip")], State.NOT_OFFERED, "night 1: pass"),
        ([of("pass"), of("none"), of("fail")], State.NEW, "night 1: pass"),
    ],
)
def test_a_test(nights: Nights, state: State, why: str, tmp_path: Path) -> None:
    (told,) = judged(tmp_path, nights)
    assert (told.state, told.place, told.test) == (state, PLACE, "suite a")
    assert why in told.why


@pytest.mark.parametrize(
    "nights",
    [
        [of("pass")], [of("pass"), of("pass")], [of("skip")], [of("finding"), of("finding")],
        [of("pass"), of("skip"), of("skip")], [of("pass"), of("gone")], [of("finding"), of("pass")],
        [of("fail", "pass"), of("pass")],
    ],
)  # fmt: skip
def test_nothing_is_told_of_what_is_as_it_was(nights: Nights, tmp_path: Path) -> None:
    assert judged(tmp_path, nights) == []


def test_another_kernel_makes_a_turn_a_change(tmp_path: Path) -> None:
    nights = [of("pass"), of("fail", key="k2"), of("pass", key="k3")]
    assert [one.state for one in judged(tmp_path, nights)] == [State.FIXED]


KNOWN = KnownTable(
    test="suite a", reason="being mended", since=date(2026, 11, 1), until=date(2026, 11, 2)
)


@pytest.mark.parametrize(
    ("nights", "states"),
    [
        ([of("pass"), of("fail")], [State.KNOWN]),
        ([of("pass"), of("pass"), of("fail")], [State.EXPIRED]),
        ([of("fail"), of("fail"), of("pass")], [State.FIXED]),
        ([of("fail", "pass")], [State.FLAKY]),
    ],
)
def test_a_known_failure_has_its_days(nights: Nights, states: list[State], tmp_path: Path) -> None:
    told = judged(tmp_path, nights, [KNOWN])
    assert [one.state for one in told] == states
    if states == [State.FIXED]:
        assert "[[known]] entry may go" in told[0].why
    elif states != [State.FLAKY]:
        assert "being mended" in told[0].why


def test_known_elsewhere_is_new_here(tmp_path: Path) -> None:
    elsewhere = KnownTable(
        test="suite a", reason="r", since=KNOWN.since, until=KNOWN.until, place="* · qemu · *"
    )
    assert [one.state for one in judged(tmp_path, [of("pass"), of("fail")], [elsewhere])] == [
        State.NEW
    ]


def costs(*values: float, less: bool = True, unit: str = "insn/KiB") -> Nights:
    return [
        [attempt(values=[Value(name="receive by zcrx", value=one, unit=unit, less=less)])]
        for one in values
    ]


@pytest.mark.parametrize(
    ("nights", "states"),
    [
        (costs(650, 651, 652, 650, 700), [State.SLOWER]),
        (costs(650, 651, 652, 650, 600), [State.FASTER]),
        (costs(650, 651, 652, 650, 660), []),  # within 3 %
        (costs(600, 700, 620, 680, 710), []),  # within what it always does
        (costs(650, 651, 9999, 650, 651, 700), [State.SLOWER]),  # one odd night moves nothing
        (costs(650, 651, 700), []),  # too few nights
        (costs(80, 80, 80, 80, 70, less=False, unit="%"), [State.SLOWER]),
        (costs(80, 80, 80, 80, 90, less=False, unit="%"), [State.FASTER]),
    ],
)
def test_a_value(nights: Nights, states: list[State], tmp_path: Path) -> None:
    told = judged(tmp_path, nights)
    assert [one.state for one in told] == states
    assert all("usually" in one.why for one in told)


def takes(*seconds: float) -> Nights:
    return [[attempt(result("a", seconds=one))] for one in seconds]


@pytest.mark.parametrize(
    ("nights", "slow"),
    [
        (takes(10, 10, 11, 10, 25), True),
        (takes(10, 10, 11, 10, 15), False),  # a busy host
        (takes(0.1, 0.1, 0.1, 0.1, 1), False),  # not worth a line
        (takes(10, 10, 25), False),
    ],
)
def test_the_time_of_a_test(nights: Nights, slow: bool, tmp_path: Path) -> None:
    assert [one.state for one in judged(tmp_path, nights)] == [State.SLOWER] * slow


def test_the_worst_is_told_first(tmp_path: Path) -> None:
    first = [attempt(result("a"), result("b", "fail"), result("c"), result("d", "fail"))]
    then = [
        attempt(result("a", "fail"), result("b"), result("c", "fail"), result("d", "fail")),
        attempt(result("a", "fail"), result("c"), result("d", "fail")),
    ]
    told = judged(tmp_path, [first, then])
    assert [(one.state, one.test) for one in told] == [
        (State.NEW, "suite a"), (State.FLAKY, "suite c"), (State.FIXED, "suite b"),
        (State.STILL, "suite d"),
    ]  # fmt: skip
