# SPDX-License-Identifier: GPL-2.0-only
"""Asynchronous timing: effects come with the clock. Synchronous: before the access is answered."""

from __future__ import annotations

import os

from docs.examples import ring_nic
from tests.protocol import toy as t
from tests.protocol.client import CONFIG
from tests.protocol.conftest import Bench

LATER = t.COMMAND_LATER + 1


def connect(bench: Bench) -> int:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    bench.client.set_irqs(0x24, 2, 1, 1, [fd])
    bench.client.write_int(CONFIG, ring_nic.MSIX_OFFSET + 2, 0x8000, 2)
    return fd


def fired(fd: int) -> bool:
    try:
        return os.eventfd_read(fd) > 0
    except BlockingIOError:
        return False


def test_asynchronous_effect_waits_for_the_clock(bench: Bench) -> None:
    fd = connect(bench)
    bench.client.write_int(0, t.REG_COMMAND, LATER)
    assert not fired(fd)
    bench.clock.advance_to(999_999)
    assert not fired(fd)
    bench.clock.advance_to(1_000_000)
    assert fired(fd)
    os.close(fd)


def test_synchronous_effect_precedes_the_answer(synchronous: Bench) -> None:
    fd = connect(synchronous)
    synchronous.client.write_int(0, t.REG_COMMAND, LATER)
    assert fired(fd)
    assert synchronous.clock.now_ns == 1_000_000
    os.close(fd)


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
