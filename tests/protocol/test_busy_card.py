# SPDX-License-Identifier: GPL-2.0-only
"""A card that has much to do, or waits for its client, answers the runner meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devmodel.bnxt.card import DOORBELL_BAR
from devmodel.bnxt.hsi.regs import DB_TYPE_SHIFT, DB_XID_SHIFT, DOORBELL_PF_OFFSET, DbType
from tests.driver.slow_guest import cpu_seconds
from tests.protocol import client as c
from tests.protocol.client import CONFIG
from tests.protocol.far_host import SEGMENTS, FarHost, Stopwatch
from tests.protocol.test_process import Card

ENTRIES = 256
LATEST_S = 1.0
"""For one answer: in CPU seconds of a card that works, in real ones of a card that may wait. Nearly
all of them take 20 ms."""
QEMU_WAITS_S = 5.0
"""For one answer, in real seconds, whatever else this host does."""
BUSY_S = 0.3
"""What the work takes at least."""


@pytest.fixture(params=["asynchronous", "synchronous"])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FarHost]:
    host = FarHost(Card(tmp_path, timing=request.param))
    yield host
    host.close()


@pytest.fixture
def asynchronous(tmp_path: Path) -> Iterator[FarHost]:
    host = FarHost(Card(tmp_path))
    yield host
    host.close()


def ring(host: FarHost) -> tuple[int, int]:
    """A full ring of packets that become thousands of frames each; packets, doorbell's value."""
    tx = host.open_transmit(ENTRIES)
    packets = host.many_segments(ENTRIES)
    value = DbType.SQ << DB_TYPE_SHIFT | 1 << 56 | tx << DB_XID_SHIFT | 2 * packets
    return packets, value


def begin(host: FarHost) -> int:
    """Ring the doorbell with the link down, so that nothing holds the card up. Frames to come."""
    packets, value = ring(host)
    host.process.ask("link", up=False)
    host.process.client.post(DOORBELL_BAR, DOORBELL_PF_OFFSET, struct.pack("<Q", value))
    return packets * SEGMENTS


def dropped(state: dict[str, object]) -> int:
    counters = state["counters"]
    assert isinstance(counters, dict)
    return int(counters.get("tx_drop_link_down", 0))


def test_one_doorbell_of_half_a_million_frames(host: FarHost) -> None:
    frames, watch = begin(host), Stopwatch(host.process)
    began = time.monotonic()
    seen = []
    while not seen or seen[-1] < frames:
        seen.append(dropped(watch.state()))
        assert time.monotonic() - began < 120, seen[-1]
    assert seen[-1] == frames > 500_000
    assert time.monotonic() - began > BUSY_S
    assert len(set(seen)) > 10, "asked in its midst"
    assert watch.slowest_cpu_s < LATEST_S
    assert watch.slowest_s < QEMU_WAITS_S


def test_the_other_cpus_of_the_guest_go_on(asynchronous: FarHost) -> None:
    """QEMU gives up a connection on which one access is not answered for five seconds."""
    card = asynchronous.process
    frames = begin(asynchronous)
    slowest_s, slowest_cpu_s, reads = 0.0, 0.0, 0
    while dropped(card.ask("state")["result"]) < frames:
        began, used = time.monotonic(), cpu_seconds(card.process.pid)
        assert card.client.read_int(CONFIG, 0) == 0x1750_14E4
        slowest_s = max(slowest_s, time.monotonic() - began)
        slowest_cpu_s = max(slowest_cpu_s, cpu_seconds(card.process.pid) - used)
        reads += 1
    assert reads > 10
    assert slowest_cpu_s < LATEST_S
    assert slowest_s < QEMU_WAITS_S


@pytest.mark.parametrize("method", ["link", "inject", "faults_status", "capture", "remembered"])
def test_any_request_in_the_midst(host: FarHost, method: str) -> None:
    begin(host)
    params = {
        "link": {"up": False}, "inject": {"frame": "ff" * 60}, "capture": {"on": False},
        "remembered": {"address": 0, "bytes": 1 << 40},
    }  # fmt: skip
    pid = host.process.process.pid
    began, used = time.monotonic(), cpu_seconds(pid)
    assert "result" in host.process.ask(method, **params.get(method, {}))
    assert cpu_seconds(pid) - used < LATEST_S
    assert time.monotonic() - began < QEMU_WAITS_S


def test_quit_in_the_midst(host: FarHost) -> None:
    begin(host)
    time.sleep(0.05)
    began = time.monotonic()
    assert host.process.ask("quit")["result"] == {}
    assert host.process.end() == (0, "")
    assert time.monotonic() - began < LATEST_S


def test_a_client_that_does_not_answer(host: FarHost) -> None:
    """DMA by message waits for it, once for all accesses of an entry."""
    card = host.process
    card.client.dma_map(1 << 40, 1 << 20)
    watch = Stopwatch(card)
    request = struct.pack("<HHHHQ", 0x11, 0x4321, 0, 128, 1 << 40)
    host.write_window(request)
    card.client.post(0, 0x100, b"\1\0\0\0")
    assert card.client.receive().command == c.DMA_READ
    began = time.monotonic()
    while time.monotonic() - began < 2:
        watch.state()
        time.sleep(0.01)
    assert watch.answers > 15
    assert watch.slowest_s < LATEST_S
    card.ask("quit")
    assert card.end() == (0, "")
    assert time.monotonic() - began < 3.5, "it did not wait for the end of its patience"


def test_a_client_that_takes_no_replies_ends_as_its_own_fault(asynchronous: FarHost) -> None:
    card = asynchronous.process
    watch = Stopwatch(card)
    request = card.client.message(c.REGION_READ, c.ACCESS.pack(0, CONFIG, 4096))
    card.guest.setblocking(False)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, json.JSONDecodeError):
        for _ in range(10_000):
            try:
                card.guest.send(request)
            except BlockingIOError:
                watch.state()
    code, err = card.end()
    assert code == 5
    assert "the peer leaves" in err
    assert watch.slowest_s < LATEST_S


def test_a_thousand_frames_at_a_time(asynchronous: FarHost) -> None:
    """The wire may carry the smallest frames: sixty thousand in one read."""
    card = asynchronous.process
    watch = Stopwatch(card)
    data = struct.pack(">I", 14) + os.urandom(14)
    card.wire.sendall(data * 50_000)
    while watch.state()["wire"].get("rx_frames", 0) < 50_000:
        pass
    assert watch.slowest_cpu_s < LATEST_S
    assert watch.slowest_s < QEMU_WAITS_S
