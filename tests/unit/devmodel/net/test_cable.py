# SPDX-License-Identifier: GPL-2.0-only
"""The wire the card sees: unplugged, plugged in, tapped, injected into."""

from __future__ import annotations

import io
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from scapy.utils import PcapNgReader

from devmodel.net.cable import Cable
from devmodel.net.pcapng import PcapngWriter
from devmodel.net.port import ScriptedWire, StreamWire
from devmodel.net.source import SourceConfig, TcpSource
from devmodel.net.train import Departure, Train, make_train
from tests.unit.devmodel.frames import tcp

FRAME = bytes(range(60))


@pytest.fixture
def plugged() -> Iterator[tuple[Cable, socket.socket]]:
    ours, theirs = socket.socketpair()
    cable = Cable(lambda: 7)
    cable.plug(StreamWire(ours))
    theirs.settimeout(5)
    yield cable, theirs
    cable.unplug()
    theirs.close()


def test_unplugged_loses_frames_and_counts_them() -> None:
    cable = Cable(lambda: 0)
    cable.send([FRAME, FRAME])
    assert cable.counters == {"drop_tx_unplugged": 2}
    assert list(cable.receive()) == []
    assert not cable.congested


def test_frames_pass_both_ways(plugged: tuple[Cable, socket.socket]) -> None:
    cable, theirs = plugged
    cable.send([FRAME])
    assert theirs.recv(100) == struct.pack(">I", 60) + FRAME
    theirs.sendall(struct.pack(">I", 60) + FRAME)
    assert [bytes(f) for f in cable.receive()] == [FRAME]
    assert (cable.counters["tx_frames"], cable.counters["rx_frames"]) == (1, 1)


def test_injected_frames_come_first_and_once(plugged: tuple[Cable, socket.socket]) -> None:
    cable, theirs = plugged
    theirs.sendall(struct.pack(">I", 60) + FRAME)
    cable.inject(b"injected frame")
    assert [bytes(f) for f in cable.receive()] == [b"injected frame", FRAME]
    assert list(cable.receive()) == []
    assert cable.counters["rx_injected"] == 1


def test_tap_records_both_directions_also_while_unplugged() -> None:
    cable = Cable(lambda: 7)
    file = io.BytesIO()
    cable.capture = PcapngWriter(file)
    cable.inject(b"in" * 10)
    cable.receive()
    cable.send([b"out" * 10])
    data = file.getvalue()
    assert data.index(b"in" * 10) < data.index(b"out" * 10)
    cable.capture = None
    cable.send([b"untapped" * 4])
    assert b"untapped" not in file.getvalue()


def test_unplugging_makes_room_for_whoever_waits(plugged: tuple[Cable, socket.socket]) -> None:
    cable, _ = plugged
    told: list[bool] = []
    cable.on_room = lambda: told.append(cable.congested)
    cable.send([bytes(60000)] * 20)
    assert cable.congested
    cable.unplug()
    assert told
    assert not told[-1]
    assert not cable.congested


def test_counters_go_on_over_another_plug(plugged: tuple[Cable, socket.socket]) -> None:
    cable, theirs = plugged
    cable.send([FRAME])
    cable.unplug()
    theirs.close()
    ours, again = socket.socketpair()
    cable.plug(StreamWire(ours))
    cable.send([FRAME])
    assert cable.counters["tx_frames"] == 2
    cable.unplug()
    again.close()


def test_frames_of_both_directions_are_recorded_in_order(
    plugged: tuple[Cable, socket.socket],
) -> None:
    recorded: list[bytes] = []
    cable = Cable(lambda: 0, lambda frame: recorded.append(bytes(frame)))
    cable.send([b"out" * 5, b"more" * 5])
    cable.inject(b"in" * 5)
    cable.receive()
    assert recorded == [b"out" * 5, b"more" * 5, b"in" * 5]


