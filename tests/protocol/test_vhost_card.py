# SPDX-License-Identifier: GPL-2.0-only
"""The card behind vhost-user: handshake, accesses, DMA, interrupts, and what is refused."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from devmodel.clock import Clock, Timing
from devmodel.errors import ProtocolError
from devmodel.trace import Trace
from devmodel.vhost_user.channel import Channel
from devmodel.vhost_user.messages import (
    F_PROTOCOL_FEATURES,
    HEADER,
    PROTOCOL_FEATURES,
    VIRTIO_F_VERSION_1,
    VRING_STATE,
    ConfigHead,
    PcidevMsg,
    PcidevOp,
    VhostRequest,
)
from devmodel.vhost_user.pcidev import Pcidev
from docs.examples import ring_nic
from tests.protocol import toy as t
from tests.protocol.vhost_guest import DATA_AT, GUEST_BASE, MEMORY_BYTES, VhostGuest

VECTOR = 3
MSI_ADDRESS, MSI_DATA = 0xA0000, 0x2B


class Rig:
    """A guest that has set up its queues, and the toy behind them."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.recorded: list[bytes] = []
        clock = Clock(1, Timing.SYNCHRONOUS)
        self.toy = t.Toy(clock, self.trace)
        self.device = Pcidev(self.toy, self.recorded.append)
        self.guest = VhostGuest(self.device, self.trace)

    def access(
        self, op: int, address: int, size: int, data: bytes = b"", bar: int = 0
    ) -> bytes | None:
        """One access by queue 0. None if it was refused."""
        ring = self.guest.rings[0]
        request = PcidevMsg(op, bar, 0, size, address).pack() + data
        reads = op in (PcidevOp.CFG_READ, PcidevOp.MMIO_READ)
        places = ring.add([request], [size] if reads else [])
        status = self.guest.kick(0)
        written = ring.used()
        if status or not written:
            return None
        return bytes(self.guest.memory[places[0] : places[0] + written[0]]) if reads else b""

    def write(self, register: int, value: int) -> None:
        """A number into a register of BAR 0."""
        self.access(PcidevOp.MMIO_WRITE, register, 4, struct.pack("<I", value))

    def enable(self) -> None:
        """Memory space, bus mastering, MSI-X with one vector unmasked."""
        assert self.access(PcidevOp.CFG_WRITE, 4, 2, struct.pack("<H", 6)) == b""
        self.access(PcidevOp.CFG_WRITE, ring_nic.MSIX_OFFSET + 2, 2, struct.pack("<H", 0x8000))
        entry = struct.pack("<QII", MSI_ADDRESS, MSI_DATA, 0)
        self.access(PcidevOp.MMIO_WRITE, 16 * VECTOR, 16, entry, bar=4)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.guest.close()


@pytest.fixture
def ready(rig: Rig) -> Rig:
    rig.guest.set_up()
    rig.enable()
    return rig


def test_features_are_what_uml_needs(rig: Rig) -> None:
    assert rig.guest.ask(VhostRequest.GET_FEATURES) == F_PROTOCOL_FEATURES | VIRTIO_F_VERSION_1
    assert rig.guest.ask(VhostRequest.GET_PROTOCOL_FEATURES) == PROTOCOL_FEATURES
    assert rig.guest.ask(VhostRequest.GET_QUEUE_NUM) == 2
    assert rig.guest.ask(VhostRequest.SET_PROTOCOL_FEATURES, struct.pack("<Q", 1 << 3)) == 0
    assert rig.guest.ask(VhostRequest.SET_FEATURES, struct.pack("<Q", VIRTIO_F_VERSION_1)) == 0


@pytest.mark.parametrize(
    ("request_number", "body"),
    [
        (99, b""),
        (VhostRequest.SET_FEATURES, struct.pack("<Q", 1 << 40)),
        (VhostRequest.SET_FEATURES, b"\1"),
        (VhostRequest.SET_PROTOCOL_FEATURES, struct.pack("<Q", 1)),
        (VhostRequest.SET_VRING_NUM, VRING_STATE.pack(2, 16)),
        (VhostRequest.SET_VRING_NUM, VRING_STATE.pack(0, 3)),
        (VhostRequest.SET_VRING_NUM, b"\0"),
        (VhostRequest.SET_VRING_ADDR, b"\0" * 8),
        (VhostRequest.SET_VRING_ADDR, b"\0" * 40),
        (VhostRequest.SET_SLAVE_REQ_FD, b""),
        (VhostRequest.SET_MEM_TABLE, b""),
        (VhostRequest.SET_MEM_TABLE, struct.pack("<II", 9, 0)),
        (VhostRequest.GET_CONFIG, b""),
        (VhostRequest.SET_CONFIG, ConfigHead(0, 4, 0).pack() + b"\0\0\0\0"),
    ],
)
def test_nonsense_is_refused_and_the_connection_goes_on(
    rig: Rig, request_number: int, body: bytes
) -> None:
    assert rig.guest.ask(request_number, body) == 1
    assert rig.guest.ask(VhostRequest.SET_OWNER) == 0
    assert rig.guest.backend.counters["refused"] == 1


