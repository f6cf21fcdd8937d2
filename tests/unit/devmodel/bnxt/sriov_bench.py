# SPDX-License-Identifier: GPL-2.0-only
"""A physical function, its virtual ones and their wire, for the tests of them."""

from __future__ import annotations

import struct

from devmodel.bnxt.config_space import SRIOV_OFFSET
from devmodel.bnxt.hsi.cfa import (
    HwrmCfaL2FilterAllocInput,
    HwrmCfaL2SetRxMaskInput,
    L2FilterEnables,
    L2FilterFlags,
)
from devmodel.bnxt.hsi.regs import DOORBELL_VF_OFFSET, DbType
from devmodel.bnxt.hsi.vf import (
    FuncVfCfgEnables,
    HwrmFuncVfCfgInput,
    HwrmFuncVfResourceCfgInput,
)
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.resources import IdPolicy
from devmodel.bnxt.sriov import PfCard
from devmodel.bnxt.steering import MASK_BCAST
from devmodel.clock import Clock, Timing
from devmodel.net.port import ScriptedWire
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue

VFS = 4
FIRST = 128
SHARE = {
    "max_msix": 4, "max_rsscos_ctx": 8, "max_cmpl_rings": 16, "max_tx_rings": 8, "max_rx_rings": 16,
    "max_l2_ctxs": 4, "max_vnics": 4, "max_stat_ctx": 8,
    "min_rsscos_ctx": 1, "min_cmpl_rings": 4, "min_tx_rings": 1, "min_rx_rings": 2,
    "min_vnics": 1, "min_stat_ctx": 1,
}  # fmt: skip


def mac(number: int) -> bytes:
    return bytes([2, 0, 0, 0, 1, number])


class Family:
    """A card whose physical function has been driven as bnxt_en does, and its virtual ones.

    :ivar vfs: hosts of the virtual functions, each with memory of its own.
    """

    def __init__(self) -> None:
        self.wire = ScriptedWire()
        self.trace = Trace()
        self.card = PfCard(
            nic=Identity(virtual_functions=VFS), id_policy=IdPolicy.REUSE,
            clock=Clock(1, Timing.SYNCHRONOUS), trace=self.trace, wire=self.wire,
        )  # fmt: skip
        self.pf = CardHost(card=self.card)
        self.vfs: list[CardHost] = []

    def enable(self, count: int = VFS) -> None:
        """Resources for all of them, then SR-IOV."""
        for fid in range(FIRST, FIRST + count):
            self.pf.call(HwrmFuncVfResourceCfgInput(vf_id=fid, **SHARE))
        self.show(count)
        self.vfs = [CardHost(card=vf) for vf in self.card.functions[:count]]
        for vf in self.vfs:
            vf.doorbell_offset = DOORBELL_VF_OFFSET

    def show(self, count: int) -> None:
        """What pci_enable_sriov() writes; 0 disables it."""
        self.card.config_write(SRIOV_OFFSET + 16, struct.pack("<H", count))
        self.card.config_write(SRIOV_OFFSET + 8, struct.pack("<H", 9 if count else 0))

    def reserve(self, index: int, **counts: int) -> None:
        """FUNC_VF_CFG of a VF."""
        wanted = {
            "num_cmpl_rings": 4, "num_tx_rings": 1, "num_rx_rings": 2, "num_stat_ctxs": 1,
            "num_rsscos_ctxs": 1, "num_vnics": 1, **counts,
        }  # fmt: skip
        enables = sum(FuncVfCfgEnables[name.upper()] for name in wanted)
        self.vfs[index].call(HwrmFuncVfCfgInput(enables=enables, **wanted))

    def open(self, index: int, address: bytes) -> OpenQueue:
        """A queue, a VNIC, a filter for the address and for broadcast, buffers."""
        self.reserve(index)
        return open_queue(self.vfs[index], address)

    def receive(self, *frames: bytes) -> None:
        """Frames from the wire."""
        self.card.arrived(frames)
        self.card.settle()


def open_queue(host: CardHost, address: bytes) -> OpenQueue:
    queue = host.open_queue()
    vnic = host.vnic_of(queue)
    host.call(filter_for(address, vnic))
    host.call(HwrmCfaL2SetRxMaskInput(vnic_id=vnic, mask=MASK_BCAST))
    buffers = host.allocate(16 * 1024)
    ring = host.card.resources.rx_rings[queue.rx]
    memory = ring.memory
    for i in range(8):
        bd = struct.pack("<IIQ", 4 | 640 << 16, i, buffers + 1024 * i)
        host.poke(memory.ranges()[0][0] + 16 * i, bd)
    host.doorbell(DbType.SRQ, queue.rx, 8)
    return queue


def filter_for(address: bytes, vnic: int, **more: object) -> HwrmCfaL2FilterAllocInput:
    enables = L2FilterEnables.L2_ADDR | L2FilterEnables.DST_ID
    given = {"flags": L2FilterFlags.PATH_RX, "enables": enables, **more}
    return HwrmCfaL2FilterAllocInput(l2_addr=address, dst_id=vnic, **given)  # type: ignore[arg-type]


def frame(destination: bytes, source: bytes = bytes.fromhex("0200000000ee")) -> bytes:
    return (destination + source + b"\x88\xb5" + b"payload").ljust(60, b"\0")


def send(host: CardHost, queue: OpenQueue, data: bytes) -> None:
    """One packet: a long descriptor and its extension."""
    at = host.allocate(len(data))
    host.poke(at, data)
    ring = host.card.resources.tx_rings[queue.tx]
    place = ring.memory.ranges()[0][0]
    prod = ring.prod
    flags = 0x10 | 1 << 6 | 2 << 8 | len(data) << 16
    bds = struct.pack("<IIQ", flags, 0, at) + bytes(16)
    host.poke(place + prod * 16, bds)
    host.doorbell(DbType.SQ, queue.tx, prod + 2)
    host.card.settle()


def received(host: CardHost) -> int:
    """Frames in the statistics of a function, all casts."""
    return sum(sum(ctx.counters[:3]) for ctx in host.card.resources.stat_ctxs.values())
