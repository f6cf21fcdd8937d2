# SPDX-License-Identifier: GPL-2.0-only
"""Malformed vfio-user and vhost-user messages with odd descriptors, to the card's real process."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from random import Random

from devmodel.vhost_user.messages import (
    HEADER,
    VERSION,
    VRING_STATE,
    MemRegion,
    PcidevMsg,
    VhostRequest,
    VringAddr,
)
from tests.hostile.process import MEMORY_BYTES, CardProcess, OddDescriptors
from tests.hostile.rounds import Report
from tests.protocol import client as c
from tests.protocol.hostile import uml_guest
from tests.protocol.hostile.uml_guest import BASE, DEVICES, UmlGuest

MESSAGES = 1000
"""Of one round: then another process."""
ASK_EVERY = 20
_LOST_FRAMING = 0.0004
_UML_KEYS = ("vhost_user_fd", "vhost_peer_fd", "vhost_disk_fd", "vhost_agent_fd")


def integer(random: Random, bits: int) -> int:
    """Any, with a liking for the ends."""
    if random.random() < 0.4:
        return random.choice((0, 1, (1 << bits) - 1, 1 << bits - 1))
    return random.getrandbits(random.randrange(1, bits + 1))


def page(random: Random) -> int:
    """A page of the memory, or any address."""
    return random.randrange(300) << 12 if random.random() < 0.8 else integer(random, 64)


class VfioUserRound:
    """One client, from a good beginning to whatever it makes of it."""

    def __init__(self, random: Random, report: Report, number: int) -> None:
        timing = random.choice(("asynchronous", "synchronous"))
        self.random = random
        self.fds = OddDescriptors()
        self.card = CardProcess(report, number, ["vfio_user_fd", "wire_fd"], timing=timing)

    @classmethod
    def play(cls, seed: int, number: int, report: Report, messages: int = MESSAGES) -> None:
        """Raises AssertionError if the card ends as its own fault, or answers late."""
        one = cls(Random(f"{seed} {number}"), report, number)
        one.begin()
        for i in range(messages):
            if not one.message():
                break
            report.operations += 1
            if i % ASK_EVERY == 0:
                one.card.ask()
        one.card.end()
        one.fds.close()

    def begin(self) -> None:
        """VERSION, memory, bus mastering."""
        self.say(c.VERSION, struct.pack("<HH", 0, 0) + b'{"capabilities":{}}\0')
        good = struct.pack("<IIQQQ", 32, 3, 0, 0, MEMORY_BYTES)
        self.card.say("vfio_user_fd", c.HEADER.pack(1, c.DMA_MAP, 48, 0, 0) + good, [self.fds.good])
        self.say(c.REGION_WRITE, c.ACCESS.pack(4, c.CONFIG, 2) + b"\6\0")

    def say(self, command: int, body: bytes, flags: int = 0, fds: Sequence[int] = ()) -> bool:
        """A well-framed message."""
        head = c.HEADER.pack(integer(self.random, 16), command, 16 + len(body), flags, 0)
        return self.card.say("vfio_user_fd", head + body, fds)

    def message(self) -> bool:
        """One more. False if the connection is at its end."""
        random = self.random
        if random.random() < 0.9:
            self.card.hear("vfio_user_fd")
        if random.random() < _LOST_FRAMING:
            return self.card.say("vfio_user_fd", random.randbytes(random.randrange(1, 200)))
        flags = random.choice((0, 0, 0, 0, c.NO_REPLY, c.REPLY, c.REPLY | c.ERROR, 0xF0, 2))
        return self.say(*self.body(), flags, self.fds.some(random))

    def body(self) -> tuple[int, bytes]:
        """Command and content."""
        random = self.random
        n32 = integer(random, 32)
        kind = random.randrange(9)
        if kind == 0:
            head = struct.pack("<IIQ", 32, random.randrange(5), page(random))
            return c.DMA_MAP, head + struct.pack("<QQ", page(random), page(random))
        if kind == 1:
            head = struct.pack("<II", 24, random.randrange(4))
            return c.DMA_UNMAP, head + struct.pack("<QQ", page(random), page(random))
        if kind == 2:
            flags = random.choice((0x21, 0x22, 0x24, 0x24, n32 & 63))
            where = random.randrange(6), random.choice((0, 5, n32)), random.choice((0, 1, 4, n32))
            return c.SET_IRQS, struct.pack("<IIIII", 20, flags, *where) + random.randbytes(4)
        if kind < 6:
            data = random.randbytes(random.choice((1, 2, 4, 4, 8, 8, 64)))
            region = random.choice((0, 0, 2, 4, c.CONFIG, n32))
            offset = random.choice((random.randrange(0x200), 0x10000, 0x100, 0xA0, n32))
            count = len(data) if random.random() < 0.9 else n32
            command = random.choice((c.REGION_READ, c.REGION_WRITE, c.REGION_WRITE))
            return command, c.ACCESS.pack(offset, region, count) + data
        if kind == 6:
            count = random.randrange(5)
            writes = (
                c.ACCESS.pack(integer(random, 16), random.choice((0, 2, 4)), random.randrange(1, 9))
                for _ in range(count)
            )
            body = b"".join(write + random.randbytes(8) for write in writes)
            return c.REGION_WRITE_MULTI, struct.pack("<Q", random.choice((count, n32))) + body
        if kind == 7:
            known = (c.GET_REGION_INFO, c.GET_IRQ_INFO, c.GET_INFO, c.DEVICE_RESET, c.VERSION)
            return random.choice(known), struct.pack("<III20x", n32, 0, random.randrange(12))
        return random.randrange(20), random.randbytes(random.randrange(100))


class FarUmlGuest(UmlGuest):
    """The hostile UML guest of tests/protocol, with the card in a process of its own."""

    def __init__(self, card: CardProcess, fds: OddDescriptors, random: Random) -> None:
        self.process = card
        self.odd = fds
        self.random = random
        self.memory_fd = fds.good
        self.is_open = True
        self.pipe, self.pipe_far = os.pipe2(os.O_NONBLOCK)
        for name in DEVICES:
            self.set_up(name)

    def close(self) -> None:
        """What it opened."""
        os.close(self.pipe)
        os.close(self.pipe_far)

    def send(self, name: str, data: bytes, kinds: Sequence[int] = ()) -> None:
        """As the base; a kind that is unknown there stands for any descriptors."""
        known = {uml_guest.MEMORY_FD: self.memory_fd, uml_guest.PIPE_FD: self.pipe_far}
        fds = [known[kind] for kind in kinds if kind in known]
        if uml_guest.DEVICE_FD in kinds:
            most = 20 if self.random.random() < _LOST_FRAMING else 7
            fds += self.odd.some(self.random)[:most]
        key = _UML_KEYS[DEVICES.index(name)]
        self.process.hear(key)
        self.is_open = self.process.say(key, data, fds) and self.is_open


class VhostUserRound:
    """One guest of User Mode Linux gone mad."""

    @classmethod
    def play(cls, seed: int, number: int, report: Report, messages: int = MESSAGES) -> None:
        """Raises AssertionError if the card ends as its own fault, or answers late."""
        random = Random(f"{seed} {number}")
        fds = OddDescriptors()
        runner, agent = socket.socketpair()
        runner.setblocking(False)
        image = os.memfd_create("image")
        os.ftruncate(image, 1 << 16)
        card = CardProcess(
            report, number, _UML_KEYS, timing="synchronous", image_fd=image,
            agent_fd=agent.fileno(), agent_turns=random.random() < 0.5,
        )  # fmt: skip
        agent.close()
        os.close(image)
        guest = FarUmlGuest(card, fds, random)
        for i in range(messages):
            act(guest, random)
            report.operations += 1
            if not guest.is_open:
                break
            if i % ASK_EVERY == 0:
                card.ask()
        runner.close()
        card.end()
        guest.close()
        fds.close()


def act(guest: FarUmlGuest, random: Random) -> None:
    """One message or one request through a queue."""
    name = random.choice(DEVICES)
    kind = random.random()
    if kind < _LOST_FRAMING:
        uml_guest.raw(guest, name, random.randbytes(random.randrange(1, 200)), [3])
    elif kind < 0.4:
        body = vhost_body(random)
        flags = random.choice((VERSION, VERSION | 8, integer(random, 32)))
        head = HEADER.pack(body[0], flags, len(body[1]))
        guest.send(name, head + body[1], random.choice(([], [], [1], [2], [3], [1, 1])))
    elif kind < 0.8:
        pieces = [piece(random) for _ in range(random.randrange(1, 5))]
        more = random.choice((1, 1, 1, 2, 17, 65535))
        uml_guest.offer(guest, name, random.randrange(4), pieces, more)
    elif kind < 0.95:
        at, data = random.randrange(0x2100), random.randbytes(random.randrange(1, 48))
        uml_guest.scribble(guest, name, random.randrange(4), at, data)
    else:
        uml_guest.set_up_again(guest, name)


def vhost_body(random: Random) -> tuple[int, bytes]:
    """Request and content."""
    n32 = integer(random, 32)
    queue = random.choice((*range(5), n32))
    where = [random.choice((BASE + 64 * random.randrange(4096), integer(random, 64)))] * 3
    kind = random.randrange(5)
    if kind == 0:
        size = random.choice((4096, 1 << 17, MEMORY_BYTES, integer(random, 64)))
        region = MemRegion(where[0], size, where[1], random.choice((0, integer(random, 64))))
        count = random.randrange(3)
        return VhostRequest.SET_MEM_TABLE, struct.pack("<II", count, 0) + region.pack() * count
    if kind == 1:
        known = (VhostRequest.SET_VRING_NUM, VhostRequest.SET_VRING_BASE)
        state = VRING_STATE.pack(queue, random.choice((1, 16, 1024, n32)))
        return random.choice((*known, VhostRequest.SET_VRING_ENABLE)), state
    if kind == 2:
        return VhostRequest.SET_VRING_ADDR, VringAddr(queue & 7, 0, *where, 0).pack()
    if kind == 3:
        return VhostRequest.VRING_KICK, VRING_STATE.pack(queue, 0)
    return random.choice((random.randrange(45), n32)), random.randbytes(random.randrange(64))


def piece(random: Random) -> tuple[bytes, int, int]:
    """A part of a request: an access of the card, other bytes, or room."""
    kind = random.random()
    if kind < 0.5:
        at = random.choice((4, 0xA0, 0x100, 0x10000, integer(random, 16), integer(random, 64)))
        size = random.choice((1, 2, 4, 8, 16, 4096))
        data = PcidevMsg(random.randrange(10), random.randrange(7), 0, size, at).pack()
        data += random.randbytes(random.choice((0, size)))
        return data, len(data), 0
    if kind < 0.9:
        room = random.randrange(200)
        return bytes(room), room, random.choice((0, 2))
    return random.randbytes(8), integer(random, 32), integer(random, 16)