@pytest.mark.parametrize(("size", "fds"), [(MEMORY_BYTES + 1, 1), (0, 1), (MEMORY_BYTES, 2)])
def test_bad_memory_is_refused(rig: Rig, size: int, fds: int) -> None:
    assert rig.guest.memory_table(size=size, fds=fds) == 1


def test_endless_message_ends_the_connection(rig: Rig) -> None:
    guest = rig.guest
    with pytest.raises(ProtocolError, match="message of"):
        guest.send(VhostRequest.SET_OWNER, b"\0" * 5000)


def test_config_space_reads_as_the_card_is(ready: Rig) -> None:
    assert ready.access(PcidevOp.CFG_READ, 0, 4) == struct.pack("<I", t.DEVICE_AND_VENDOR)


def test_registers_keep_what_is_written(ready: Rig) -> None:
    assert ready.access(PcidevOp.MMIO_READ, 0, 4) == struct.pack("<I", t.MAGIC)
    ready.access(PcidevOp.MMIO_WRITE, t.REG_SCRATCH, 8, b"12345678")
    assert ready.access(PcidevOp.MMIO_READ, t.REG_SCRATCH, 8) == b"12345678"


def test_long_access_is_cut_into_aligned_ones(ready: Rig) -> None:
    ready.toy.bar_log.clear()
    ready.access(PcidevOp.MMIO_WRITE, 0x104, 20, bytes(range(20)))
    assert [(at, len(data)) for _, at, data in ready.toy.bar_log] == [
        (0x104, 4), (0x108, 8), (0x110, 8),
    ]  # fmt: skip
    ready.access(PcidevOp.MMIO_MEMSET, 0x200, 16, b"\xaa")
    assert ready.access(PcidevOp.MMIO_READ, 0x200, 16) == b"\xaa" * 16


@pytest.mark.parametrize(
    ("op", "address", "size", "bar"),
    [
        (PcidevOp.MMIO_READ, (64 << 10) - 4, 8, 0), (PcidevOp.MMIO_READ, 0, 4, 1),
        (PcidevOp.MMIO_WRITE, 0, 0, 0), (PcidevOp.MMIO_WRITE, 0, 1 << 20, 0),
        (PcidevOp.CFG_READ, 4095, 4, 0), (PcidevOp.MSI, 0, 4, 0), (0, 0, 4, 0), (77, 0, 4, 0),
    ],
)  # fmt: skip
def test_impossible_access_kills_the_queue_only(
    ready: Rig, op: int, address: int, size: int, bar: int
) -> None:
    assert ready.access(op, address, size, bar=bar) is None
    assert ready.guest.backend.counters["refused"] == 1
    assert ready.guest.ask(VhostRequest.SET_OWNER) == 0


def test_card_reads_and_writes_guest_memory(ready: Rig) -> None:
    at = DATA_AT + 0x8000
    ready.guest.memory[at : at + 4] = b"ping"
    for register, value in ((t.REG_DMA_ADDRESS, GUEST_BASE + at), (t.REG_DMA_LENGTH, 4)):
        ready.access(PcidevOp.MMIO_WRITE, register, 8, struct.pack("<Q", value))
    ready.write(t.REG_COMMAND, t.COMMAND_DMA_READ)
    assert ready.access(PcidevOp.MMIO_READ, t.BUFFER, 4) == b"ping"
    ready.access(PcidevOp.MMIO_WRITE, t.BUFFER, 4, b"pong")
    ready.write(t.REG_COMMAND, t.COMMAND_DMA_WRITE)
    assert bytes(ready.guest.memory[at : at + 4]) == b"pong"


def test_dma_outside_the_table_is_the_cards_fault_to_report(ready: Rig) -> None:
    ready.access(PcidevOp.MMIO_WRITE, t.REG_DMA_ADDRESS, 8, struct.pack("<Q", 0x1000))
    ready.write(t.REG_DMA_LENGTH, 4)
    ready.write(t.REG_COMMAND, t.COMMAND_DMA_READ)
    assert ready.trace.violation_counts["dma_unmapped"] == 1


