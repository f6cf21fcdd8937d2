# SPDX-License-Identifier: GPL-2.0-only
"""Asynchronous timing: effects come with the clock. Synchronous: before the access is answered."""

from __future__ import annotations

from tests.protocol import toy as t
from tests.protocol.conftest import Bench, fired

LATER = t.COMMAND_LATER + 1


def test_asynchronous_effect_waits_for_the_clock(bench: Bench, eventfds: list[int]) -> None:
    fd = eventfds[1]
    bench.connect([fd], 1)
    bench.enable_msix()
    bench.client.write_int(0, t.REG_COMMAND, LATER)
    assert not fired(fd)
    bench.clock.advance_to(999_999)
    assert not fired(fd)
    bench.clock.advance_to(1_000_000)
    assert fired(fd)


def test_synchronous_effect_precedes_the_answer(synchronous: Bench, eventfds: list[int]) -> None:
    fd = eventfds[1]
    synchronous.connect([fd], 1)
    synchronous.enable_msix()
    synchronous.client.write_int(0, t.REG_COMMAND, LATER)
    assert fired(fd)
    assert synchronous.clock.now_ns == 1_000_000


def test_synchronous_effect_of_a_posted_write_precedes_the_next_access(synchronous: Bench) -> None:
    synchronous.client.post(0, t.REG_COMMAND, LATER.to_bytes(4, "little"))
    synchronous.client.post(0, t.REG_COMMAND, LATER.to_bytes(4, "little"))
    synchronous.client.read_int(0, 0)
    assert synchronous.clock.now_ns == 2_000_000


def test_synchronous_settling_ends_even_if_timers_re_arm(synchronous: Bench) -> None:
    clock = synchronous.clock

    def again() -> None:
        clock.call_later(1, again)

    again()
    assert synchronous.client.read_int(0, 0) == t.MAGIC
