# SPDX-License-Identifier: GPL-2.0-only
"""Acts of a hostile guest drawn by a seeded generator: a thousand times as many as hypothesis.

What an act does is in tests/unit/devmodel/hostile/steps.py; here is only how it is chosen.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from devmodel.bnxt.card import REGISTER_BAR
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.regs import CHIMP_TRIGGER, DbType
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.layout import Field
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES
from tests.unit.devmodel.hostile import steps, wire
from tests.unit.devmodel.hostile.guarded import EDGES, HOLE, GuardedHost
from tests.unit.devmodel.hostile.steps import DATA, DESTRUCTIVE, HEADER_FIELDS, PLAUSIBLE, Live

CODES = sorted(set(COMMANDS) - set(DESTRUCTIVE))
HEADER = bytes.fromhex(
    "525400123456 00101820aa01 0800 4500002800010000400600000a0000020a000001"
    "005003e800000000000000005010200000000000"
)
"""Ethernet, IPv4 and TCP, to be segmented."""
LSO_WORD, LSO_FLAGS = 1 << 6 | 2 << 8 | 0x10, 1 << 5 | len(HEADER) // 2 << 16
FRAMES = [
    *wire.in_order(1, 32, 1448, has_options=True, is_v6=False),
    *wire.in_order(2, 32, 536, has_options=False, is_v6=True),
    *wire.in_order(3, 8, 8948, has_options=True, is_v6=False),
    b"", bytes(14), wire.MACS[1] + bytes(54), wire.MACS[2] + bytes(1500),
    wire.MACS[0] + bytes(68000),
]  # fmt: skip
SENDS = 64
"""Entries of a ring of large sends: a hundred thousand frames."""
LARGEST = 1 << 16
"""Entries of the largest ring."""


class Acts:
    """Draws acts and carries them out on ``host``.

    :param random: decides everything.
    """

    def __init__(self, host: GuardedHost, random: Random) -> None:
        self.host = host
        host.wire.keep = False
        self.random = random
        acts: dict[Callable[[], None], float] = {
            self.doorbell: 26, self.post: 14, self.refill: 5, self.poll: 6, self.receive: 12,
            self.command: 9, self.come_and_go: 2, self.raw_command: 2, self.page_table: 0.5,
            self.register: 9, self.configuration: 2, self.scribble: 5, self.unmap: 4,
            self.pass_time: 3, self.leap: 0.02, self.surroundings: 0.7, self.reset: 0.1,
            self.wake: 0.6, self.segments: 0.02, self.whole_ring: 0.02,
        }  # fmt: skip
        self._acts = list(acts)
        total = 0.0
        self._weights = [total := total + weight for weight in acts.values()]

    def one(self) -> None:
        """An act, and its effects."""
        (act,) = self.random.choices(self._acts, cum_weights=self._weights)
        act()
        self.host.end_step()

    # -- values -------------------------------------------------------------------------------
    def integer(self, bits: int) -> int:
        """Any, with a liking for the ends."""
        if self.random.random() < 0.3:
            top = (1 << bits) - 1
            return self.random.choice((0, 1, 2, top - 1, top, 1 << bits - 1))
        return self.random.getrandbits(self.random.randrange(1, bits + 1))

    def address(self) -> int:
        """Mostly of memory that is mapped."""
        kind = self.random.random()
        if kind < 0.8:
            return BASE + 16 * self.random.randrange(MEMORY_BYTES // 16)
        return self.random.choice(EDGES) if kind < 0.95 else self.integer(64)

    def live(self) -> int:
        """The id of something that exists."""
        ids = steps.live_ids(self.host)
        return self.random.choice(ids) if ids else 0

    def value(self, f: Field) -> Any:
        """What a member of a request may hold."""
        if f.code == "s":
            return self.random.randbytes(f.size)
        bits = 8 * f.size // f.count
        if f.count > 1:
            return tuple(self.integer(bits) for _ in range(f.count))
        if f.name in PLAUSIBLE and self.random.random() < 0.7:
            return self.random.choice(PLAUSIBLE[f.name]) & (1 << bits) - 1
        if f.name.endswith(("_id", "_idx")) and self.random.random() < 0.7:
            return Live(self.random.randrange(32))
        return self.address() if f.size == 8 and self.random.random() < 0.8 else self.integer(bits)

    def values(self, code: int) -> dict[str, Any]:
        """Some members of a request."""
        fields = [f for f in COMMANDS[code].request.FIELDS if f.name not in HEADER_FIELDS]
        drawn = self.random.sample(fields, self.random.randrange(len(fields) + 1))
        return {f.name: self.value(f) for f in drawn}

    # -- acts ---------------------------------------------------------------------------------
    def doorbell(self) -> None:
        """Of a ring that exists, or not."""
        kind = self.random.choice(list(DbType)) if self.random.random() < 0.9 else self.integer(4)
        xid = self.live() if self.random.random() < 0.8 else self.integer(20)
        index = self.random.randrange(300) if self.random.random() < 0.8 else self.integer(24)
        steps.doorbell(self.host, kind, xid & 0xFFFFF, index, self.random.random() < 0.2)

    def post(self) -> None:
        """Descriptors."""
        words = []
        for _ in range(self.random.randrange(1, 40)):
            length = self.random.choice((0, 1, 14, 60, 1514, 4096, 65535))
            kind = self.random.choice((4, 6, 0x10, 0x20, 0x140, 0x250, 0x350))
            word = length << 16 | kind if self.random.random() < 0.8 else self.integer(32)
            words.append((word, self.integer(32), self.address()))
        steps.post(self.host, self.random.randrange(16), words)

    def refill(self) -> None:
        """Good buffers."""
        steps.refill(self.host, self.random.randrange(1, 65))

    def poll(self) -> None:
        """As NAPI does."""
        steps.poll(self.host)

    def receive(self) -> None:
        """Frames, some of them damaged."""
        first = self.random.randrange(len(FRAMES))
        batch = FRAMES[first : first + self.random.randrange(24)]
        if batch and self.random.random() < 0.5:
            at = self.random.randrange(len(batch))
            frame = bytearray(batch[at])
            for _ in range(self.random.randrange(4)):
                if frame:
                    frame[self.random.randrange(min(len(frame), 90))] = self.random.getrandbits(8)
            batch[at] = bytes(frame[: self.random.choice((len(frame), 20, 60))])
        steps.receive(self.host, batch)

    def command(self) -> None:
        """Structured."""
        code = self.random.choice(CODES)
        ring = 0xFFFF if self.random.random() < 0.7 else Live(self.random.randrange(32))
        steps.command(self.host, code, self.values(code), ring)

    def come_and_go(self) -> None:
        """Something that is allocated and freed."""
        allocate, free, member = self.random.choice(steps.PAIRS)
        steps.come_and_go(self.host, allocate, self.values(allocate), free, member)

    def raw_command(self) -> None:
        """Bytes."""
        head = struct.pack(
            "<HHHHQ", self.random.choice(CODES), 0x4321, 0, self.integer(16), self.address()
        )
        data = head if self.random.random() < 0.7 else self.random.randbytes(64)
        steps.raw_command(self.host, data, self.random.randbytes(self.random.randrange(256)))

    def page_table(self) -> None:
        """A ring of any pages."""
        entries = [self.address() & ~0xFFF | self.random.randrange(4) for _ in range(16)]
        values = {"length": 512, "int_mode": 2, **self.values(Cmd.RING_ALLOC)}
        steps.page_table(self.host, entries, self.random.randrange(4), values)

    def register(self) -> None:
        """Read or write."""
        bar, offset = self.random.choice((0, 2, 4)), self.random.randrange(0x110)
        kind = self.random.random()
        if kind < 0.4:
            steps.read_register(self.host, bar, offset, self.random.randrange(1, 9))
        elif kind < 0.9:
            data = self.random.randbytes(self.random.randrange(1, 9))
            steps.write_register(self.host, bar, self.integer(15), data)
        else:
            at = self.random.choice((CHIMP_TRIGGER, 0x400))
            steps.write_register(self.host, REGISTER_BAR, at, self.random.randbytes(4))

    def configuration(self) -> None:
        """Configuration space, after which the function is awake again."""
        data = self.random.randbytes(self.random.randrange(1, 9))
        steps.write_config(self.host, self.random.randrange(0x120), data)
        self.host.end_step()
        steps.wake(self.host)

    def wake(self) -> None:
        """Everything on."""
        steps.wake(self.host)

    def scribble(self) -> None:
        """Memory changes under the card."""
        at = BASE + 16 * self.random.randrange(MEMORY_BYTES // 16)
        steps.scribble(self.host, at, self.random.randbytes(self.random.randrange(1, 65)))

    def unmap(self) -> None:
        """A page goes, or comes back."""
        steps.unmap(self.host, self.random.randrange(2, 200))

    def pass_time(self) -> None:
        """Up to a second."""
        steps.pass_time(self.host, self.random.choice((1, 10**3, 10**6, 10**8, 10**9)))

    def leap(self) -> None:
        """An hour, with many statistics contexts of the shortest period."""
        for _ in range(self.random.randrange(8)):
            values = {"stats_dma_addr": self.address(), "stats_dma_length": 168}
            steps.command(self.host, Cmd.STAT_CTX_ALLOC, {**values, "update_period_ms": 1}, 0xFFFF)
        steps.pass_time(self.host, 3600 * 10**9)

    def surroundings(self) -> None:
        """Link and congestion."""
        call = self.random.choice((steps.link, steps.congestion))
        call(self.host, (call is steps.link) == (self.random.random() < 0.9))

    def reset(self) -> None:
        """After which the driver opens again."""
        steps.wake(self.host)
        kind = self.random.choice((*ResetKind, None))
        if kind is None:
            steps.open_again(self.host)
        else:
            steps.reset(self.host, kind)

    # -- much work at once --------------------------------------------------------------------
    def new_ring(self, ring_type: RingType, length: int, entry: bytes, **more: Any) -> int | None:
        """The id of a ring full of copies of some entries, or None."""
        before = set(steps.live_ids(self.host))
        self.host.poke(DATA, entry * (length * 16 // len(entry)))
        values = {"ring_type": ring_type, "page_tbl_addr": DATA, "length": length, **more}
        steps.command(self.host, Cmd.RING_ALLOC, {"int_mode": 2, **values}, 0xFFFF)
        return next(iter(set(steps.live_ids(self.host)) - before), None)

    def segments(self) -> None:
        """A ring of large sends, each thousands of frames, and one doorbell."""
        tables = self.host.card.resources
        cqs = list(tables.cmpl_rings)
        if not cqs:
            return
        data = DATA + LARGEST * 16
        self.host.poke(data, HEADER)
        mss = self.random.choice((16, 17, 100, 1448))
        word = self.random.choice((65535, 20_000)) << 16 | LSO_WORD
        packet = struct.pack("<IIQ4I", word, 7, data, LSO_FLAGS, mss, 0, 0)
        ring = self.new_ring(RingType.TX, SENDS, packet, cmpl_ring_id=self.random.choice(cqs))
        if ring is not None:
            self.host.doorbell(DbType.SQ, ring, SENDS - 2)

    def whole_ring(self) -> None:
        """Thousands of buffers posted by one doorbell: good ones, bad ones, all the same."""
        address = self.random.choice((DATA, HOLE, self.address()))
        entry = struct.pack("<IIQ", 4096 << 16 | 4, 1, address)
        kinds: Sequence[RingType] = (RingType.RX, RingType.RX_AGG)
        parents = {name: self.live() & 0xFFFF for name in ("rx_ring_id", "nq_ring_id")}
        more = {"rx_buf_size": 4096, **parents}
        ring = self.new_ring(self.random.choice(kinds), LARGEST, entry, **more)
        if ring is not None:
            self.host.doorbell(DbType.SRQ, ring, LARGEST - 1)
