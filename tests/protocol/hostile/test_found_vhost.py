# SPDX-License-Identifier: GPL-2.0-only
"""What the property-based tests found in the vhost-user devices, each by itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from devmodel.vhost_user.messages import VRING_STATE, MemRegion, VhostRequest, VringAddr
from devmodel.vhost_user.nic import RX
from tests.protocol.hostile.uml_guest import BASE, MEMORY_BYTES, MEMORY_FD, SIZE, UmlGuest


@pytest.fixture
def guest() -> Iterator[UmlGuest]:
    guest = UmlGuest(turns=False)
    yield guest
    guest.close()


def refused(guest: UmlGuest, name: str) -> int:
    """Messages a device has refused."""
    return guest.backends[name].counters["refused"]


def test_regions_of_guest_memory_may_not_overlap(guest: UmlGuest) -> None:
    half = MEMORY_BYTES // 2
    table = struct.pack("<II", 2, 0)
    table += MemRegion(BASE, half, BASE, 0).pack() + MemRegion(BASE + 4096, half, BASE, 0).pack()
    guest.request("card", VhostRequest.SET_MEM_TABLE, table, [MEMORY_FD, MEMORY_FD])
    assert refused(guest, "card") == 1
    assert guest.card.dma.live_mappings == 1


def test_new_size_makes_old_addresses_void(guest: UmlGuest) -> None:
    where = guest.ring_at("disk", 0)
    addresses = VringAddr(0, 0, BASE + where, BASE + where, BASE + MEMORY_BYTES - 64, 0).pack()
    guest.request("disk", VhostRequest.SET_VRING_ADDR, addresses)
    guest.request("disk", VhostRequest.SET_VRING_NUM, VRING_STATE.pack(0, 1024))
    guest.poke(MEMORY_BYTES - 62, struct.pack("<H", 1))
    guest.request("disk", VhostRequest.SET_VRING_BASE, VRING_STATE.pack(0, 1000))
    guest.request("disk", VhostRequest.VRING_KICK, VRING_STATE.pack(0, 0))
    assert not guest.backends["disk"].vrings[0].ready


def test_more_requests_than_entries_are_none(guest: UmlGuest) -> None:
    guest.add("disk", 0, [(b"", 16, 0), (b"", 1 << 20, 2)], SIZE + 1)
    assert refused(guest, "disk") == 1
    assert not guest.backends["disk"].vrings[0].ready


@pytest.mark.parametrize("pieces", [[(b"", 0, 2)], [(b"", 1 << 30, 2)]], ids=["empty", "too long"])
def test_bad_buffer_met_outside_of_a_kick(
    guest: UmlGuest, pieces: list[tuple[bytes, int, int]]
) -> None:
    guest.add("peer", RX, pieces, 1)
    before = refused(guest, "peer")
    guest.cable.send([bytes(60)])
    assert refused(guest, "peer") == before + 1


def test_control_messages_nobody_takes_do_not_pile_up(guest: UmlGuest) -> None:
    for _ in range(100):
        guest.add("agent", 3, [(struct.pack("<IHH", 0, 0, 1), 8, 0)], 1)
    agent = guest.machine.agent
    assert agent is not None
    assert len(agent._control) <= 32
