# SPDX-License-Identifier: GPL-2.0-only
"""The sender inside the card, put in by configuration; and the count of interrupts sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from devmodel.app import App
from devmodel.bnxt.make import make_card
from devmodel.clock import Timing
from devmodel.config import Config, ConfigError
from devmodel.net.port import Frame
from tests.protocol import toy as t
from tests.protocol.conftest import Bench

SOURCE = {"mac": "02:00:00:00:01:03", "ipv4": "192.0.2.3"}


@contextmanager
def app(**config: object) -> Iterator[App]:
    ours, theirs = socket.socketpair()
    given = {"vfio_user_fd": ours.detach(), "timing": Timing.SYNCHRONOUS, "options": {}, **config}
    with theirs:
        card = App(Config(**given), make_card)  # type: ignore[arg-type]
        yield card
        card._close()


def test_what_the_source_answers_is_received_before_the_transmit_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: list[Frame] = []
    syn = TCP(sport=40000, dport=5001, flags="S", seq=7)
    frame = Ether(dst=SOURCE["mac"], src="02:00:00:00:01:01") / IP(dst=SOURCE["ipv4"]) / syn
    with app(source=SOURCE) as card:
        monkeypatch.setattr(card.card, "arrived", received.extend)
        card.cable.send([bytes(frame)])
        assert received == []
        card.card.settle()
        assert "drop_tx_unplugged" not in +card.cable.counters
    (answer,) = received
    assert Ether(bytes(answer))[TCP].flags == "SA"


def test_a_bad_source_is_refused() -> None:
    config = Config(source={"mac": "nonsense", "ipv4": "192.0.2.3"})
    with pytest.raises(ConfigError, match="source"):
        App(config, make_card)


def test_interrupts_are_counted_in_shared_memory(tmp_path: Path) -> None:
    with (tmp_path / "memory").open("w+b") as memory:
        os.ftruncate(memory.fileno(), 4096)
        with app(interrupts_fd=memory.fileno()) as card:
            for _ in range(3):
                card._count_interrupt()
        assert int.from_bytes(os.pread(memory.fileno(), 8, 0), "little") == 3


def test_each_message_sent_is_told(bench: Bench, eventfds: list[int]) -> None:
    told: list[int] = []
    bench.server._irqs._signalled = lambda: told.append(1)
    bench.enable_msix()
    assert bench.connect(eventfds[:1]).error == 0
    bench.interrupt(0)
    bench.interrupt(1)  # has no eventfd: nothing is sent
    bench.client.read_int(0, t.REG_COMMAND, 4)
    assert told == [1]
