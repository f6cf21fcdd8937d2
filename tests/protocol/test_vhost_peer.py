# SPDX-License-Identifier: GPL-2.0-only
"""The remote endpoint's NIC of a QEMU guest: vhost-user with eventfds, and any other end of it."""

from __future__ import annotations

import mmap
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from devmodel.vhost_user import nic
from devmodel.vhost_user.messages import (
    F_PROTOCOL_FEATURES,
    PROTOCOL_REPLY_ACK,
    U64,
    VRING_NO_FD,
    VRING_STATE,
    VhostRequest,
)
from devmodel.vhost_user.vring import Chain
from tests.protocol.eventfd_guest import EventfdGuest

HEADER = 12
FRAME = bytes(range(60))


@pytest.fixture
def guest() -> Iterator[EventfdGuest]:
    made = EventfdGuest()
    yield made
    made.close()


def test_offers_what_needs_no_channel_of_its_own(guest: EventfdGuest) -> None:
    assert guest.offered(VhostRequest.GET_PROTOCOL_FEATURES) == PROTOCOL_REPLY_ACK
    assert guest.offered(VhostRequest.GET_FEATURES) & F_PROTOCOL_FEATURES


def test_frames_pass_both_ways(guest: EventfdGuest) -> None:
    guest.set_up()
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    guest.kick(nic.TX)
    assert guest.arrived == [FRAME]
    place = guest.rings[nic.RX].add([], [100])[0]
    guest.cable.send([FRAME])
    assert guest.rings[nic.RX].used() == [HEADER + 60]
    assert guest.memory[place + HEADER : place + HEADER + 60] == FRAME
    guest.turn()
    assert guest.calls() == [nic.RX, nic.TX]


def test_each_eventfd_is_of_its_own_message(guest: EventfdGuest) -> None:
    guest.set_up()
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    os.eventfd_write(guest.kicks[nic.RX], 1)
    guest.turn()
    assert guest.arrived == []
    guest.kick(nic.TX)
    assert guest.calls() == [nic.TX]


def test_stops_and_says_where(guest: EventfdGuest) -> None:
    guest.set_up()
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    guest.kick(nic.TX)
    guest.send(VhostRequest.GET_VRING_BASE, VRING_STATE.pack(nic.TX, 0), flags=0)
    assert guest.answer() == VRING_STATE.pack(nic.TX, 1)
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    guest.kick(nic.TX)
    assert len(guest.arrived) == 1
    guest.set_up()  # as a driver that is bound again
    assert guest.rings[nic.TX].used() == [0]


def test_goes_on_when_memory_is_handed_over_again(guest: EventfdGuest) -> None:
    guest.set_up()
    guest.map_memory()
    guest.turn()
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    guest.kick(nic.TX)
    assert guest.arrived == [FRAME]


def test_buffers_are_asked_for_again_when_memory_was_handed_over(guest: EventfdGuest) -> None:
    guest.set_up()
    guest.cable.send([FRAME])
    guest.map_memory()
    guest.turn()
    assert guest.rings[nic.RX].is_kick_wanted
    guest.rings[nic.RX].add([], [100])
    guest.kick(nic.RX)
    assert guest.rings[nic.RX].used() == [HEADER + 60]


def test_queue_outside_of_new_memory_is_gone_and_the_rest_goes_on(guest: EventfdGuest) -> None:
    guest.set_up()
    body = struct.pack("<IIQQQQ", 1, 0, 0, 0x1000, 0, 0)
    assert guest.ask(VhostRequest.SET_MEM_TABLE, body, [guest.memory_fd]) == 0
    assert len(guest.refusals) == 2
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    guest.kick(nic.TX)
    assert guest.arrived == []
    guest.set_up()
    guest.kick(nic.TX)
    assert not guest.rings[nic.TX].used()  # it begins behind what was there


@pytest.mark.parametrize("request_", [VhostRequest.SET_VRING_KICK, VhostRequest.SET_VRING_CALL])
def test_what_is_no_eventfd_is_refused(guest: EventfdGuest, request_: VhostRequest) -> None:
    guest.set_up()
    with Path(__file__).open("rb") as file:
        assert guest.ask(request_, U64.pack(0), [file.fileno()]) == 1
    assert guest.ask(request_, U64.pack(0)) == 1
    assert guest.ask(request_, U64.pack(200), guest.kicks[:1]) == 1
    assert guest.ask(request_, U64.pack(0 | VRING_NO_FD)) == 0
    assert len(guest.refusals) == 3


def test_malformed_chain_ends_its_queue_alone(guest: EventfdGuest) -> None:
    guest.set_up()
    guest.rings[nic.TX].add([bytes(5)])
    guest.kick(nic.TX)
    assert guest.refusals == ["frame of -7 bytes"]
    guest.rings[nic.RX].add([], [100])
    guest.cable.send([FRAME])
    assert guest.rings[nic.RX].used() == [HEADER + 60]


def test_one_guest_at_a_time(guest: EventfdGuest) -> None:
    guest.set_up()
    ours, theirs = socket.socketpair()
    guest.port.connected(theirs, True)
    assert ours.recv(1) == b""
    ours.close()
    guest._sock.close()
    guest.turn()
    guest.connect()
    guest.set_up()
    guest.rings[nic.TX].add([bytes(HEADER), FRAME])
    guest.kick(nic.TX)
    assert guest.arrived == [FRAME]


def steps_aside(fd: int, at: int, stop: memoryview) -> int:
    """How often the word there leaves a count for the time of one look from another CPU.

    It may jump for good: whoever looks is not always running.
    """
    words = memoryview(mmap.mmap(fd, 0)).cast("H")
    before = now = seen = 0
    while not stop[0]:
        for _ in range(1000):
            after = words[at // 2]
            step = after - before & 0xFFFF
            seen += step < 0x100 and now - before & 0xFFFF > step
            before, now = now, after
    return seen


def test_a_driver_on_another_cpu_sees_only_indices_that_there_were(guest: EventfdGuest) -> None:
    """For struct.pack_into() makes memory 0 before it writes: a guest took that for an index."""
    guest.set_up()
    vring = guest.port._backend.vrings[nic.RX]  # type: ignore[union-attr]
    at = guest.rings[nic.RX].at + 0x2000 + 2
    stop = memoryview(mmap.mmap(-1, mmap.PAGESIZE))
    child = os.fork()
    if not child:
        os._exit(min(steps_aside(guest.memory_fd, at, stop), 99))
    for _ in range(1_000_000):
        vring.push(Chain(0, [], []), 0)
    stop[0] = 1
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
