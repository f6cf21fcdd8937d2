# SPDX-License-Identifier: GPL-2.0-only
"""Virtual time: order, cancelling, settling, and that a seed fixes every choice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from devmodel.clock import Clock, Timing


def test_timers_fire_in_order_of_time_then_of_scheduling() -> None:
    clock, fired = Clock(1), []
    for name, delay in (("c", 30), ("a", 10), ("b", 20), ("b2", 20)):
        clock.call_later(delay, lambda name=name: fired.append((name, clock.now_ns)))
    clock.advance_to(25)
    assert fired == [("a", 10), ("b", 20), ("b2", 20)]
    assert (clock.now_ns, clock.next_due_ns()) == (25, 30)


def test_cancelled_timer_never_fires() -> None:
    clock, fired = Clock(1), []
    timer = clock.call_later(10, lambda: fired.append(1))
    assert timer.active
    timer.cancel()
    timer.cancel()
    assert not timer.active
    assert clock.next_due_ns() is None
    clock.advance_to(100)
    assert fired == []


def test_fired_timer_is_no_longer_active() -> None:
    clock = Clock(1)
    timer = clock.call_later(0, lambda: None)
    clock.advance_to(0)
    assert not timer.active


def test_timer_set_by_a_timer_fires_in_the_same_advance() -> None:
    clock, fired = Clock(1), []
    clock.call_later(10, lambda: clock.call_later(5, lambda: fired.append(clock.now_ns)))
    clock.advance_to(20)
    assert fired == [15]


def test_negative_delay_is_now() -> None:
    clock, fired = Clock(1), []
    clock.advance_to(50)
    clock.call_later(-10, lambda: fired.append(clock.now_ns))
    clock.advance_to(50)
    assert fired == [50]


def test_time_never_runs_backwards() -> None:
    clock = Clock(1)
    clock.advance_to(50)
    clock.advance_to(10)
    assert clock.now_ns == 50


def test_settle_jumps_through_every_foreground_timer() -> None:
    clock, fired = Clock(1), []
    clock.call_later(1_000, lambda: fired.append("near"))
    clock.call_later(1_000_000, lambda: fired.append("far"))
    assert clock.settle() == 2
    assert fired == ["near", "far"]
    assert clock.now_ns == 1_000_000


def test_settle_leaves_background_timers_that_lie_later() -> None:
    clock, fired = Clock(1), []
    clock.call_later(10, lambda: fired.append("on the way"), background=True)
    clock.call_later(20, lambda: fired.append("foreground"))
    clock.call_later(30, lambda: fired.append("later"), background=True)
    clock.settle()
    assert fired == ["on the way", "foreground"]
    assert clock.next_due_ns() == 30


def test_settle_does_not_wait_for_cancelled_timers() -> None:
    clock = Clock(1)
    clock.call_later(10, lambda: None).cancel()
    assert clock.settle() == 0
    assert clock.now_ns == 0


def test_settle_stops_at_its_limit() -> None:
    clock = Clock(1)

    def again() -> None:
        clock.call_later(1, again)

    again()
    assert clock.settle(limit=50) == 50


def test_equal_seeds_choose_alike() -> None:
    one, two, other = Clock(7), Clock(7), Clock(8)
    assert one.random.random() == two.random.random() != other.random.random()


def test_cancelled_timers_do_not_pile_up() -> None:
    """A guest that allocates and frees a statistics context for ever costs nothing."""
    clock = Clock(1)
    kept = [clock.call_later(10**15, lambda: None) for _ in range(10)]
    for _ in range(1000):
        clock.call_later(10**18, lambda: None).cancel()
    assert len(clock._heap) < 64
    assert all(timer.active for timer in kept)
    assert clock.next_due_ns() == 10**15


Script = tuple[list[tuple[int, int]], list[int], int]
"""Periodic timers (start, period), times at which they become busy or idle, the end."""


class Diary:
    """A clock whose timers write down when they were called."""

    def __init__(self, timing: Timing = Timing.SYNCHRONOUS) -> None:
        self.clock = Clock(1, timing)
        self.lines: list[tuple[str, int]] = []
        self.calls = 0
        self.is_busy = False

    def write(self, name: str) -> None:
        self.calls += 1
        self.lines.append((name, self.clock.now_ns))

    def tick(self, name: str) -> None:
        """What has something to do only while we are busy."""
        self.calls += 1
        if self.is_busy:
            self.lines.append((name, self.clock.now_ns))

    def turn(self, is_busy: bool) -> None:
        self.is_busy = is_busy
        self.write(f"busy: {is_busy}")


def play(script: Script, *, may_skip: bool) -> Diary:
    """Periodic timers, and times at which they get something to do and have it no more."""
    diary = Diary()
    starts, turns, end = script
    for i, (start, period) in enumerate(starts):

        def begin(i: int = i, period: int = period) -> None:
            idle = (lambda: not diary.is_busy) if may_skip else lambda: False
            diary.clock.call_every(period, lambda: diary.tick(f"tick {i}"), idle)

        diary.clock.call_later(start, begin)
    for i, at in enumerate(turns):
        diary.clock.call_later(at, lambda i=i: diary.turn(i % 2 == 0))
    for now in range(0, end, 97):
        diary.clock.advance_to(now)
    diary.turn(True)
    diary.clock.advance_to(end + 60)
    return diary


periods = st.integers(1, 12)
scripts = st.tuples(
    st.lists(st.tuples(st.integers(0, 8), periods), min_size=1, max_size=6),
    st.lists(st.integers(0, 400), max_size=6).map(sorted),
    st.integers(100, 500),
)


@settings(max_examples=settings.default.max_examples * 10)
@given(scripts)
def test_idle_calls_are_left_out_as_if_they_had_been_made(script: Script) -> None:
    """The same calls that do something, at the same times, in the same order."""
    assert play(script, may_skip=True).lines == play(script, may_skip=False).lines


def test_an_hour_of_idle_calls_costs_nothing() -> None:
    diary = Diary()
    for _ in range(64):
        diary.clock.call_every(1_000_000, lambda: diary.tick(""), lambda: True)
    diary.clock.call_later(1_800_000_000_000, lambda: diary.write("half"))
    diary.clock.advance_to(3_600_000_000_000)
    assert diary.calls < 300
    assert diary.lines == [("half", 1_800_000_000_000)]
    assert diary.clock.next_due_ns() == 3_600_001_000_000


def test_settling_jumps_over_idle_calls_too() -> None:
    diary = Diary()
    diary.clock.call_every(1_000_000, lambda: diary.tick(""), lambda: True)
    diary.clock.call_later(3_600_000_000_000, lambda: diary.write("end"))
    assert diary.clock.settle() < 5
    assert diary.lines == [("end", 3_600_000_000_000)]


def test_a_periodic_timer_that_is_cancelled_by_its_call_stays_so() -> None:
    clock = Clock(1)
    timer = clock.call_every(10, lambda: timer.cancel(), lambda: False)
    clock.advance_to(100)
    assert clock.next_due_ns() is None


def test_asynchronous_time_lags_behind_when_the_budget_is_spent() -> None:
    diary = Diary(Timing.ASYNCHRONOUS)
    for i in range(3):
        diary.clock.call_later(i, lambda: setattr(diary.clock.budget, "left", 0))
    diary.clock.advance_to(10)
    assert diary.clock.now_ns == 0
    diary.clock.advance_to(10)
    assert diary.clock.now_ns == 1, "one call at least"
    diary.clock.budget.begin()
    diary.clock.advance_to(10)
    assert (diary.clock.now_ns, diary.clock.next_due_ns()) == (2, None)


def test_synchronous_time_pauses_and_goes_on() -> None:
    diary, looks = Diary(), []
    diary.clock.budget.look_up = looks.append
    for i in range(5000):
        diary.clock.call_later(i, lambda: diary.write(""))
    diary.clock.advance_to(10_000)
    assert len(diary.lines) == 5000
    assert looks == [True] * len(looks) != []
