# SPDX-License-Identifier: GPL-2.0-only
"""Virtual functions: that they come and go, what they get, and that each is alone."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.config_space import SRIOV_OFFSET
from devmodel.bnxt.hsi.cfa import (
    HwrmCfaL2FilterAllocInput,
    HwrmCfaL2SetRxMaskInput,
    L2FilterEnables,
    L2FilterFlags,
    RxMask,
)
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncCfgFlags,
    FuncDrvRgtrEnables,
    HwrmFuncCfgInput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncDrvUnrgtrInput,
    HwrmFuncQcapsInput,
    HwrmFuncQcfgInput,
    HwrmFuncResourceQcapsInput,
)
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput, HwrmOutput
from devmodel.bnxt.hsi.nvm import HwrmNvmReadInput
from devmodel.bnxt.hsi.regs import DOORBELL_VF_OFFSET, FW_RESET, DbType
from devmodel.bnxt.hsi.ring import AsyncEvent, HwrmAsyncEventCmpl
from devmodel.bnxt.hsi.ring_alloc import HwrmRingFreeInput, RingType
from devmodel.bnxt.hsi.vf import (
    FuncVfCfgEnables,
    HwrmExecFwdRespInput,
    HwrmFuncBufRgtrInput,
    HwrmFuncVfCfgInput,
    HwrmFuncVfRescFreeInput,
    HwrmFuncVfResourceCfgInput,
    HwrmFwdAsyncEventCmplInput,
    HwrmFwdReqCmpl,
    HwrmFwdRespInput,
    HwrmRejectFwdRespInput,
)
from devmodel.bnxt.hsi.vnic import HwrmVnicFreeInput
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.resources import IdPolicy
from devmodel.bnxt.sriov import PfCard
from devmodel.bnxt.steering import MASK_BCAST
from devmodel.clock import Clock, Timing
from devmodel.net.port import ScriptedWire
from devmodel.pci.function import ResetKind
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import BASE, UNMAPPED, CardHost, OpenQueue

VFS = 4
FIRST = 128
SHARE = {
    "max_msix": 4, "max_rsscos_ctx": 8, "max_cmpl_rings": 16, "max_tx_rings": 8, "max_rx_rings": 16,
    "max_l2_ctxs": 4, "max_vnics": 4, "max_stat_ctx": 8,
    "min_rsscos_ctx": 1, "min_cmpl_rings": 4, "min_tx_rings": 1, "min_rx_rings": 2,
    "min_vnics": 1, "min_stat_ctx": 1,
}  # fmt: skip
FORWARDED = (Cmd.FUNC_VF_CFG, Cmd.CFA_L2_FILTER_ALLOC, Cmd.PORT_PHY_QCFG)


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


@pytest.fixture
def family() -> Family:
    return Family()


@pytest.fixture
def four(family: Family) -> Family:
    family.enable()
    return family


def test_they_come_and_go_with_the_capability(family: Family) -> None:
    functions = family.card.functions
    assert [vf.config_read(0, 4) for vf in functions] == [b"\xff" * 4] * VFS
    assert functions[0].config_read(0xA0, 4) == b"\xff" * 4
    family.show(2)
    assert [vf.is_present for vf in functions] == [True, True, False, False]
    assert functions[1].config_read(0, 4) == b"\xff" * 4, "a VF has no ids of its own"
    assert functions[1].config_read(0xA0, 1) == b"\x11"
    family.show(0)
    assert not any(vf.is_present for vf in functions)
    assert functions[0].mmio_read(0, 0x520, 4) == b"\xff" * 4


def test_a_reset_of_the_physical_function_takes_them_along(four: Family) -> None:
    four.open(0, mac(1))
    four.card.reset(ResetKind.FLR)
    assert not any(vf.is_present for vf in four.card.functions)
    assert not four.card.functions[0].resources.rx_rings


def test_their_memory_is_enabled_by_the_physical_function(four: Family) -> None:
    vf = four.card.functions[0]
    assert vf.mmio_read(0, 0x520, 4) == struct.pack("<I", 0x8000)
    four.card.config_write(SRIOV_OFFSET + 8, struct.pack("<H", 1))
    assert vf.mmio_read(0, 0x520, 4) == b"\xff" * 4
    assert {v["function"] for v in four.trace.violations} == {"vf0"}


def test_each_has_an_id_and_what_it_was_granted(four: Family) -> None:
    caps = four.pf.call(HwrmFuncQcapsInput(fid=0xFFFF))
    assert (caps.first_vf_id, caps.max_vfs) == (FIRST, VFS)
    for index, vf in enumerate(four.vfs):
        own = vf.call(HwrmFuncQcapsInput(fid=0xFFFF))
        assert (own.fid, own.mac_address, own.max_vfs) == (FIRST + index, bytes(6), 0)
        most = vf.call(HwrmFuncResourceQcapsInput(fid=0xFFFF))
        assert (most.max_tx_rings, most.max_msix) == (SHARE["max_tx_rings"], SHARE["max_msix"])


def test_what_is_granted_is_no_longer_the_physical_functions(four: Family) -> None:
    limits = four.card.firmware.identity.limits
    left = four.pf.call(HwrmFuncResourceQcapsInput(fid=0xFFFF))
    assert left.max_tx_rings == limits.tx_rings - VFS * SHARE["min_tx_rings"]
    too_many = HwrmFuncCfgInput(
        fid=0xFFFF, enables=FuncCfgEnables.NUM_TX_RINGS, num_tx_rings=limits.tx_rings
    )
    assert four.pf.error(too_many) == Err.RESOURCE_ALLOC_ERROR
    for fid in range(FIRST, FIRST + VFS):
        four.pf.call(HwrmFuncVfRescFreeInput(vf_id=fid))
    four.pf.call(too_many)


def test_no_more_is_granted_than_there_is(family: Family) -> None:
    all_rings = family.card.firmware.identity.limits.tx_rings
    request = HwrmFuncVfResourceCfgInput(
        vf_id=FIRST, **{**SHARE, "max_tx_rings": all_rings, "min_tx_rings": all_rings}
    )
    family.pf.reserve()
    assert family.pf.error(request) == Err.RESOURCE_ALLOC_ERROR
    swapped = HwrmFuncVfResourceCfgInput(vf_id=FIRST, **{**SHARE, "min_tx_rings": 9})
    assert family.pf.error(swapped) == Err.INVALID_PARAMS
    nobody = HwrmFuncVfResourceCfgInput(vf_id=FIRST + VFS, **SHARE)
    assert family.pf.error(nobody) == Err.RESOURCE_ACCESS_DENIED
    assert family.pf.rules == {"hwrm_unknown_function"}


def test_a_virtual_function_reserves_of_its_share_only(four: Family) -> None:
    over = HwrmFuncVfCfgInput(enables=FuncVfCfgEnables.NUM_TX_RINGS, num_tx_rings=9)
    assert four.vfs[0].error(over) == Err.RESOURCE_ALLOC_ERROR
    over.flags = 1
    assert four.vfs[0].error(over) == Err.RESOURCE_ALLOC_ERROR
    four.reserve(0, num_tx_rings=8)
    assert four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF)).alloc_tx_rings == 8
    assert four.pf.call(HwrmFuncQcfgInput(fid=FIRST)).alloc_tx_rings == 8
    assert four.pf.error(HwrmFuncVfCfgInput()) == Err.CMD_NOT_SUPPORTED


def test_what_is_of_the_board_is_not_for_them(four: Family) -> None:
    vf = four.vfs[0]
    assert vf.error(HwrmNvmReadInput()) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncCfgInput(fid=0xFFFF)) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncVfResourceCfgInput(vf_id=FIRST)) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncQcapsInput(fid=FIRST + 1)) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncQcapsInput(fid=1)) == Err.RESOURCE_ACCESS_DENIED
    assert four.trace.violation_counts == {"hwrm_unknown_function": 2}
    restarts = four.card.firmware.restarts
    vf.card.mmio_write(0, FW_RESET, b"\1\0\0\0")
    assert four.card.firmware.restarts == restarts
    assert "reserved_register_write" in four.trace.violation_counts


# -- each is alone ------------------------------------------------------------------------------
def test_memory_of_another_function_cannot_be_named(four: Family) -> None:
    """DMA goes by the function: an address that is mapped for the other is a fault for this one."""
    secret = BASE + 0x10_0000
    one, other = four.vfs[:2]
    other.poke(secret, b"secret")
    one.card.dma.unmap_all()
    for request in (HwrmFuncQcapsInput(fid=0xFFFF, resp_addr=secret),):
        one.submit(request)
    assert other.peek(secret, 6) == b"secret"
    assert four.trace.violation_counts["hwrm_request_address"] == 1
    assert four.trace.violations[-1]["function"] == "vf0"


def test_rings_of_another_function_cannot_be_named(four: Family) -> None:
    four.open(1, mac(2))
    four.reserve(0)
    one, other = four.vfs[:2]
    before = {ring.id: (ring.prod, ring.cons) for ring in other.card.resources.descriptor_rings()}
    for ring_id in before:
        for kind in (DbType.SQ, DbType.SRQ):
            one.doorbell(kind, ring_id, 5)
    for kind in RingType:
        for ring_id in before:
            assert one.error(HwrmRingFreeInput(ring_type=kind, ring_id=ring_id))
    assert one.error(HwrmVnicFreeInput(vnic_id=0)) == Err.INVALID_PARAMS
    after = {ring.id: (ring.prod, ring.cons) for ring in other.card.resources.descriptor_rings()}
    assert after == before
    assert {v["function"] for v in four.trace.violations} == {"vf0"}
    assert "doorbell_unknown_ring" in four.trace.violation_counts


def test_an_address_has_one_owner(four: Family) -> None:
    four.open(1, mac(2))
    four.open(0, mac(1))
    one = four.vfs[0]
    assert one.error(filter_for(mac(2), 0)) == Err.RESOURCE_ACCESS_DENIED
    assert one.error(filter_for(four.card.firmware.mac, 0)) == Err.RESOURCE_ACCESS_DENIED
    wanted = HwrmFuncVfCfgInput(enables=FuncVfCfgEnables.DFLT_MAC_ADDR, dflt_mac_addr=mac(2))
    assert one.error(wanted) == Err.RESOURCE_ACCESS_DENIED
    assert four.trace.violation_counts == {"vf_address_taken": 3}
    enables = L2FilterEnables.L2_ADDR | L2FilterEnables.DST_ID | L2FilterEnables.L2_ADDR_MASK
    every = filter_for(mac(9), 0, enables=enables, l2_addr_mask=bytes(6))
    assert one.error(every) == Err.RESOURCE_ACCESS_DENIED
    trust(four, 0)
    one.call(every)


def trust(four: Family, index: int) -> None:
    flags = FuncCfgFlags.TRUSTED_VF_ENABLE
    four.pf.call(HwrmFuncCfgInput(fid=FIRST + index, flags=flags))


def test_only_who_is_trusted_receives_what_is_no_ones(four: Family) -> None:
    four.open(0, mac(1))
    four.receive(frame(mac(9)))
    assert received(four.vfs[0]) == 0
    promiscuous = HwrmCfaL2SetRxMaskInput(vnic_id=0, mask=RxMask.PROMISCUOUS)
    assert four.vfs[0].error(promiscuous) == Err.RESOURCE_ACCESS_DENIED
    trust(four, 0)
    assert four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF)).flags & 0x40
    four.vfs[0].call(promiscuous)
    four.receive(frame(mac(9)))
    assert received(four.vfs[0]) == 1


# -- the switch ---------------------------------------------------------------------------------
def test_a_frame_reaches_the_function_it_is_for(four: Family) -> None:
    for index in range(VFS):
        four.open(index, mac(index))
    four.receive(frame(mac(2)), frame(mac(0)), frame(mac(2)))
    assert [received(vf) for vf in four.vfs] == [1, 0, 2, 0]
    assert four.card.mac.rx.lengths == {60: 3}, "all came through the port"


def test_a_broadcast_reaches_all(four: Family) -> None:
    four.pf.reserve()
    open_queue(four.pf, four.card.firmware.mac)
    for index in range(VFS):
        four.open(index, mac(index))
    four.receive(frame(b"\xff" * 6))
    assert [received(host) for host in (four.pf, *four.vfs)] == [1] * 5


def test_functions_talk_without_the_wire(four: Family) -> None:
    four.pf.reserve()
    queue_of_pf = open_queue(four.pf, four.card.firmware.mac)
    queues = [four.open(index, mac(index)) for index in range(VFS)]
    send(four.vfs[0], queues[0], frame(mac(3), mac(0)))
    send(four.vfs[3], queues[3], frame(four.card.firmware.mac, mac(3)))
    send(four.pf, queue_of_pf, frame(mac(1), four.card.firmware.mac))
    assert [received(host) for host in (four.pf, *four.vfs)] == [1, 0, 1, 0, 1]
    assert four.wire.sent == []
    send(four.vfs[0], queues[0], frame(mac(9), mac(0)))
    assert four.wire.sent == [frame(mac(9), mac(0))]
    send(four.vfs[0], queues[0], frame(b"\xff" * 6, mac(0)))
    assert four.wire.sent[1:] == [frame(b"\xff" * 6, mac(0))]
    assert [received(host) for host in (four.pf, *four.vfs)] == [2, 0, 2, 1, 2]


def test_one_that_went_receives_nothing(four: Family) -> None:
    four.open(0, mac(0))
    four.show(0)
    four.receive(frame(mac(0)))
    assert four.trace.counters["switch_drop_queue_full"] == 0
    assert not four.card.functions[0].resources.rx_rings


def test_a_spoofed_frame_is_dropped_if_that_is_checked(four: Family) -> None:
    queue = four.open(0, mac(0))
    send(four.vfs[0], queue, frame(mac(9), mac(7)))
    assert len(four.wire.sent) == 1
    check = FuncCfgFlags.SRC_MAC_ADDR_CHECK_ENABLE
    four.pf.call(HwrmFuncCfgInput(fid=FIRST, flags=check))
    send(four.vfs[0], queue, frame(mac(9), mac(7)))
    assert len(four.wire.sent) == 1
    assert four.trace.counters["vf_tx_drop_spoofed"] == 1
    send(four.vfs[0], queue, frame(mac(9), mac(0)))
    assert len(four.wire.sent) == 2


def test_a_vlan_of_the_physical_functions_choice(four: Family) -> None:
    queue = four.open(0, mac(0))
    four.pf.call(HwrmFuncCfgInput(fid=FIRST, enables=FuncCfgEnables.DFLT_VLAN, dflt_vlan=7))
    assert four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF)).vlan == 7
    send(four.vfs[0], queue, frame(mac(9), mac(0)))
    assert four.wire.sent[0][12:16] == b"\x81\x00\x00\x07"
    tagged = frame(mac(0))
    four.receive(tagged)
    assert received(four.vfs[0]) == 0
    four.receive(tagged[:12] + b"\x81\x00\x00\x07" + tagged[12:])
    assert received(four.vfs[0]) == 1


def test_the_next_one_begins_anew(four: Family) -> None:
    enables = FuncCfgEnables.DFLT_VLAN | FuncCfgEnables.DFLT_MAC_ADDR
    given = {"dflt_vlan": 7, "dflt_mac_addr": mac(5)}
    flags = FuncCfgFlags.TRUSTED_VF_ENABLE
    four.pf.call(HwrmFuncCfgInput(fid=FIRST, enables=enables, flags=flags, **given))
    told = four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF))
    assert (told.vlan, told.flags & 0x40) == (7, 0x40)
    assert four.vfs[0].call(HwrmFuncQcapsInput(fid=0xFFFF)).mac_address == mac(5)
    four.pf.call(HwrmFuncVfRescFreeInput(vf_id=FIRST))
    told = four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF))
    assert (told.vlan, told.flags & 0x40) == (0, 0)
    assert four.vfs[0].call(HwrmFuncQcapsInput(fid=0xFFFF)).mac_address == bytes(6)


# -- forwarding ---------------------------------------------------------------------------------
class Judged(Family):
    """Requests of virtual functions go to the physical one's driver."""

    def __init__(self) -> None:
        super().__init__()
        words = [0] * 8
        for cmd in FORWARDED:
            words[cmd // 32] |= 1 << cmd % 32
        self.pf.reserve()
        self.queue = self.pf.open_queue()
        enables = FuncDrvRgtrEnables.VF_REQ_FWD
        self.pf.call(HwrmFuncDrvRgtrInput(enables=enables, vf_req_fwd=tuple(words)))
        self.pf.call(
            HwrmFuncCfgInput(
                fid=0xFFFF,
                enables=FuncCfgEnables.ASYNC_EVENT_CR,
                async_event_cr=self.queue.nq,
            )
        )
        self.buffer = self.pf.allocate(4096)
        self.pf.call(
            HwrmFuncBufRgtrInput(
                req_buf_num_pages=1, req_buf_page_size=12, req_buf_len=128,
                req_buf_page_addr0=self.buffer,
            )
        )  # fmt: skip
        self.enable()

    def note(self) -> HwrmFwdReqCmpl:
        """The last entry of the PF's NQ."""
        nq = self.card.resources.nqs[self.queue.nq]
        at = nq.memory.ranges()[0][0] + (nq.prod - 1) * 16
        return HwrmFwdReqCmpl.unpack(self.pf.peek(at, 16))

    def ask(self, index: int = 0) -> bytes:
        """A VF asks for an address; returns the request as the PF's driver finds it."""
        request = HwrmFuncVfCfgInput(
            enables=FuncVfCfgEnables.DFLT_MAC_ADDR, dflt_mac_addr=mac(index)
        )
        assert not self.vfs[index].submit(request), "it waits"
        note = self.note()
        assert (note.source_id, note.req_len) == (FIRST + index, len(request.pack()))
        place = note.req_buf_addr_v[0] & ~1 | note.req_buf_addr_v[1] << 32
        assert place == self.buffer + 128 * index
        return self.pf.peek(place, note.req_len)

    def answer(self, index: int = 0) -> HwrmErrOutput:
        """What the VF finds."""
        return HwrmErrOutput.unpack(self.vfs[index].peek(self.vfs[index].response_at, 16))


@pytest.fixture
def judged() -> Judged:
    return Judged()


def words(request: bytes) -> tuple[int, ...]:
    return struct.unpack("<26I", request.ljust(104, b"\0"))


def test_a_request_is_carried_out_when_it_was_approved(judged: Judged) -> None:
    request = judged.ask(1)
    judged.pf.call(HwrmExecFwdRespInput(encap_request=words(request), encap_resp_target_id=129))
    assert judged.answer(1).error_code == 0
    assert judged.answer(1).req_type == Cmd.FUNC_VF_CFG
    assert judged.card.functions[1].firmware.mac == mac(1)


def test_a_request_is_refused_when_it_was_rejected(judged: Judged) -> None:
    request = judged.ask()
    judged.pf.call(HwrmRejectFwdRespInput(encap_request=words(request), encap_resp_target_id=128))
    assert judged.answer().error_code == Err.RESOURCE_ACCESS_DENIED
    assert judged.card.functions[0].firmware.mac == bytes(6)


def test_a_request_is_answered_by_the_driver(judged: Judged) -> None:
    judged.ask()
    response = HwrmOutput(error_code=0, req_type=Cmd.FUNC_VF_CFG, seq_id=1, resp_len=16).pack()
    answer = (response + bytes(7) + b"\1").ljust(96, b"\0")
    fields = {"encap_resp": struct.unpack("<24I", answer), "encap_resp_target_id": 128}
    elsewhere = HwrmFwdRespInput(encap_resp_addr=BASE, encap_resp_len=16, **fields)
    assert judged.pf.error(elsewhere) == Err.INVALID_PARAMS
    place = judged.vfs[0].response_at
    short = HwrmFwdRespInput(encap_resp_addr=place, encap_resp_len=15, **fields)
    assert judged.pf.error(short) == Err.INVALID_PARAMS
    judged.pf.call(HwrmFwdRespInput(encap_resp_addr=place, encap_resp_len=16, **fields))
    assert judged.answer().resp_len == 16
    assert judged.pf.rules == {"vf_response_address", "vf_response_length"}


def test_only_the_request_that_waits_can_be_answered(judged: Judged) -> None:
    request = judged.ask()
    other = bytes([request[0], request[1], *request[2:8], *bytes(8)]) + request[16:]
    execute = HwrmExecFwdRespInput(encap_request=words(other), encap_resp_target_id=128)
    assert judged.pf.error(execute) == Err.INVALID_PARAMS
    execute = HwrmExecFwdRespInput(encap_request=words(request), encap_resp_target_id=130)
    assert judged.pf.error(execute) == Err.INVALID_PARAMS
    assert judged.pf.rules == {"vf_other_request", "vf_no_request"}
    busy = judged.vfs[0].error(HwrmFuncQcapsInput(fid=0xFFFF))
    assert busy == Err.BUSY
    assert "vf_request_while_waiting" in judged.pf.rules


def test_without_a_driver_nothing_is_judged(judged: Judged) -> None:
    judged.ask()
    judged.pf.call(HwrmFuncDrvUnrgtrInput())
    assert judged.answer().error_code == Err.RESOURCE_ACCESS_DENIED
    wanted = HwrmFuncVfCfgInput(enables=FuncVfCfgEnables.DFLT_MAC_ADDR, dflt_mac_addr=mac(0))
    assert judged.vfs[0].error(wanted) == Err.PF_UNAVAILABLE


def test_buffers_that_the_card_cannot_write(judged: Judged) -> None:
    assert judged.pf.error(HwrmFuncBufRgtrInput(req_buf_num_pages=11)) == Err.INVALID_PARAMS
    judged.pf.call(
        HwrmFuncBufRgtrInput(
            req_buf_num_pages=1, req_buf_page_size=12, req_buf_len=128, req_buf_page_addr0=UNMAPPED
        )
    )
    assert judged.vfs[0].error(HwrmFuncVfCfgInput()) == Err.PF_UNAVAILABLE
    assert "vf_request_buffer" in judged.pf.rules


def test_a_function_reset_forgets_who_waits(judged: Judged) -> None:
    request = judged.ask()
    judged.card.functions[0].reset(ResetKind.FLR)
    execute = HwrmExecFwdRespInput(encap_request=words(request), encap_resp_target_id=128)
    assert judged.pf.error(execute) == Err.INVALID_PARAMS


def test_events_are_passed_on(four: Family) -> None:
    four.reserve(0)
    vf = four.vfs[0]
    queue = vf.open_queue()
    vf.call(HwrmFuncDrvRgtrInput(async_event_fwd=(0, 1 << 19, 0, 0, 0, 0, 0, 0)))
    enables = FuncVfCfgEnables.ASYNC_EVENT_CR
    vf.call(HwrmFuncVfCfgInput(enables=enables, async_event_cr=queue.nq))
    event = HwrmAsyncEventCmpl(event_id=AsyncEvent.VF_CFG_CHANGE).pack()
    told = HwrmFwdAsyncEventCmplInput(
        encap_async_event_target_id=128, encap_async_event_cmpl=struct.unpack("<4I", event)
    )
    four.pf.call(told)
    nq = vf.card.resources.nqs[queue.nq]
    assert nq.prod == 1
    told.encap_async_event_target_id = 0xFFFF
    four.pf.call(told)
    assert nq.prod == 2


def test_all_have_the_link_of_the_port(four: Family) -> None:
    four.open(0, mac(0))
    four.card.set_link(False)
    four.receive(frame(mac(0)))
    assert received(four.vfs[0]) == 0
    four.card.set_link(True)
    four.receive(frame(mac(0)))
    assert received(four.vfs[0]) == 1
