# SPDX-License-Identifier: GPL-2.0-only
"""A hostile guest while packets flow: the card answers, records, and stays up.

``test_hostile.py`` misuses commands; here the rings are alive. Buffers are posted, packets sent and
received, completions consumed, and in between come damaged descriptors and page tables, doorbells
in halves, requests in both forms, config writes and resets. Nothing may raise or take long.
"""

from __future__ import annotations

import random
import struct
import time
from typing import Any

import pytest

from devmodel.bnxt.card import DOORBELL_BAR, REGISTER_BAR
from devmodel.bnxt.config_space import EXPRESS_OFFSET, MSIX_OFFSET
from devmodel.bnxt.hsi.cfa import HwrmCfaL2SetRxMaskInput
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import HwrmInput
from devmodel.bnxt.hsi.regs import (
    CHIMP_TRIGGER,
    DB_INDEX_MASK,
    DB_TYPE_SHIFT,
    DB_XID_SHIFT,
    DOORBELL_PF_OFFSET,
    DbType,
)
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.clock import Timing
from devmodel.layout import Field
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES, READ_ONLY, UNMAPPED, CardHost

SEEDS = range(3)
STEPS = 1500
SLOW_S = 5.0
TCP_FRAME = bytes.fromhex(
    "00101820aa01020000000002080045000034000040004006f96cc0a80902c0a80901"
    "13891389000000010000000180100200f00d00000101080a0000000100000001"
) + bytes(range(200))


