# SPDX-License-Identifier: GPL-2.0-only
"""Loopback and PAUSE, between the data path and the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from devmodel.bnxt.hsi.phy import Loopback, PauseBits
from devmodel.bnxt.link import Link
from devmodel.bnxt.mac import Mac
from devmodel.bnxt.module import ModuleKind
from devmodel.bnxt.phy import Partner, PhySettings
from devmodel.bnxt.port_mac import PAUSE_ADDRESS, PortMac
from devmodel.bnxt.rx import RxPath
from devmodel.clock import Clock
from devmodel.net.port import Frame, ScriptedWire
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.rig import Rig
from tests.unit.devmodel.frames import tcp

FRAME = bytes(range(60))


class Port:
    """A port whose pause is forced, and what comes out of it."""

    def __init__(self, pause: PauseBits = PauseBits.RX | PauseBits.TX) -> None:
        self.clock, self.wire, self.mac = Clock(1), ScriptedWire(), Mac()
        self.received: list[bytes] = []
        self.rooms = 0
        self.port = PortMac(self.wire, self.clock, Trace(), self.mac, self.receive)
        self.port.on_room = self.room
        self.port.link = Link(self.clock, Partner(), ModuleKind.DAC, lambda up: None)
        self.port.link.configure(dataclasses.replace(PhySettings(), force_pause=pause))

    def receive(self, frames: Sequence[Frame]) -> None:
        self.received += map(bytes, frames)

    def room(self) -> None:
        self.rooms += 1

    def wait(self, elapsed_ns: int) -> None:
        self.clock.advance_to(self.clock.now_ns + elapsed_ns)


@pytest.fixture
def port() -> Port:
    return Port()


def control(opcode: int, value: int, destination: bytes = PAUSE_ADDRESS) -> bytes:
    words = (0x8808, opcode, value)
    return (destination + bytes(6) + b"".join(w.to_bytes(2, "big") for w in words)).ljust(60, b"\0")


def test_pause_is_obeyed_for_its_quanta(port: Port) -> None:
    port.port.control(control(1, 1000))
    assert port.port.congested
    port.wait(5119)
    assert (port.port.congested, port.rooms) == (True, 0)
    port.wait(1)  # 1000 times 512 bits at 100 Gb/s
    assert (port.port.congested, port.rooms) == (False, 1)


def test_a_later_pause_replaces_the_one_before(port: Port) -> None:
    port.port.control(control(1, 1000))
    port.port.control(control(1, 2000))
    port.wait(5120)
    assert port.port.congested
    port.port.control(control(1, 0))
    assert (port.port.congested, port.rooms) == (False, 1)


def test_pause_is_counted_and_not_obeyed_where_it_is_off() -> None:
    port = Port(PauseBits.TX)
    port.port.control(control(1, 1000))
    assert not port.port.congested
    assert port.mac.rx.others == {"rx_ctrl_frames": 1, "rx_pause_frames": 1}


def test_other_control_frames_are_told_apart(port: Port) -> None:
    port.port.control(control(1, 9, b"\2" * 6))
    port.port.control(control(0x0101, 0b101))
    port.port.control(control(7, 0))
    assert port.mac.rx.others == {
        "rx_ctrl_frames": 3,
        "rx_unsupported_da_pausepfc_frames": 1,
        "rx_pfc_frames": 1,
        "rx_pfc_ena_frames_pri0": 1,
        "rx_pfc_ena_frames_pri2": 1,
        "rx_unsupported_opcode_frames": 1,
    }
    assert not port.port.congested


def test_local_loopback_brings_frames_back_and_nothing_else(port: Port) -> None:
    port.port.loopback = Loopback.LOCAL
    port.port.send([FRAME])
    assert port.port.arrived([FRAME[::-1]]) == ()
    port.wait(0)
    assert (port.received, port.wire.sent, port.rooms) == ([FRAME], [], 1)


def test_loopback_of_the_phy_does_the_same(port: Port) -> None:
    assert port.port.link is not None
    port.port.link.configure(dataclasses.replace(PhySettings(), loopback=Loopback.LOCAL))
    port.port.send([FRAME])
    port.wait(0)
    assert (port.received, port.wire.sent) == ([FRAME], [])


def test_a_train_goes_onto_the_wire_and_does_not_come_back(port: Port) -> None:
    assert port.port.send_train is None
    port.wire.send_train = lambda _train: None
    assert port.port.send_train is port.wire.send_train
    port.port.loopback = Loopback.LOCAL
    assert port.port.send_train is None


def test_remote_loopback_sends_back(port: Port) -> None:
    port.port.loopback = Loopback.REMOTE
    assert port.port.arrived([memoryview(FRAME)]) == ()
    assert port.wire.sent == [FRAME]


def test_a_full_loop_holds_transmission_up(port: Port) -> None:
    port.port.loopback = Loopback.LOCAL
    port.port.send([bytes(9000)] * 60)
    assert port.port.congested
    port.wait(0)
    assert (port.port.congested, len(port.received)) == (False, 60)


def test_reset_forgets_loop_and_pause(port: Port) -> None:
    port.port.loopback = Loopback.LOCAL
    port.port.send([FRAME])
    port.port.control(control(1, 1000))
    port.port.reset()
    port.wait(10_000)
    assert (port.received, port.port.congested, port.rooms) == ([], False, 0)


def test_frames_that_wait_for_buffers_ask_for_a_pause() -> None:
    rig, port = Rig(), Port()
    rig.rx = RxPath(
        rig.resources, rig.dma, rig.clock, rig.trace, rig.mac.rx, port=port.port
    )  # fmt: skip
    queue = rig.add_queue(post=False)
    rig.add_vnic()
    rig.receive(tcp(100), tcp(100))
    assert port.mac.tx.snapshot()["tx_pause_frames"] == 1
    rig.post_agg(queue, 8)
    rig.post_rx(queue, 8)
    assert len(rig.poll()) == 2
    first, *_, last = port.wire.sent
    assert first[:6] == last[:6] == PAUSE_ADDRESS
    assert (first[12:18].hex(), last[12:18].hex()) == ("88080001ffff", "880800010000")
    counted = port.mac.tx.snapshot()
    assert counted["tx_pause_frames"] == counted["tx_control_frames"] == counted["tx_mcast_frames"]


def test_no_pause_is_sent_where_it_is_off() -> None:
    port = Port(PauseBits.RX)
    port.port.ask_to_wait(True)
    assert port.wire.sent == []
