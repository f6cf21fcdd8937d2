# SPDX-License-Identifier: GPL-2.0-only
"""Boot code on the card: polled, one ring of each kind, odd pages, statistics by query."""

from __future__ import annotations

import io
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from devmodel.bnxt.card import BnxtCard
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.resources import IdPolicy
from devmodel.clock import Clock, Timing
from devmodel.net.port import ScriptedWire
from devmodel.trace import Trace
from devmodel.vfio_user.server import Server
from tests.protocol import polled_driver as polled
from tests.protocol.client import CONFIG, Client
from tests.protocol.conftest import serve
from tests.protocol.polled_driver import IOVA, PolledDriver

MEMORY_BYTES = 1 << 20
NIC = Identity()
PEER = bytes.fromhex("020000000002")


def frame(to: bytes, number: int) -> bytes:
    """An Ethernet frame of no known protocol."""
    return (to + PEER + b"\x88\xb5" + number.to_bytes(4, "big")).ljust(60 + number % 40, b"\xa5")


@dataclass
class Boot:
    """A card, and the driver that booted it."""

    card: BnxtCard
    driver: PolledDriver
    wire: ScriptedWire
    trace: Trace


@contextmanager
def plugged(trace: Trace) -> Iterator[Boot]:
    """A card that the driver has not touched."""
    ours, theirs = socket.socketpair()
    clock, wire = Clock(1, Timing.SYNCHRONOUS), ScriptedWire()
    card = BnxtCard(nic=NIC, id_policy=IdPolicy.REUSE, clock=clock, trace=trace, wire=wire)
    server = Server(card, ours)
    memory_fd = os.memfd_create("host")
    os.ftruncate(memory_fd, MEMORY_BYTES)
    client = Client(theirs, lambda: serve(server, clock))
    client.version()
    client.dma_map(IOVA, MEMORY_BYTES, memory_fd)
    client.write_int(CONFIG, 4, 0x6, 2)
    yield Boot(card, PolledDriver(client, memory_fd), wire, trace)
    theirs.close()
    server.close()
    os.close(memory_fd)


@pytest.fixture(autouse=True)
def own_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled, "RINGS_AT", dict(polled.RINGS_AT))


@pytest.fixture
def boot() -> Iterator[Boot]:
    with plugged(Trace()) as boot:
        yield boot


@pytest.mark.parametrize("cq_table_at", [0, 0x3050], ids=["no table", "table that is not aligned"])
def test_boot_code_sends_receives_and_leaves_nothing(boot: Boot, cq_table_at: int) -> None:
    """180 completions: the ring of 128 wraps, once between the halves of one."""
    driver = boot.driver
    driver.up_chip()
    driver.up_nic(NIC.mac, cq_table_at=cq_table_at)
    driver.send(frame(PEER, 0))
    for number in range(1, 60):
        boot.card.receive([frame(NIC.mac, number)])
        boot.card.flush()
        assert driver.receive() == frame(NIC.mac, number)
        driver.send(frame(PEER, number))
    assert boot.wire.sent == [frame(PEER, number) for number in range(60)]
    assert driver.consumed == 178
    query = driver.ask(polled.STAT_CTX_QUERY, 24, {16: ("I", driver.stat_ctx)})
    assert struct.unpack_from("<Q", query, 8) == (60,)
    assert struct.unpack_from("<Q", query, 8 + 8 * 8) == (59,)
    total = driver.ask(polled.FUNC_QSTATS, 24, {16: ("H", polled.NONE)})
    assert total[8 : 8 + 16 * 8] == query[8 : 8 + 16 * 8]
    driver.down()
    assert not any(boot.card.resources.ledger().values())
    assert not boot.trace.violations


def test_a_frame_for_somebody_else_is_not_received(boot: Boot) -> None:
    boot.driver.up_chip()
    boot.driver.up_nic(NIC.mac)
    boot.card.receive([frame(PEER, 1)])
    boot.card.flush()
    with pytest.raises(AssertionError, match="no completion at 0"):
        boot.driver.receive()


def test_a_second_boot_finds_the_card_as_new(boot: Boot) -> None:
    boot.driver.up_chip()
    boot.driver.up_nic(NIC.mac)
    again = PolledDriver(boot.driver.client, boot.driver.memory_fd)
    boot.driver.poke(0x4000, bytes(0x4000))
    again.up_chip()
    again.up_nic(NIC.mac)
    again.send(frame(PEER, 1))
    again.down()
    assert not boot.trace.violations


def test_what_the_card_did_is_kept_in_its_order() -> None:
    """A frame is sent: doorbell, descriptor, payload, completion; as without the account."""
    sent = []
    for keeps in (False, True):
        trace = Trace(io.StringIO(), keeps_activity=keeps)
        with plugged(trace) as boot:
            boot.driver.up_chip()
            boot.driver.up_nic(NIC.mac)
            if trace.activity is not None:
                trace.activity.take()
            boot.driver.send(frame(PEER, 1))
            sent.append((boot.wire.sent, trace.digest))
        assert not trace.violations
    assert sent[0] == sent[1]
    assert trace.activity is not None
    done = [
        (kind, fields.get("type") or fields["purpose"], fields.get("access", ""))
        for _, kind, fields in trace.activity.take()
    ]
    assert done[0] == ("doorbell", "SQ", "")
    assert [one[1] for one in done[1:]] == ["bd", "payload", "cqe", "CQ"], done