class Guest:
    """Draws and carries out one hostile step after another."""

    def __init__(self, seed: int, timing: Timing) -> None:
        self.random = random.Random(seed)
        self.host = CardHost(timing=timing)
        self.card = self.host.card
        self.open()
        self.steps = (
            (self.request, 30),
            (self.sensible_ring, 20),
            (self.doorbell, 30),
            (self.scribble, 20),
            (self.frames, 20),
            (self.good_traffic, 20),
            (self.poll, 20),
            (self.register, 5),
            (self.config, 2),
            (self.pass_time, 10),
        )

    def open(self) -> None:
        """Start as a driver does: function reset, two queues, each with a VNIC."""
        self.host._next = 8192
        self.card.reset(ResetKind.FLR)
        self.card.config_write(4, b"\6\0")
        self.card.config_write(MSIX_OFFSET + 2, b"\0\x80")
        self.host.reserve()
        self.vnics = [self.host.vnic_of(self.host.open_queue(i)) for i in range(2)]

    def step(self) -> None:
        """One access; when the guest has lost all it had, it opens again."""
        res = self.card.resources
        if not (res.rx_rings and res.tx_rings and res.vnics):
            self.open()
        calls = [call for call, _ in self.steps]
        (call,) = self.random.choices(calls, [weight for _, weight in self.steps])
        call()
        self.card.flush()

    def address(self) -> int:
        """Somewhere in memory, at an edge of it, or nowhere."""
        page = BASE + self.random.randrange(MEMORY_BYTES // 4096) * 4096
        edges = (BASE, BASE + MEMORY_BYTES - 16, READ_ONLY, UNMAPPED, 0, (1 << 64) - 8)
        return self.random.choice((page, page, page, page + 8, self.random.choice(edges)))

    def live_id(self) -> int:
        """An id in use, if there is any."""
        res = self.card.resources
        tables: tuple[Any, ...] = (
            res.tx_rings, res.rx_rings, res.agg_rings, res.cmpl_rings, res.nqs, res.vnics,
            res.stat_ctxs,
        )  # fmt: skip
        ids = [i for table in tables for i in table]
        return self.random.choice(ids) if ids else 0

    def value(self, f: Field) -> Any:
        """A value for one member of a request."""
        r = self.random
        if f.code == "s":
            return r.randbytes(f.size)
        width = 8 * f.size // f.count
        choices = [0, 1, 2, 12, r.randrange(64), self.live_id(), (1 << width) - 1]
        choices.append(r.getrandbits(width))
        if width == 64:
            choices = [self.address()] * 8 + choices
        picked = [r.choice(choices) & (1 << width) - 1 for _ in range(f.count)]
        return tuple(picked) if f.count > 1 else picked[0]

    def send(self, code: int, body: bytes) -> None:
        """Long or short form, mostly of the right length."""
        r = self.random
        if r.random() < 0.5:
            self.host.write_window(body[: r.choice((128, 128, 16, 4))])
            self.host.trigger()
        else:
            size = r.choice((len(body), len(body), len(body), 0, 15, 16, 17, 4000, 65535))
            self.host.send_short(body[:1024], size=size, address=r.choice((0, self.address())))

    def request(self) -> None:
        """A known command with members drawn at random, now and then an unknown one."""
        r = self.random
        code, command = r.choice(list(COMMANDS.items()))
        if code == Cmd.FUNC_RESET and r.random() < 0.9:
            return
        kind = command.request
        request = kind(**{f.name: self.value(f) for f in kind.FIELDS})
        request.req_type = code if r.random() < 0.98 else r.getrandbits(16)
        if r.random() < 0.9:
            request.resp_addr = self.host.response_at
            request.cmpl_ring = r.choice((0xFFFF, 0xFFFF, self.live_id()))
        self.send(code, request.pack())

    def sensible_ring(self) -> None:
        """A RING_ALLOC that has a good chance, so that there is something to misuse."""
        r = self.random
        request = COMMANDS[Cmd.RING_ALLOC].request(
            **{
                "ring_type": r.choice(list(RingType)),
                "enables": r.choice((0, 0x1C8, 0x180, 0xFFFFFFFF)),
                "page_tbl_addr": self.address(),
                "page_size": 12,
                "page_tbl_depth": r.choice((0, 0, 0, 1, 2)),
                "length": r.choice((2, 8, 64, 256, 1 << 16, 100)),
                "cmpl_ring_id": self.live_id(),
                "nq_ring_id": self.live_id(),
                "rx_ring_id": self.live_id(),
                "stat_ctx_id": self.live_id(),
                "rx_buf_size": r.choice((0, 64, 1536, 4096, 65535)),
                "int_mode": 2,
                "logical_id": r.randrange(40),
            }
        )
        assert isinstance(request, HwrmInput)
        request.req_type = Cmd.RING_ALLOC
        request.resp_addr = self.host.response_at
        request.cmpl_ring = 0xFFFF
        self.host.send_short(request.pack())

    def doorbell(self) -> None:
        """Any doorbell; mostly of a live ring."""
        r = self.random
        kind = r.choice([*DbType, r.randrange(16)])
        xid = r.choice((self.live_id(), self.live_id(), r.getrandbits(20)))
        index = r.choice((r.randrange(16), r.randrange(300), r.getrandbits(24))) & DB_INDEX_MASK
        value = kind << DB_TYPE_SHIFT | xid << DB_XID_SHIFT | index
        data = (value & (1 << 64) - 1).to_bytes(8, "little")
        offset = DOORBELL_PF_OFFSET if r.random() < 0.95 else r.randrange(16 << 20) & ~7
        for part in (data,) if r.random() < 0.9 else (data[:4], data[4:]):
            self.card.mmio_write(DOORBELL_BAR, offset, part)
            offset += len(part)

    def scribble(self) -> None:
        """Descriptors, page tables, anything, wherever a ring may be."""
        r = self.random
        at = (self.address() - BASE) % (MEMORY_BYTES - 4096)
        words = bytearray()
        for _ in range(r.randrange(1, 64)):
            flags = r.choice((0x0, 0x4, 0x6, 0x10, 0x20, 0xA9, r.getrandbits(16)))
            length = r.choice((0, 1, 14, 60, 1514, 4096, 65535, r.getrandbits(16)))
            words += flags.to_bytes(2, "little") + length.to_bytes(2, "little")
            words += r.getrandbits(32).to_bytes(4, "little") + self.address().to_bytes(8, "little")
        self.host.memory[at : at + len(words)] = words

    def frames(self) -> None:
        """Good and damaged frames from the wire."""
        r = self.random
        batch = []
        for _ in range(r.randrange(1, 20)):
            frame = bytearray(TCP_FRAME[: r.choice((len(TCP_FRAME), 66, 60, 20, 14))])
            for _ in range(r.choice((0, 0, 1, 5))):
                frame[r.randrange(len(frame))] = r.getrandbits(8)
            batch.append(bytes(frame) + bytes(r.choice((0, 0, 1400, 9000, 65000))))
        self.card.receive(batch)

    def good_traffic(self) -> None:
        """Receive mask, buffers and sends as a driver sets them up, so that packets do flow."""
        r = self.random
        mask = HwrmCfaL2SetRxMaskInput(vnic_id=r.choice(self.vnics), mask=r.choice((0x1E, 0x10)))
        mask.req_type, mask.resp_addr = Cmd.CFA_L2_SET_RX_MASK, self.host.response_at
        mask.cmpl_ring = 0xFFFF
        self.host.send_short(mask.pack())
        for ring in self.card.resources.descriptor_rings():
            count = r.randrange(1, min(ring.entries, 64))
            if ring.KIND == "TX":
                bds = b"".join(self.tx_bds(r.randrange(60, 3000)) for _ in range(count // 2))
            else:
                address = BASE + r.randrange(1024) * 4096
                kind = 4 if ring.KIND == "RX" else 6
                bds = b"".join(struct.pack("<HHIQ", kind, 4096, i, address) for i in range(count))
            at = ring.prod % ring.entries
            base = ring.memory.address(at) - BASE
            if 0 <= base < MEMORY_BYTES - len(bds):
                self.host.memory[base : base + len(bds)] = bds
            kind = DbType.SQ if ring.KIND == "TX" else DbType.SRQ
            self.host.doorbell(kind, ring.id, (at + len(bds) // 16) % ring.entries)
        self.frames()

    def tx_bds(self, length: int) -> bytes:
        """A long TX BD with its extension: one packet of random offloads."""
        r = self.random
        flags = 0x10 | 0x40 | 2 << 8
        at = r.randrange(1024) * 4096
        self.host.memory[at : at + len(TCP_FRAME)] = TCP_FRAME
        lflags = r.choice((0, 1, 2, 0x60, 0x60, 0x72, r.getrandbits(16)))
        hdr, mss = r.choice((27, 33, r.randrange(512))), r.choice((0, 1, 536, 1448, 9000))
        return struct.pack("<HHIQ", flags, length, 0, BASE + at) + struct.pack(
            "<HHIII", lflags, hdr, mss, r.choice((0, 1 << 28 | 5)), 0
        )

    def poll(self) -> None:
        """Consume every completion and notification, as NAPI does."""
        res = self.card.resources
        for cq in list(res.cmpl_rings.values()):
            self.host.doorbell(DbType.CQ_ARMALL, cq.id, cq.prod % cq.entries)
        for nq in list(res.nqs.values()):
            self.host.doorbell(DbType.NQ_ARM, nq.id, nq.prod % nq.entries)

    def register(self) -> None:
        """A write and a read of any width anywhere in the registers."""
        r = self.random
        offset = r.choice((r.randrange(65536), r.randrange(0x110), 0x408, CHIMP_TRIGGER))
        length = r.choice((1, 2, 4, 8))
        offset = min(offset, 65536 - length)
        self.card.mmio_write(REGISTER_BAR, offset, r.randbytes(length))
        assert len(self.card.mmio_read(REGISTER_BAR, offset, length)) == length

    def config(self) -> None:
        """Any write to config space, then the function is put right again."""
        r = self.random
        offset = r.choice((r.randrange(4096), 4, EXPRESS_OFFSET + 8, EXPRESS_OFFSET + 9))
        self.card.config_write(offset, r.randbytes(r.choice((1, 2, 4))))
        self.card.config_write(0x4C, b"\0\0")
        self.card.config_write(4, b"\6\0")

    def pass_time(self) -> None:
        """Let timers fire."""
        self.card.clock.advance_to(
            self.card.clock.now_ns + self.random.choice((1000, 10**6, 10**9))
        )


@pytest.mark.parametrize("timing", list(Timing))
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_raises_and_nothing_takes_long(seed: int, timing: Timing) -> None:
    guest = Guest(seed, timing)
    for _ in range(STEPS):
        start = time.process_time()
        guest.step()
        assert time.process_time() - start < SLOW_S
    assert guest.host.trace.violation_counts, "the guest was not hostile"
    assert guest.card.hwrm.requests > STEPS / 10


def test_a_hostile_guest_can_start_over() -> None:
    """After all that, a function reset brings the card back to where it was."""
    guest = Guest(99, Timing.SYNCHRONOUS)
    for _ in range(STEPS):
        guest.step()
    guest.card.config_write(EXPRESS_OFFSET + 8, b"\0\x80")
    assert set(guest.card.resources.ledger().values()) == {0}
