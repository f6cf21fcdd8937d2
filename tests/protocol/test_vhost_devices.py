# SPDX-License-Identifier: GPL-2.0-only
"""The other devices of a UML guest: remote endpoint's NIC, disk, agent's port."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from devmodel.trace import Trace
from devmodel.vhost_user import agent_port, nic
from devmodel.vhost_user.agent_port import AgentPort
from devmodel.vhost_user.disk import Disk
from devmodel.vhost_user.messages import ConfigHead, VhostRequest
from devmodel.vhost_user.nic import PeerNic
from tests.protocol.vhost_guest import VhostGuest

MAC = bytes.fromhex("020000000102")
HEADER = 12
FRAME = bytes(range(60))


class Peer:
    """The NIC, its guest, and what arrived at the card."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.nic = PeerNic(MAC, lambda: self.arrived.extend(map(bytes, self.nic.receive())))
        self.guest = VhostGuest(self.nic, Trace())
        self.guest.set_up()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.guest.close()


def test_nic_has_its_address(peer: Peer) -> None:
    peer.guest.send(VhostRequest.GET_CONFIG, ConfigHead(0, 6, 0).pack() + bytes(6))
    answer = peer.guest.answer()
    assert answer is not None
    assert answer[ConfigHead.SIZE :] == MAC


def test_frames_of_the_guest_arrive_within_its_kick(peer: Peer) -> None:
    ring = peer.guest.rings[nic.TX]
    ring.add([bytes(HEADER), FRAME])
    ring.add([bytes(HEADER) + FRAME[::-1]])
    assert peer.guest.kick(nic.TX) == 0
    assert peer.arrived == [FRAME, FRAME[::-1]]
    assert ring.used() == [0, 0]
    assert peer.nic.counters["rx_frames"] == 2


@pytest.mark.parametrize("length", [5, HEADER + 13, HEADER + 70000])
def test_frame_of_impossible_length_is_refused(peer: Peer, length: int) -> None:
    peer.guest.rings[nic.TX].add([bytes(length)])
    assert peer.guest.kick(nic.TX) == 1
    assert peer.arrived == []


def test_frame_fills_as_many_buffers_as_it_takes(peer: Peer) -> None:
    ring = peer.guest.rings[nic.RX]
    places = [ring.add([], [40])[0] for _ in range(3)]
    peer.nic.send([FRAME])
    assert ring.used() == [40, 32]
    memory = peer.guest.memory
    assert struct.unpack_from("<H", memory, places[0] + 10)[0] == 2
    got = memory[places[0] + HEADER : places[0] + 40] + memory[places[1] : places[1] + 32]
    assert got == FRAME


def test_frames_wait_for_buffers_in_order(peer: Peer) -> None:
    ring = peer.guest.rings[nic.RX]
    frames = [bytes([i]) * 60 for i in range(3)]
    peer.nic.send(frames)
    assert ring.used() == []
    places = [ring.add([], [100])[0] for _ in frames]
    assert peer.guest.kick(nic.RX) == 0
    assert ring.used() == [72, 72, 72]
    assert [peer.guest.memory[at + HEADER] for at in places] == [0, 1, 2]
    assert nic.RX in peer.guest.calls()


def test_too_many_waiting_frames_are_lost_and_counted(peer: Peer) -> None:
    peer.nic.send([FRAME] * (PeerNic.LIMIT_FRAMES + 5))
    assert peer.nic.counters["drop_tx_queue_full"] == 5
    assert peer.nic.congested


def test_congestion_ends_when_the_guest_takes_frames(peer: Peer) -> None:
    told: list[bool] = []
    peer.nic.on_room = lambda: told.append(True)
    peer.nic.send([FRAME] * PeerNic.HIGH_WATER_FRAMES)
    assert peer.nic.congested
    assert not told
    peer.guest.rings[nic.RX].add([], [100])
    peer.guest.kick(nic.RX)
    assert told == [True]


# -- disk -----------------------------------------------------------------------------------
IMAGE = b"".join(bytes([n]) * 512 for n in range(8))


@pytest.fixture
def disk() -> Iterator[VhostGuest]:
    fd = os.memfd_create("image")
    os.write(fd, IMAGE)
    image = Disk(fd)
    guest = VhostGuest(image, Trace())
    guest.set_up()
    yield guest
    guest.close()
    image.close()


def read_disk(guest: VhostGuest, kind: int, sector: int, rooms: list[int]) -> tuple[bytes, int]:
    """Data and status of one request."""
    ring = guest.rings[0]
    places = ring.add([struct.pack("<IIQ", kind, 0, sector)], [*rooms, 1])
    assert guest.kick(0) == 0
    assert len(ring.used()) == 1
    pairs = zip(places, rooms, strict=False)
    data = b"".join(bytes(guest.memory[at : at + n]) for at, n in pairs)
    return data, guest.memory[places[-1]]


def test_sectors_are_read_into_all_parts(disk: VhostGuest) -> None:
    assert read_disk(disk, 0, 2, [512, 1024]) == (IMAGE[1024:2560], 0)


def test_reading_past_the_end_is_an_error(disk: VhostGuest) -> None:
    assert read_disk(disk, 0, 7, [1024])[1] == 1


