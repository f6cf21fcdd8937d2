# SPDX-License-Identifier: GPL-2.0-only
"""Virtual time: order, cancelling, settling, and that a seed fixes every choice."""

from __future__ import annotations

from devmodel.clock import Clock


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