class TakesTrains(ScriptedWire):
    """A stream that takes them; ``got`` has frames and trains in order."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Departure] = []
        self.on_frames = self.got.extend
        self.send_train = self.got.append

    def close(self) -> None:
        pass


def a_train() -> Train:
    frame = tcp(3000)
    made = make_train(frame, 34, 1400, 4)
    assert made is not None
    return made


def test_a_train_passes_as_one_and_is_captured_as_frames() -> None:
    cable, stream, train, file = Cable(lambda: 0), TakesTrains(), a_train(), io.BytesIO()
    assert cable.send_train is None
    cable.plug(stream)
    cable.capture = PcapngWriter(file)
    cable.send([FRAME])
    assert cable.send_train is not None
    cable.send_train(train)
    cable.send([FRAME])
    assert stream.got == [FRAME, train, FRAME]
    file.seek(0)
    assert [bytes(one) for one in PcapNgReader(file)] == [FRAME, *train, FRAME]


def test_who_needs_frames_gets_no_train(plugged: tuple[Cable, socket.socket]) -> None:
    cable, _ = plugged
    assert cable.send_train is None  # its stream takes none
    cable = Cable(lambda: 0, lambda _frame: None)
    cable.plug(TakesTrains())
    assert cable.send_train is None
    cable = Cable(lambda: 0)
    cable.plug(TakesTrains())
    assert cable.send_train is not None
    config = SourceConfig.parse({"mac": "02:00:00:00:01:03", "ipv4": "192.0.2.3"})
    cable.source = TcpSource(config, lambda _frames: None, cable.counters)
    assert cable.send_train is None


class Endless:
    """A stream whose frames are in memory that is used again."""

    send_train: None = None

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.on_room: Callable[[], None] = lambda: None
        self.congested = False
        self._memory = bytearray(60)

    def send(self, frames: Sequence[bytes]) -> None:
        pass

    def receive(self) -> list[memoryview]:
        self._memory[0] += 1
        return [memoryview(self._memory)]

    def close(self) -> None:
        pass


def captured(cable: Cable) -> io.BytesIO:
    file = io.BytesIO()
    cable.capture = PcapngWriter(file)
    cable.plug(Endless())
    return file


def test_what_is_said_meanwhile_is_a_comment() -> None:
    cable = Cable(lambda: 7)
    file = captured(cable)
    assert cable.bring(lambda frames: cable.remark(frames[0], "queue 3"))
    cable.remark(bytes(60), "too late")
    data = file.getvalue()
    option = struct.pack("<HH", 1, 7) + b"queue 3\0"
    flags = struct.pack("<HHI", 2, 4, 1)
    assert flags + option in data
    assert b"late" not in data
    total = 44 + 60 + len(option)
    assert data.endswith(struct.pack("<I", total))
    assert struct.unpack_from("<II", data, len(data) - total) == (6, total)


def test_frames_of_another_host_are_captured_with_remarks() -> None:
    cable = Cable(lambda: 7)
    file = captured(cable)
    cable.bring_these([FRAME], lambda frames: cable.remark(FRAME, "answered"))
    assert file.getvalue().index(FRAME) < file.getvalue().index(b"answered")


def test_a_batch_is_written_before_its_memory_is_used_again() -> None:
    cable = Cable(lambda: 7)
    file = captured(cable)

    def receive(_arrivals: object) -> None:
        cable.send([b"sent"])
        cable.receive()

    cable.bring(receive)
    data = file.getvalue()
    first, second = data.index(b"\x01" + bytes(59)), data.index(b"\x02" + bytes(59))
    assert first < data.index(b"sent") < second


def test_a_frame_that_the_receiver_fails_at_is_in_the_capture() -> None:
    cable = Cable(lambda: 7)
    file = captured(cable)

    def fail(_arrivals: object) -> None:
        raise ValueError("a bug of the model")

    with pytest.raises(ValueError, match="a bug of the model"):
        cable.bring_these([FRAME], fail)
    assert FRAME in file.getvalue()