def interrupt(rig: Rig, vector: int = VECTOR) -> None:
    rig.write(t.REG_COMMAND, t.COMMAND_INTERRUPT + vector)


def test_interrupt_is_in_the_queue_when_the_kick_is_answered(ready: Rig) -> None:
    (at,) = ready.guest.rings[1].add([], [20])
    interrupt(ready)
    assert ready.guest.calls() == [1]
    assert ready.guest.rings[1].used() == [20]
    expected = PcidevMsg(PcidevOp.MSI, 0, 0, 4, MSI_ADDRESS).pack() + struct.pack("<I", MSI_DATA)
    assert bytes(ready.guest.memory[at : at + 20]) == expected
    assert expected in ready.recorded


def test_interrupt_without_a_buffer_waits_for_one(ready: Rig) -> None:
    interrupt(ready)
    interrupt(ready)
    assert ready.guest.calls() == []
    ready.guest.rings[1].add([], [20])
    ready.guest.rings[1].add([], [20])
    assert ready.guest.kick(1) == 0
    assert ready.guest.rings[1].used() == [20], "two signals of one vector are one message"
    assert ready.guest.calls() == [1]


def test_masked_vector_is_delivered_when_unmasked(ready: Rig) -> None:
    ready.guest.rings[1].add([], [20])
    mask = 16 * VECTOR + 12
    ready.access(PcidevOp.MMIO_WRITE, mask, 4, struct.pack("<I", 1), bar=4)
    interrupt(ready)
    assert ready.guest.rings[1].used() == []
    ready.access(PcidevOp.MMIO_WRITE, mask, 4, struct.pack("<I", 0), bar=4)
    assert ready.guest.rings[1].used() == [20]


def test_posted_writes_are_collected_now_and_then(ready: Rig) -> None:
    ready.access(PcidevOp.MMIO_READ, 0, 4)
    ready.guest.calls()
    for _ in range(8):
        ready.access(PcidevOp.MMIO_WRITE, t.REG_SCRATCH, 4, b"abcd")
    assert ready.guest.calls() == [0]


def test_interrupt_behind_thousands_of_calls_that_nobody_reads_is_not_lost(ready: Rig) -> None:
    ready.guest.rings[1].add([], [20])
    interrupt(ready)
    assert 1 in ready.guest.calls()
    ready.guest.rings[1].add([], [20])
    for _ in range(8000):
        ready.access(PcidevOp.MMIO_WRITE, t.REG_SCRATCH, 4, b"abcd")
        ready.guest.rings[0].used()
    interrupt(ready)
    calls = ready.guest.calls()
    assert calls[-1] == 1, "one that was read before does not stand for it"
    assert 0 in calls
    for _ in range(8):
        ready.access(PcidevOp.MMIO_WRITE, t.REG_SCRATCH, 4, b"abcd")
    assert ready.guest.calls() == [0]


def pipe() -> tuple[int, int]:
    return os.pipe()


def socket_pair() -> tuple[int, int]:
    near, far = socket.socketpair()
    return near.detach(), far.detach()


@pytest.mark.parametrize("make", [pipe, socket_pair])
def test_a_queue_is_called_once_until_that_has_been_read(
    make: Callable[[], tuple[int, int]],
) -> None:
    """Of a pipe and of a socket the kernel tells otherwise what is unread."""
    ours, theirs = socket.socketpair()
    near, far = make()
    os.set_blocking(near, False)
    channel = Channel(theirs)
    channel.take_call_pipe(far)
    step = HEADER.size + VRING_STATE.size
    for queues in ((0, 0, 1, 0, 1), (1, 0)):
        for queue in queues:
            channel.call(queue)
        assert len(os.read(near, 4096)) == 2 * step
    channel.close()
    os.close(near)
    ours.close()


def test_kick_without_reply_flag_is_not_answered(ready: Rig) -> None:
    ready.guest.send(VhostRequest.VRING_KICK, VRING_STATE.pack(0, 0), flags=0)
    assert ready.guest.answer() is None


def test_guest_that_is_gone_leaves_no_mapping(ready: Rig) -> None:
    assert ready.toy.dma.live_mappings == 1
    ready.guest.backend.close()
    assert ready.toy.dma.live_mappings == 0
    VhostGuest(ready.device, ready.trace).close()
    assert [kind.value for kind in ready.toy.resets] == ["transport"]