def test_writing_is_not_supported(disk: VhostGuest) -> None:
    assert read_disk(disk, 1, 0, [512])[1] == 2


def test_disk_has_a_name(disk: VhostGuest) -> None:
    assert read_disk(disk, 8, 0, [20])[0].rstrip(b"\0") == b"bnxt-testbed"


def test_request_without_status_is_refused(disk: VhostGuest) -> None:
    disk.rings[0].add([struct.pack("<IIQ", 0, 0, 0)])
    assert disk.kick(0) == 1


# -- agent's port -----------------------------------------------------------------------------
class Port:
    """The port, its guest and the runner's end."""

    def __init__(self, turns: bool) -> None:
        self.runner, theirs = socket.socketpair()
        self.runner.setblocking(False)
        self.times: list[int] = []
        self.device = AgentPort(theirs, turns=turns, tell_time=self.times.append)
        self.guest = VhostGuest(self.device, Trace())
        self.guest.set_up()
        self._theirs = theirs

    def say(self, payload: bytes, *, now_ns: int = 7) -> int | None:
        """The guest writes one message; the status of its kick, or None while it waits."""
        body = struct.pack("<Q", now_ns) + payload
        self.guest.rings[agent_port.TX].add([struct.pack("<I", len(body)) + body])
        return self.guest.kick(agent_port.TX)

    def answer(self, data: bytes) -> bool:
        """The runner sends; whether it is still there."""
        self.runner.sendall(data)
        return self.device.serve()

    def close(self) -> None:
        self.guest.close()
        self.runner.close()
        self._theirs.close()


@pytest.fixture(params=[True, False], ids=["turns", "no turns"])
def port(request: pytest.FixtureRequest) -> Iterator[Port]:
    made = Port(request.param)
    yield made
    made.close()


@pytest.fixture
def turns() -> Iterator[Port]:
    made = Port(turns=True)
    yield made
    made.close()


def test_port_is_announced_named_and_opened(port: Port) -> None:
    control_in = port.guest.rings[agent_port.CONTROL_RX]
    control_out = port.guest.rings[agent_port.CONTROL_TX]
    places = [control_in.add([], [64])[0] for _ in range(3)]
    control_out.add([struct.pack("<IHH", 0xFFFFFFFF, 0, 1)])
    port.guest.kick(agent_port.CONTROL_TX)
    assert control_in.used() == [8]
    assert struct.unpack_from("<IHH", port.guest.memory, places[0]) == (0, 1, 1)
    control_out.add([struct.pack("<IHH", 0, 3, 1)])
    port.guest.kick(agent_port.CONTROL_TX)
    assert control_in.used() == [8 + len(agent_port.NAME), 8]
    assert struct.unpack_from("<IHH", port.guest.memory, places[2]) == (0, 6, 1)


def test_guest_stands_still_until_the_runner_answers(turns: Port) -> None:
    (at,) = turns.guest.rings[agent_port.RX].add([], [64])
    assert turns.say(b"hello") is None
    assert turns.runner.recv(100)[12:] == b"hello"
    assert turns.times == [7]
    assert turns.answer(struct.pack("<I", 3) + b"now")
    assert turns.guest.answer() is not None
    assert agent_port.RX in turns.guest.calls()
    assert bytes(turns.guest.memory[at : at + 7]) == struct.pack("<I", 3) + b"now"


def test_answer_to_a_guest_that_has_died_goes_nowhere(turns: Port) -> None:
    assert turns.say(b"hello") is None
    turns.guest.backend.close()
    assert turns.answer(struct.pack("<I", 3) + b"now")


def test_half_a_message_is_not_a_turn(turns: Port) -> None:
    turns.guest.rings[agent_port.TX].add([struct.pack("<I", 100) + b"half"])
    assert turns.guest.kick(agent_port.TX) == 0
    turns.guest.rings[agent_port.TX].add([bytes(96)])
    assert turns.guest.kick(agent_port.TX) is None


def test_half_an_answer_is_kept(turns: Port) -> None:
    turns.guest.rings[agent_port.RX].add([], [64])
    assert turns.say(b"?") is None
    turns.answer(struct.pack("<I", 3) + b"n")
    assert turns.guest.answer() is None
    turns.answer(b"ow")
    assert turns.guest.answer() is not None


def test_long_answer_comes_as_buffers_do(turns: Port) -> None:
    ring = turns.guest.rings[agent_port.RX]
    ring.add([], [64])
    assert turns.say(b"?") is None
    turns.answer(struct.pack("<I", 100) + bytes(100))
    assert turns.guest.answer() is not None
    assert ring.used() == [64]
    ring.add([], [64])
    assert turns.guest.kick(agent_port.RX) == 0
    assert ring.used() == [40]


def test_without_turns_nobody_waits() -> None:
    port = Port(turns=False)
    assert port.say(b"hello") == 0
    port.close()


def test_endless_message_is_refused(port: Port) -> None:
    port.guest.rings[agent_port.TX].add([struct.pack("<I", 1 << 31)])
    assert port.guest.kick(agent_port.TX) == 1


def test_runner_that_has_gone_is_noticed(port: Port) -> None:
    port.runner.close()
    assert not port.device.serve()
