# SPDX-License-Identifier: GPL-2.0-only
"""DEVICE_SET_IRQS in every form, and MSI-X delivery through what it connected."""

from __future__ import annotations

import errno

import pytest

from tests.protocol import toy as t
from tests.protocol.client import (
    BOOL,
    CONFIG,
    ERR,
    EVENTFD,
    INTX,
    MASK,
    MSI,
    MSIX,
    NONE,
    REQ,
    TRIGGER,
    UNMASK,
)
from tests.protocol.conftest import VECTORS, Bench, fired


def test_the_order_qemu_uses(bench: Bench, eventfds: list[int]) -> None:
    """Enable without an eventfd, then one message per vector, then disable all."""
    bench.enable_msix()
    assert bench.client.set_irqs(EVENTFD | TRIGGER, MSIX, 0, 1).error == 0
    for vector, fd in enumerate(eventfds):
        assert bench.connect([fd], vector).error == 0
    for vector in (0, 7, 15, 7):
        bench.interrupt(vector)
    assert [fired(fd) for fd in eventfds] == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bench.client.set_irqs(NONE | TRIGGER, MSIX, 0, 0).error == 0
    bench.interrupt(7)
    assert fired(eventfds[7]) == 0


def test_all_vectors_in_one_message(bench: Bench, eventfds: list[int]) -> None:
    bench.enable_msix()
    assert bench.connect(eventfds).error == 0
    for vector in range(VECTORS):
        bench.interrupt(vector)
    assert [fired(fd) for fd in eventfds] == [1] * VECTORS


def test_disconnecting_one_vector_leaves_the_others(bench: Bench, eventfds: list[int]) -> None:
    bench.enable_msix()
    bench.connect(eventfds[:3])
    bench.client.set_irqs(EVENTFD | TRIGGER, MSIX, 1, 1)
    for vector in range(3):
        bench.interrupt(vector)
    assert [fired(fd) for fd in eventfds[:3]] == [1, 0, 1]


def test_replacing_an_eventfd(bench: Bench, eventfds: list[int]) -> None:
    bench.enable_msix()
    bench.connect([eventfds[0]], 2)
    bench.connect([eventfds[1]], 2)
    bench.interrupt(2)
    assert (fired(eventfds[0]), fired(eventfds[1])) == (0, 1)


def test_interrupt_before_its_eventfd_is_delivered_with_it(
    bench: Bench, eventfds: list[int]
) -> None:
    bench.enable_msix()
    bench.interrupt(5)
    assert bench.client.read_int(4, 0x4000, 8) == 1 << 5
    bench.connect([eventfds[5]], 5)
    assert fired(eventfds[5]) == 1
    assert bench.client.read_int(4, 0x4000, 8) == 0


def test_function_mask_and_enable_hold_interrupts_back(bench: Bench, eventfds: list[int]) -> None:
    bench.connect(eventfds[:2])
    bench.interrupt(0)
    bench.enable_msix(0xC000)
    bench.interrupt(1)
    assert (fired(eventfds[0]), fired(eventfds[1])) == (0, 0)
    bench.enable_msix()
    assert (fired(eventfds[0]), fired(eventfds[1])) == (1, 1)


def test_bus_master_off_holds_interrupts_back(bench: Bench, eventfds: list[int]) -> None:
    bench.enable_msix()
    bench.connect(eventfds[:1])
    bench.client.write_int(CONFIG, 4, 0x2, 2)
    bench.interrupt(0)
    assert fired(eventfds[0]) == 0
    bench.enable()
    assert fired(eventfds[0]) == 1


def test_vector_outside_the_table_is_a_violation(bench: Bench) -> None:
    bench.enable_msix()
    bench.interrupt(VECTORS)
    assert bench.trace.violation_counts["msix_vector_out_of_range"] == 1


@pytest.mark.parametrize(("data", "expected"), [(b"\1\1\1", [1, 1, 1]), (b"\0\1\0", [0, 1, 0])])
def test_trigger_by_bool(
    bench: Bench, eventfds: list[int], data: bytes, expected: list[int]
) -> None:
    bench.connect(eventfds[:3])
    assert bench.client.set_irqs(BOOL | TRIGGER, MSIX, 0, 3, data=data).error == 0
    assert [fired(fd) for fd in eventfds[:3]] == expected


