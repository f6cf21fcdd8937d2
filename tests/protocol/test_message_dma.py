# SPDX-License-Identifier: GPL-2.0-only
"""DMA_READ and DMA_WRITE towards the client, for mappings that came without a descriptor."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.protocol import client as c
from tests.protocol import toy as t
from tests.protocol.client import ACCESS, CONFIG, Client, Reply
from tests.protocol.conftest import Bench

PAGE = 4096
DMA = struct.Struct("<QQ")
Answer = Callable[[Reply], tuple[int, int, bytes]]
"""What the client answers to a DMA command: extra flags, errno, body."""


class Guest:
    """Client side on the test's thread; the server runs on another, as QEMU's peer does."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.client = Client(bench.client.sock)
        self.memory = bytearray(16 * PAGE)
        self.asked: list[tuple[int, int, int]] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        channel = self.bench.server._channel
        while channel.wait(time.monotonic() + 60) and self.bench.server.serve():
            pass

    def stop(self) -> None:
        self.client.sock.shutdown(1)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def good(self, asked: Reply) -> tuple[int, int, bytes]:
        """Carry the DMA out on ``memory``."""
        iova, count = DMA.unpack_from(asked.body)
        self.asked.append((asked.command, iova, count))
        if asked.command == c.DMA_WRITE:
            self.memory[iova : iova + count] = asked.body[16:]
            return 0, 0, asked.body[:16]
        return 0, 0, asked.body[:16] + self.memory[iova : iova + count]

    def until_reply(self, message_id: int, answer: Answer | None = None) -> Reply:
        """Answer DMA commands until the reply to ``message_id`` comes."""
        while True:
            message = self.client.receive()
            if message.flags & 0xF == c.REPLY:
                assert message.message_id == message_id
                return message
            self.answer(message, answer)

    def answer(self, message: Reply, answer: Answer | None = None) -> None:
        flags, error, body = (answer or self.good)(message)
        head = (message.message_id, message.command, 16 + len(body), c.REPLY | flags, error)
        self.client.send_raw(c.HEADER.pack(*head) + body)

    def start(self, command: int, address: int, length: int) -> None:
        """Post what makes the toy do one DMA."""
        self.client.post(0, t.REG_DMA_ADDRESS, address.to_bytes(8, "little"))
        self.client.post(0, t.REG_DMA_LENGTH, length.to_bytes(4, "little"))
        self.client.post(0, t.REG_COMMAND, command.to_bytes(4, "little"))

    def read(self, offset: int, count: int, answer: Answer | None = None) -> bytes:
        message_id = self.client.send(c.REGION_READ, ACCESS.pack(offset, 0, count))
        return self.until_reply(message_id, answer).body[16:]

    def fault(self, answer: Answer | None = None) -> str:
        return t.FAULTS[self.read(t.REG_FAULT, 1, answer)[0]]


@pytest.fixture
def guest(bench: Bench) -> Iterator[Guest]:
    bench.client.dma_map(0, 16 * PAGE)
    guest = Guest(bench)
    yield guest
    guest.stop()


def test_read_and_write(guest: Guest) -> None:
    guest.memory[100:107] = b"message"
    guest.start(t.COMMAND_DMA_READ, 100, 7)
    guest.answer(guest.client.receive())
    assert guest.read(t.BUFFER, 7) == b"message"
    guest.start(t.COMMAND_DMA_WRITE, 0x2000, 7)
    guest.answer(guest.client.receive())
    assert guest.fault() == ""
    assert guest.memory[0x2000:0x2007] == b"message"
    assert guest.asked == [(c.DMA_READ, 100, 7), (c.DMA_WRITE, 0x2000, 7)]


def test_large_access_is_cut_at_the_clients_limit(bench: Bench) -> None:
    bench.server._client_dma.max_bytes = 1024
    bench.client.dma_map(0, 16 * PAGE)
    guest = Guest(bench)
    guest.start(t.COMMAND_DMA_READ, 0, 2500)
    for _ in range(3):
        guest.answer(guest.client.receive())
    assert guest.fault() == ""
    assert [(iova, n) for _, iova, n in guest.asked] == [(0, 1024), (1024, 1024), (2048, 452)]
    guest.stop()


