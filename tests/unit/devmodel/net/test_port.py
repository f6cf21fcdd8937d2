# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import io
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import PcapNgReader

from devmodel.net.pcapng import Direction, PcapngWriter
from devmodel.net.port import MAX_FRAME_BYTES, ScriptedWire, StreamWire

Pair = tuple[StreamWire, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    wire = StreamWire(ours)
    yield wire, theirs
    wire.close()
    theirs.close()


def wrap(frame: bytes) -> bytes:
    return struct.pack(">I", len(frame)) + frame


def drain(wire: StreamWire) -> list[bytes]:
    return [bytes(frame) for frame in wire.receive()]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=3000), max_size=30), st.integers(1, 4000))
def test_frames_survive_any_cut(frames: list[bytes], step: int) -> None:
    ours, theirs = socket.socketpair()
    wire = StreamWire(ours)
    stream = b"".join(map(wrap, frames))
    found = []
    for at in range(0, len(stream), step):
        theirs.sendall(stream[at : at + step])
        found += drain(wire)
    assert found == frames
    assert wire.counters["rx_frames"] == len(frames)
    assert wire.counters["rx_bytes"] == sum(map(len, frames))
    wire.close()
    theirs.close()


def test_nothing_to_read_is_no_frames(pair: Pair) -> None:
    assert drain(pair[0]) == []
    assert not pair[0].closed


def test_an_oversized_frame_is_skipped_and_counted(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(wrap(b"before") + wrap(bytes(MAX_FRAME_BYTES + 1)) + wrap(b"after"))
    assert drain(wire) == [b"before", b"after"]
    assert wire.counters["drop_rx_oversize"] == 1
    assert wire.counters["rx_frames"] == 2


def test_sent_frames_carry_their_length(pair: Pair) -> None:
    wire, theirs = pair
    wire.send([b"one", b"", b"three"])
    assert theirs.recv(100) == wrap(b"one") + wrap(b"") + wrap(b"three")
    assert (wire.counters["tx_frames"], wire.counters["tx_bytes"]) == (3, 8)


def test_a_corked_wire_writes_when_flushed_or_near_congestion(pair: Pair) -> None:
    wire, theirs = pair
    wire.corked = True
    theirs.setblocking(False)
    wire.send([b"one"])
    wire.send([b"two"])
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    wire.flush()
    assert theirs.recv(100) == wrap(b"one") + wrap(b"two")
    assert not wire.wants_write
    frame = bytes(60000)
    for _ in range(wire.HIGH_WATER_BYTES // 60000 + 1):
        wire.send([frame])
    assert len(theirs.recv(1 << 20)) > 0


def test_a_full_wire_congests_then_drops_then_drains(pair: Pair) -> None:
    wire, theirs = pair
    told: list[bool] = []
    wire.on_room = lambda: told.append(wire.congested)
    frame = bytes(60000)
    sent = 0
    while not wire.congested:
        wire.send([frame])
        sent += 1
    assert wire.wants_write
    assert not wire.counters["drop_tx_queue_full"]
    while not wire.counters["drop_tx_queue_full"]:
        wire.send([frame])
        sent += 1
    assert wire.counters["tx_frames"] == sent - 1
    theirs.setblocking(False)
    got = 0
    while wire.wants_write:
        got += len(theirs.recv(1 << 20))
        wire.flush()
    while True:
        try:
            got += len(theirs.recv(1 << 20))
        except BlockingIOError:
            break
    assert got == (sent - 1) * (len(frame) + 4)
    assert told == [False]


def test_a_gone_peer_closes_the_wire(pair: Pair) -> None:
    wire, theirs = pair
    theirs.close()
    assert drain(wire) == []
    assert wire.closed
    wire.send([b"lost", b"too"])
    assert wire.counters["drop_tx_closed"] == 2
    assert wire.counters["tx_frames"] == 0


def test_a_peer_that_goes_while_frames_wait_loses_them() -> None:
    ours, theirs = socket.socketpair()
    wire = StreamWire(ours)
    while not wire.congested:
        wire.send([bytes(60000)])
    theirs.close()
    wire.flush()
    assert wire.closed
    assert wire.counters["drop_tx_closed"] > 0
    assert not wire.wants_write
    wire.close()


def test_scripted_wire_hands_over_and_keeps() -> None:
    wire = ScriptedWire()
    wire.inject([b"a", b"bc"])
    assert list(wire.receive()) == [b"a", b"bc"]
    assert list(wire.receive()) == []
    wire.send([b"x"])
    assert wire.sent == [b"x"]
    assert wire.counters == {"rx_frames": 2, "rx_bytes": 3, "tx_frames": 1, "tx_bytes": 1}


# -- pcapng -------------------------------------------------------------------------------------
def read_back(data: bytes) -> list[tuple[bytes, int, int]]:
    """(frame, time in ns, direction) of each packet block."""
    found = []
    at = 0
    while at < len(data):
        kind, total = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + total - 4)[0] == total
        assert total % 4 == 0
        if kind == 6:
            _, high, low, kept, _ = struct.unpack_from("<IIIII", data, at + 8)
            padded = -(-kept // 4) * 4
            code, size, flags = struct.unpack_from("<HHI", data, at + 28 + padded)
            assert (code, size) == (2, 4)
            found.append((data[at + 28 : at + 28 + kept], high << 32 | low, flags))
        at += total
    assert at == len(data)
    return found


@given(st.lists(st.binary(max_size=50), max_size=10), st.integers(0, 1 << 62))
def test_pcapng_reads_back(frames: list[bytes], time_ns: int) -> None:
    sink = io.BytesIO()
    writer = PcapngWriter(sink)
    writer.write(frames, Direction.INBOUND, time_ns)
    writer.write([b"out"], Direction.OUTBOUND, time_ns + 1)
    writer.finish(time_ns + 2)
    wanted = [(frame, time_ns, 1) for frame in frames] + [(b"out", time_ns + 1, 2)]
    assert read_back(sink.getvalue()) == wanted
    assert writer.frames[Direction.INBOUND] == len(frames)
    assert writer.frames[Direction.OUTBOUND] == 1


def test_pcapng_is_read_by_scapy(tmp_path: Path) -> None:
    path = tmp_path / "wire.pcapng"
    with path.open("wb") as sink:
        PcapngWriter(sink, snaplen_bytes=20).write([bytes(range(60))], Direction.INBOUND, 1_500)
    with PcapNgReader(str(path)) as reader:
        packets = list(reader)
    assert [bytes(p) for p in packets] == [bytes(range(20))]
    assert packets[0].wirelen == 60


def test_pcapng_is_bounded() -> None:
    sink = io.BytesIO()
    writer = PcapngWriter(sink, limit_bytes=4096)
    writer.write([bytes(1000)] * 10, Direction.INBOUND, 0)
    assert len(sink.getvalue()) <= 4096
    assert writer.not_written == 10 - len(read_back(sink.getvalue()))
    assert writer.frames[Direction.INBOUND] == 10
