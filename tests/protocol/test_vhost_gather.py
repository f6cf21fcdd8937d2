# SPDX-License-Identifier: GPL-2.0-only
"""Writes that surely follow one another are one kick: the guest is told which one to kick for."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from devmodel.clock import Clock, Timing
from devmodel.trace import Trace
from devmodel.vhost_user.messages import (
    F_EVENT_IDX,
    F_PROTOCOL_FEATURES,
    VIRTIO_F_VERSION_1,
    PcidevMsg,
    PcidevOp,
    VhostRequest,
)
from devmodel.vhost_user.pcidev import Pcidev
from tests.protocol import toy as t
from tests.protocol.vhost_guest import RING_BYTES, SIZE, VhostGuest

FOLLOWING = 2
FEATURES = F_EVENT_IDX | VIRTIO_F_VERSION_1
KICK_INDEX_AT = 0x2000 + 4 + 8 * SIZE


class Announcing(t.Toy):
    """Two more writes follow each one to the scratch register."""

    def writes_to_follow(self, bar: int, offset: int, data: bytes | memoryview) -> int:
        return FOLLOWING if offset == t.REG_SCRATCH else 0


class Rig:
    """A guest of a gathering device; ``features`` are those it accepts."""

    def __init__(self, features: int) -> None:
        trace = Trace()
        self.toy = Announcing(Clock(1, Timing.SYNCHRONOUS), trace)
        self.guest = VhostGuest(Pcidev(self.toy, trace.record, gather=True), trace)
        self.offered = self.guest.ask(VhostRequest.GET_FEATURES)
        assert self.guest.ask(VhostRequest.SET_FEATURES, struct.pack("<Q", features)) == 0
        self.guest.set_up()
        self.write(4, struct.pack("<H", 6), PcidevOp.CFG_WRITE)

    def write(self, address: int, data: bytes, op: PcidevOp = PcidevOp.MMIO_WRITE) -> bool:
        """Post a write and, if the device wants it, kick as virtio's driver does."""
        ring = self.guest.rings[0]
        added = ring.added
        ring.add([PcidevMsg(op, 0, 0, len(data), address).pack() + data])
        wanted = self.kick_index(0) == added
        if wanted:
            assert self.guest.kick(0) == 0
        return wanted

    def kick_index(self, queue: int) -> int:
        """The index of the request that the device wants a kick for."""
        at = queue * RING_BYTES + KICK_INDEX_AT
        (index,) = struct.unpack_from("<H", self.guest.memory, at)
        return int(index)

    @property
    def written(self) -> list[int]:
        """Registers in the order in which the card saw them written."""
        return [offset for _, offset, _ in self.toy.bar_log]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(FEATURES)
    yield made
    made.guest.close()


def test_only_a_gathering_device_offers_it(rig: Rig) -> None:
    assert rig.offered == FEATURES | F_PROTOCOL_FEATURES


def test_last_of_the_announced_writes_kicks_for_all(rig: Rig) -> None:
    kicks = [rig.write(register, b"abcd") for register in (t.REG_SCRATCH, 0x200, 0x204, 0x208)]
    assert kicks == [True, False, True, True]
    assert rig.written == [t.REG_SCRATCH, 0x200, 0x204, 0x208]


def test_announcement_before_the_last_access_is_over(rig: Rig) -> None:
    ring = rig.guest.rings[0]
    for register in (t.REG_SCRATCH, 0x200):
        ring.add([PcidevMsg(PcidevOp.MMIO_WRITE, 0, 0, 4, register).pack() + b"abcd"])
    assert rig.guest.kick(0) == 0
    assert rig.write(0x204, b"abcd")


def test_buffers_for_interrupts_need_no_kick_until_there_is_none(rig: Rig) -> None:
    rig.guest.rings[1].add([], [20])
    assert rig.kick_index(1) != 1
    assert rig.toy.host is not None
    for vector in range(2):
        rig.toy.host.msix(vector)
    assert rig.guest.rings[1].used() == [20]
    assert rig.kick_index(1) == 1


def test_guest_that_declines_kicks_for_each() -> None:
    rig = Rig(VIRTIO_F_VERSION_1)
    ring = rig.guest.rings[0]
    ring.add([PcidevMsg(PcidevOp.MMIO_WRITE, 0, 0, 4, t.REG_SCRATCH).pack() + b"abcd"])
    assert rig.guest.kick(0) == 0
    assert rig.written == [t.REG_SCRATCH]
    assert struct.unpack_from("<H", rig.guest.memory, 0x2000) == (0,), "no kick is held back"
    rig.guest.close()
