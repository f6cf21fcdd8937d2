# SPDX-License-Identifier: GPL-2.0-only
"""Everything that makes up zero-copy receive goes, in every order, with traffic and held buffers.

Whatever is first, ``io_close_queue()`` and ``io_zcrx_scrub()`` leave a queue that works and no
buffer out: each test ends with the check that no page pool is left (``wait_until_free``).
"""

from __future__ import annotations

from itertools import permutations

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link, reload_driver
from testbed.dut.nic import pin_neighbour, set_link, wait_until_free
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import ENDLESS
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, BoundQueue, bound_queue

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5129
PACE = 4_000_000
ORDERS = list(permutations(("socket", "ring", "area")))


def take_away(bound: BoundQueue, what: str) -> None:
    """One part of it."""
    if what == "area":
        bound.zcrx.step("unmap", what="area")
    elif what == "ring":
        bound.zcrx.step("close", ring=0)
    else:
        bound.zcrx.step("close", socket=1)


def check_bindable(bound: BoundQueue) -> None:
    """The queue can be bound again, and works."""
    wait_until_free(bound.dut)
    bound.zcrx.bind(bound.queue, ifq=1, ring=1, area=BUFFERS * BUFFER_BYTES)
    bound.transfer(ifq=1, ring=1)


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_parts_go_in_any_order(bound: BoundQueue, order: tuple[str, ...]) -> None:
    """Connection, ring and area's mapping, with a request pending and buffers held."""
    with bound.stream(ENDLESS, pace=PACE):
        bound.zcrx.receive()
        assert bound.zcrx.collect(completions=30, hold=1).complete
        for what in order:
            take_away(bound, what)
    check_bindable(bound)


def test_ring_goes_with_entries_in_the_refill_ring(bound: BoundQueue) -> None:
    """Entries nobody has taken are as good as none: their buffers are scrubbed with the others."""
    bound.hold(30 * BUFFER_BYTES)
    bound.zcrx.give_back(keep=1)
    bound.zcrx.give_back()
    bound.zcrx.step("close", ring=0)
    check_bindable(bound)


def test_refill_ring_written_after_the_end(bound: BoundQueue, dut: Dut) -> None:
    """Its memory is the user's and stays writable; nobody reads it any more."""
    bound.hold(30 * BUFFER_BYTES)
    bound.zcrx.step("close", ring=0)
    bound.zcrx.give_back(keep=1)
    wait_until_free(dut)
    bound.zcrx.give_back()
    check_bindable(bound)


def test_two_queues_of_a_ring_go_together(bound: BoundQueue) -> None:
    """Both with buffers posted, one with buffers held."""
    assert bound.zcrx.register(bound.queue - 1, ifq=2, area=1 << 20).errno == ""
    bound.hold(30 * BUFFER_BYTES)
    bound.zcrx.step("close", ring=0)
    check_bindable(bound)


def test_not_bound_while_down(bound: BoundQueue, dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """bnxt_en has no queue to exchange while the interface is down: ENETDOWN, until it is up."""
    bound.zcrx.step("close", ring=0)
    wait_until_free(dut)
    set_link(dut, "down")
    bound.zcrx.ring(1)
    words = {"ifq": 1, "ring": 1, "area": BUFFERS * BUFFER_BYTES}
    assert bound.zcrx.register(bound.queue, **words).errno == "ENETDOWN"
    cycle_link(dut)
    assert bound.zcrx.register(bound.queue, **words).errno == ""
    pin_neighbour(dut, remote, defer)
    bound.transfer(ifq=1, ring=1)


def test_released_while_down(bound: BoundQueue, dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """The ring goes while the interface is down (``-ENETDOWN`` of the restart is no error)."""
    bound.hold(30 * BUFFER_BYTES)
    set_link(dut, "down")
    bound.zcrx.step("close", ring=0)
    wait_until_free(dut)
    cycle_link(dut)
    pin_neighbour(dut, remote, defer)
    check_bindable(bound)


def test_interface_goes_up_and_down_under_traffic(
    bound: BoundQueue, dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """Three times, with more and more buffers held; each is good to the end.

    What comes while the link is away is returned: in real time it is more than the area has to
    spare (32 of its 224 buffers), and the queue would starve.
    """
    for _ in range(3):
        with bound.stream(ENDLESS, pace=PACE):
            bound.zcrx.receive()
            assert bound.zcrx.collect(completions=10, hold=1).complete
            cycle_link(dut)
            pin_neighbour(dut, remote, defer)
            assert netdev_state(dut).providers
            bound.zcrx.step("shutdown", socket=1)
            bound.zcrx.collect(ends=1)
            bound.zcrx.step("close", socket=1)
    assert bound.zcrx.verify().changed == 0
    bound.zcrx.give_back()
    bound.take_returned()
    bound.transfer()


def test_driver_goes_while_buffers_are_held(dut: Dut, remote: Endpoint) -> None:
    """The driver is unbound first (``io_pp_uninstall()``); what is held can still be returned.

    The IFQ is dead afterwards: its queue does not come back by itself.
    """
    steps: list[object] = []
    with bound_queue(dut, remote, lambda *_, **__: steps.append(None), PORT) as bound:
        bound.hold(30 * BUFFER_BYTES)
        reload_driver(dut)  # also takes every setting back
        assert netdev_state(dut).providers == []
        assert bound.zcrx.verify().changed == 0
        bound.zcrx.give_back()
        assert bound.take_returned() == 0
    wait_until_free(dut)
    remote.run(["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])
    assert ping(remote, dut.ipv4, 2, 0.05, wait_s=3).received
