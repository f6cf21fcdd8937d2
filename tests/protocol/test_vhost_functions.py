# SPDX-License-Identifier: GPL-2.0-only
"""Virtual functions behind vhost-user: a connection each, configuration space and memory each."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from devmodel.bnxt.config_space import SRIOV_OFFSET
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.ver import HwrmVerGetInput, HwrmVerGetOutput
from devmodel.bnxt.make import make_card
from devmodel.clock import Clock, Timing
from devmodel.net.cable import Cable
from devmodel.net.port import ScriptedWire
from devmodel.trace import Trace
from devmodel.vhost_user.backend import Machine
from devmodel.vhost_user.machine import UmlMachine
from devmodel.vhost_user.messages import PcidevMsg, PcidevOp
from devmodel.vhost_user.pcidev import Pcidev
from tests.protocol.vhost_guest import GUEST_BASE, VhostGuest

VFS = 2
RESPONSE_AT = 0x8_0000


class Rig:
    """A card with virtual functions, and for each function a guest with memory of its own."""

    def __init__(self) -> None:
        self.trace = Trace()
        clock = Clock(1, Timing.SYNCHRONOUS)
        self.card = make_card(clock, self.trace, ScriptedWire(), {"virtual_functions": VFS})
        machine = Machine()
        functions = [self.card, *self.card.virtual_functions]
        self.guests = [
            VhostGuest(Pcidev(function, self.trace.record), self.trace, machine)
            for function in functions
        ]
        for guest in self.guests:
            guest.set_up()

    def access(
        self, who: int, op: int, address: int, size: int, data: bytes = b"", bar: int = 0
    ) -> bytes:
        """An access to a function, 0 being the physical one."""
        guest = self.guests[who]
        reads = op in (PcidevOp.CFG_READ, PcidevOp.MMIO_READ)
        request = PcidevMsg(op, bar, 0, size, address).pack() + data
        places = guest.rings[0].add([request], [size] if reads else [])
        guest.kick(0)
        written = guest.rings[0].used()
        return bytes(guest.memory[places[0] : places[0] + written[0]]) if reads else b""

    def configure(self, who: int, offset: int, value: int) -> None:
        self.access(who, PcidevOp.CFG_WRITE, offset, 2, struct.pack("<H", value))

    def enable(self, count: int) -> None:
        """Virtual functions, their memory space, and that they master the bus."""
        self.configure(0, SRIOV_OFFSET + 16, count)
        self.configure(0, SRIOV_OFFSET + 8, 9 if count else 0)
        for who in range(1, count + 1):
            self.configure(who, 4, 4)

    def ask_version(self, who: int, address: int) -> None:
        """VER_GET in long form."""
        request = HwrmVerGetInput(
            req_type=Cmd.VER_GET, cmpl_ring=0xFFFF, seq_id=7, resp_addr=address
        ).pack()
        self.access(who, PcidevOp.MMIO_WRITE, 0, len(request), request)
        self.access(who, PcidevOp.MMIO_WRITE, 0x100, 4, b"\1\0\0\0")


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    for guest in made.guests:
        guest.close()


def test_connections_to_the_card_are_its_functions_in_order() -> None:
    clock, cable = Clock(1, Timing.SYNCHRONOUS), Cable(lambda: 0)
    card = make_card(clock, Trace(), cable, {"virtual_functions": VFS})
    machine = UmlMachine(
        card, cable, settle=card.settle, frames_arrived=lambda: None, tell_time=lambda ns: None,
        virtual_functions=card.virtual_functions,
    )  # fmt: skip
    ends = []
    names = []
    for _ in range(VFS + 1):
        ours, theirs = socket.socketpair()
        ends.append(ours)
        names.append(machine.next_function())
        assert machine.connect(names[-1], theirs) is not None
    assert names == ["card", "vf0", "vf1"]
    machine.disconnect("card")
    assert machine.next_function() == "card"
    machine.close()
    for end in ends:
        end.close()


def test_a_function_that_is_not_there_reads_as_ones(rig: Rig) -> None:
    assert rig.access(1, PcidevOp.CFG_READ, 0, 4) == b"\xff" * 4
    assert rig.access(1, PcidevOp.CFG_READ, 0x34, 1) == b"\xff"
    rig.enable(1)
    assert rig.access(1, PcidevOp.CFG_READ, 0, 4) == b"\xff" * 4
    assert rig.access(1, PcidevOp.CFG_READ, 0x34, 1) == b"\xa0"
    assert rig.access(2, PcidevOp.CFG_READ, 0x34, 1) == b"\xff"
    assert rig.access(1, PcidevOp.MMIO_READ, 0x520, 4) == struct.pack("<I", 0x8000)
    rig.enable(0)
    assert rig.access(1, PcidevOp.CFG_READ, 0x34, 1) == b"\xff"


def test_an_answer_goes_to_the_memory_of_who_asked(rig: Rig) -> None:
    rig.enable(2)
    rig.ask_version(1, GUEST_BASE + RESPONSE_AT)
    found = [
        HwrmVerGetOutput.unpack(bytes(guest.memory[RESPONSE_AT : RESPONSE_AT + 256])).seq_id
        for guest in rig.guests
    ]
    assert found == [0, 7, 0]
    assert not rig.trace.violation_counts


def test_a_function_that_masters_no_bus_reaches_no_memory(rig: Rig) -> None:
    rig.enable(2)
    rig.configure(1, 4, 0)
    rig.ask_version(1, GUEST_BASE + RESPONSE_AT)
    assert [v["function"] for v in rig.trace.violations] == ["vf0"]
    assert not any(guest.memory[RESPONSE_AT + 4] for guest in rig.guests)
