# SPDX-License-Identifier: GPL-2.0-only
"""A guest that does anything at all: the card answers or records, never raises, never leaks."""

from __future__ import annotations

import random
import struct

import pytest

from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import HwrmInput
from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.layout import Field
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES, READ_ONLY, UNMAPPED, CardHost

ALMOST_RIGHT = {
    "fid": (0xFFFF,),
    "port_id": (0,),
    "ring_type": (0, 1, 2, 4, 5),
    "length": (1, 16, 256, 65536),
    "page_tbl_depth": (0, 0, 0, 1, 2),
    "page_size": (12, 16),
    "fbo": (0,),
    "int_mode": (2,),
    "logical_id": (0, 1, 31),
    "enables": (0, 1, 0x93FF3, 0xFFFFFFFF),
    "mru": (0, 1518, 9600),
}
SELDOM = {Cmd.FUNC_RESET, Cmd.FUNC_DRV_UNRGTR, Cmd.FUNC_CFG}
HEADER = {f.name for f in HwrmInput.FIELDS}


class Guest:
    """Random choices that are often almost right."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.host = CardHost()
        self.host.reserve()
        queue = self.host.open_queue()
        self.host.vnic_of(queue)

    def integer(self, bits: int) -> int:
        r = self.random
        kind = r.randrange(6)
        if kind == 0:
            return 0
        if kind == 1:
            return (1 << bits) - 1
        if kind == 2:
            return r.getrandbits(bits)
        if kind == 3:
            return 1 << r.randrange(bits)
        return r.randrange(16) & ((1 << bits) - 1)

    def address(self) -> int:
        r = self.random
        inside = BASE + r.randrange(MEMORY_BYTES) & ~0xF
        return r.choice([inside, inside, inside, READ_ONLY, UNMAPPED, 0, (1 << 64) - 16])

    def live_id(self) -> int:
        """An id of something that exists, of whatever kind."""
        res = self.host.card.resources
        tables = (
            res.tx_rings, res.rx_rings, res.agg_rings, res.cmpl_rings, res.nqs, res.vnics,
            res.rss_contexts, res.l2_filters, res.ntuple_filters, res.stat_ctxs,
        )  # fmt: skip
        return self.random.choice([i for table in tables for i in table] or [0])

    def field(self, f: Field) -> object:
        if self.random.randrange(4):
            if f.name.endswith(("_id", "_idx")):
                return self.live_id() & ((1 << f.size * 8) - 1)
            if f.name in ALMOST_RIGHT:
                return self.random.choice(ALMOST_RIGHT[f.name]) & ((1 << f.size * 8) - 1)
        if f.code == "s":
            return self.random.randbytes(f.size)
        bits = f.size // f.count * 8
        if f.count > 1:
            return tuple(self.integer(bits) for _ in range(f.count))
        return self.address() if f.size == 8 and self.random.randrange(4) else self.integer(bits)

    def command(self) -> None:
        cmd = self.random.choice(sorted(COMMANDS))
        if cmd in SELDOM and self.random.randrange(20):
            return
        request = COMMANDS[cmd].request()
        for f in request.FIELDS:
            if f.name not in HEADER:
                setattr(request, f.name, self.field(f))
        if self.random.randrange(20) == 0:
            request.resp_addr = self.address()
        ring = self.integer(16) if self.random.randrange(4) == 0 else 0xFFFF
        self.host.submit(request, cmpl_ring=ring)
        if cmd in SELDOM:
            self.host.reserve()

    def doorbell(self) -> None:
        xid = self.live_id() if self.random.randrange(4) else self.integer(20)
        self.host.doorbell(self.random.choice(list(DbType)), xid, self.integer(24))

    def register(self) -> None:
        bar = self.random.choice([0, 2, 4])
        offset = self.random.randrange(0, 0x8000, 4)
        size = self.random.choice([1, 2, 4, 8])
        if self.random.randrange(2):
            self.host.card.mmio_write(bar, offset, self.random.randbytes(size))
        else:
            assert len(self.host.card.mmio_read(bar, offset, size)) == size

    def frames(self) -> None:
        count = self.random.randrange(4)
        frames = [self.random.randbytes(self.random.randrange(14, 2000)) for _ in range(count)]
        self.host.card.receive([b"\xff" * 6 + f for f in frames])

    def memory(self) -> None:
        """Descriptors and page tables of garbage."""
        at = self.random.randrange(0, MEMORY_BYTES - 256, 16)
        word = struct.pack("<IIQ", self.integer(32), self.integer(32), self.address())
        self.host.poke(BASE + at, word * 8)

    def step(self) -> None:
        r = self.random.randrange(100)
        if r < 45:
            self.command()
        elif r < 75:
            self.doorbell()
        elif r < 85:
            self.memory()
        elif r < 93:
            self.frames()
        elif r < 99:
            self.register()
        else:
            self.host.clock.advance_to(self.host.clock.now_ns + self.random.randrange(10**9))
        self.host.card.settle()

    def check(self) -> None:
        """What the ledger counts is what the id pools gave."""
        res = self.host.card.resources
        rings = (res.tx_rings, res.rx_rings, res.agg_rings, res.cmpl_rings, res.nqs)
        assert len(res.ring_ids._used) == sum(map(len, rings))
        assert len(res.vnic_ids._used) == len(res.vnics)
        assert len(res.l2_filter_ids._used) == len(res.l2_filters)
        assert len(res.ntuple_filter_ids._used) == len(res.ntuple_filters)
        assert len(res.stat_ctx_ids._used) == len(res.stat_ctxs)
        assert len(res.rss_context_ids._used) == len(res.rss_contexts)
        for agg in res.agg_rings.values():
            parent = res.rx_rings.get(agg.rx_ring_id)
            assert parent is None or parent.agg is agg or parent.agg is None


@pytest.mark.parametrize("seed", range(8))
def test_hostile_guest(seed: int) -> None:
    guest = Guest(seed)
    for _ in range(1200):
        guest.step()
    guest.check()
    assert guest.host.trace.violation_counts
    guest.host.card.reset(ResetKind.FLR)
    guest.check()
    assert not any(guest.host.card.resources.ledger().values())