def test_non_posted_write_is_answered_before_its_dma(guest: Guest) -> None:
    """QEMU cannot answer DMA while the vCPU that wrote waits: the reply must come first."""
    guest.client.post(0, t.REG_DMA_LENGTH, (8).to_bytes(4, "little"))
    body = ACCESS.pack(t.REG_COMMAND, 0, 4) + t.COMMAND_DMA_READ.to_bytes(4, "little")
    message_id = guest.client.send(c.REGION_WRITE, body)
    first, second = guest.client.receive(), guest.client.receive()
    assert (first.message_id, first.flags & 0xF) == (message_id, c.REPLY)
    assert second.command == c.DMA_READ
    guest.answer(second)
    assert guest.fault() == ""


def test_read_and_config_read_are_answered_during_a_dma(guest: Guest) -> None:
    """Another vCPU may be waiting for them, and then the client cannot answer the DMA."""
    guest.start(t.COMMAND_DMA_READ, 0, 8)
    asked = guest.client.receive()
    assert asked.command == c.DMA_READ
    assert guest.read(0, 4) == t.MAGIC.to_bytes(4, "little")
    message_id = guest.client.send(c.REGION_READ, ACCESS.pack(0, CONFIG, 4))
    assert guest.until_reply(message_id).body[16:] == t.DEVICE_AND_VENDOR.to_bytes(4, "little")
    guest.answer(asked)
    assert guest.fault() == ""


def test_writes_during_a_dma_wait_their_turn_in_order(guest: Guest) -> None:
    guest.start(t.COMMAND_DMA_READ, 0, 8)
    asked = guest.client.receive()
    guest.client.post(0, 0x40, b"\1\0\0\0")
    body = ACCESS.pack(0x40, 0, 4) + b"\2\0\0\0"
    message_id = guest.client.send(c.REGION_WRITE, body)
    assert guest.until_reply(message_id).error == 0, "answered at once"
    guest.client.send(
        c.REGION_WRITE_MULTI, struct.pack("<QQII8s", 1, 0x40, 0, 4, b"\3"), flags=c.NO_REPLY
    )
    assert guest.read(0x40, 4) == bytes(4), "carried out later"
    guest.answer(asked)
    assert guest.fault() == ""
    values = [data[0] for _, offset, data in guest.bench.toy.bar_log if offset == 0x40]
    assert values == [1, 2, 3]


@pytest.mark.parametrize("reset", [True, False])
def test_reset_or_config_write_ends_the_wait(guest: Guest, reset: bool) -> None:
    guest.start(t.COMMAND_DMA_READ, 0, 8)
    asked = guest.client.receive()
    if reset:
        message_id = guest.client.send(c.DEVICE_RESET)
    else:
        body = ACCESS.pack(0x3C, CONFIG, 1) + b"\5"
        message_id = guest.client.send(c.REGION_WRITE, body)
    assert guest.client.receive().message_id == message_id
    guest.answer(asked)
    message_id = guest.client.send(c.REGION_READ, ACCESS.pack(0, CONFIG, 4))
    assert guest.client.receive().message_id == message_id
    assert guest.bench.server.counters["stray_replies"] == 1
    assert guest.bench.trace.violation_counts["dma_no_memory"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: (c.ERROR, 19, b""),
        lambda asked: (0, 0, b""),
        lambda asked: (0, 0, asked.body[:16] + bytes(7)),
        lambda asked: (0, 0, asked.body[:16] + bytes(9)),
    ],
)
def test_refused_or_malformed_answer_is_a_dma_fault(guest: Guest, answer: Answer) -> None:
    guest.start(t.COMMAND_DMA_READ, 0, 8)
    guest.answer(guest.client.receive(), answer)
    assert guest.fault() == "no_memory"


def test_client_that_leaves_during_a_dma(guest: Guest) -> None:
    guest.start(t.COMMAND_DMA_WRITE, 0, 8)
    guest.client.receive()


def test_client_that_does_not_answer_times_out(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devmodel.vfio_user.server._DMA_REPLY_TIMEOUT_S", 0.05)
    guest.start(t.COMMAND_DMA_WRITE, 0, 8)
    guest.client.receive()
    time.sleep(0.2)
    assert guest.fault() == "no_memory"


def test_access_that_spans_shared_and_unshared_memory(bench: Bench) -> None:
    bench.client.dma_map(0, PAGE)
    bench.client.dma_map(PAGE, PAGE, bench.memory_fd)
    guest = Guest(bench)
    guest.bench.toy.registers[t.BUFFER : t.BUFFER + 8] = b"12345678"
    guest.start(t.COMMAND_DMA_WRITE, PAGE - 4, 8)
    guest.answer(guest.client.receive())
    assert guest.fault() == ""
    assert guest.memory[PAGE - 4 : PAGE] == b"1234"
    assert bench.memory(0, 4) == b"5678"
    guest.stop()