def test_trigger_by_none(bench: Bench, eventfds: list[int]) -> None:
    bench.connect(eventfds[:2])
    assert bench.client.set_irqs(NONE | TRIGGER, MSIX, 1, 1).error == 0
    assert [fired(fd) for fd in eventfds[:2]] == [0, 1]


@pytest.mark.parametrize("index", [INTX, ERR, REQ])
def test_single_interrupts_connect_and_disconnect(
    bench: Bench, eventfds: list[int], index: int
) -> None:
    assert bench.client.set_irqs(EVENTFD | TRIGGER, index, 0, 1, eventfds[:1]).error == 0
    assert bench.client.set_irqs(NONE | TRIGGER, index, 0, 1).error == 0
    assert fired(eventfds[0]) == 1
    assert bench.client.set_irqs(NONE | TRIGGER, index, 0, 0).error == 0
    assert bench.client.set_irqs(NONE | TRIGGER, index, 0, 1).error == 0
    assert fired(eventfds[0]) == 0


def test_intx_may_be_masked(bench: Bench) -> None:
    assert bench.client.set_irqs(NONE | MASK, INTX, 0, 1).error == 0
    assert bench.client.set_irqs(NONE | UNMASK, INTX, 0, 1).error == 0


@pytest.mark.parametrize(
    ("flags", "index", "start", "count"),
    [
        (0, MSIX, 0, 1), (NONE, MSIX, 0, 1), (TRIGGER, MSIX, 0, 1),
        (NONE | BOOL | TRIGGER, MSIX, 0, 1), (NONE | MASK | TRIGGER, MSIX, 0, 1),
        (NONE | TRIGGER | 0x40, MSIX, 0, 1), (0xFFFFFFFF, MSIX, 0, 1), (NONE | MASK, MSIX, 0, 1),
        (EVENTFD | MASK, INTX, 0, 1), (NONE | TRIGGER, MSIX, 0, 17), (NONE | TRIGGER, MSIX, 16, 1),
        (NONE | TRIGGER, MSIX, 0xFFFFFFFF, 1), (NONE | TRIGGER, MSIX, 1, 0xFFFFFFFF),
        (NONE | TRIGGER, MSI, 0, 1), (NONE | TRIGGER, INTX, 0, 2), (NONE | TRIGGER, 5, 0, 1),
        (NONE | TRIGGER, 0xFFFFFFFF, 0, 1), (BOOL | TRIGGER, MSIX, 0, 3),
    ],
)  # fmt: skip
def test_malformed(
    bench: Bench, eventfds: list[int], flags: int, index: int, start: int, count: int
) -> None:
    bench.connect(eventfds[:3])
    assert bench.client.set_irqs(flags, index, start, count).error == errno.EINVAL
    assert [fired(fd) for fd in eventfds[:3]] == [0, 0, 0]


@pytest.mark.parametrize("given", [1, 3, 5])
def test_another_number_of_eventfds(bench: Bench, eventfds: list[int], given: int) -> None:
    reply = bench.client.set_irqs(EVENTFD | TRIGGER, MSIX, 0, 4, eventfds[:given])
    assert reply.error == errno.EINVAL


def test_more_descriptors_than_a_message_may_carry(bench: Bench, eventfds: list[int]) -> None:
    reply = bench.client.set_irqs(EVENTFD | TRIGGER, MSIX, 0, 16, [*eventfds, eventfds[0]])
    assert reply.error == errno.EINVAL


def test_unannounced_eventfds(bench: Bench, eventfds: list[int]) -> None:
    reply = bench.client.set_irqs(NONE | TRIGGER, MSIX, 0, 1, eventfds[:1])
    assert reply.error == errno.EINVAL


def test_something_else_than_an_eventfd(bench: Bench) -> None:
    bench.enable_msix()
    assert bench.connect([bench.memory_fd]).error == errno.EINVAL
    bench.interrupt(0)
    assert bench.client.read_int(0, 0) == t.MAGIC
